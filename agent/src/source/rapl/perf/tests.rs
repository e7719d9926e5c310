use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const SCALE: &str = "2.3283064365386962890625e-10";

fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().expect("a folder")).expect("folder");
    fs::write(file, text).expect("file");
}

/// A PMU of type `pmu_type` with `events` (name, code), read through the CPUs of `cpumask`.
fn fixture(pmu_type: u32, cpumask: &str, events: &[(&str, &str)], packages: &[(u32, u32)]) -> (TempDir, HostRoots) {
    let root = tempfile::tempdir().expect("tempdir");
    let pmu = "bus/event_source/devices/power";
    write(root.path(), &format!("{pmu}/type"), &format!("{pmu_type}\n"));
    write(root.path(), &format!("{pmu}/cpumask"), cpumask);
    for (name, code) in events {
        write(root.path(), &format!("{pmu}/events/{name}"), code);
        write(root.path(), &format!("{pmu}/events/{name}.scale"), SCALE);
        write(root.path(), &format!("{pmu}/events/{name}.unit"), "Joules\n");
    }
    for (cpu, package) in packages {
        let file = format!("devices/system/cpu/cpu{cpu}/topology/physical_package_id");
        write(root.path(), &file, &format!("{package}\n"));
    }
    let roots = HostRoots { sysfs: root.path().into(), procfs: root.path().join("proc"), cgroupfs: None };
    (root, roots)
}

#[test]
fn zones_are_the_events_of_every_package() {
    let events = [("energy-pkg", "event=0x02"), ("energy-ram", "event=0x03"), ("energy-psys", "event=0x05")];
    let (_root, roots) = fixture(9, "0,28\n", &events, &[(0, 0), (28, 1)]);
    let pmu = Pmu::discover(&roots.sysfs).expect("PMU");
    let found = readers(&roots.sysfs).expect("cpumask");
    assert_eq!(found, [Reader { package: 0, cpu: 0 }, Reader { package: 1, cpu: 28 }]);
    let mut source = unopened(pmu, &roots);
    source.take_readers(&found);
    let names: Vec<String> = source.zones().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["package-0", "package-1", "dram-0", "dram-1", "psys", "psys-1"]);
}

#[test]
fn a_package_read_through_another_cpu_keeps_its_counters() {
    let (_root, roots) = fixture(9, "0\n", &[("energy-pkg", "event=0x02")], &[(0, 0), (1, 0)]);
    let mut source = unopened(Pmu::discover(&roots.sysfs).expect("PMU"), &roots);
    source.take_readers(&[Reader { package: 0, cpu: 0 }]);
    source.take_readers(&[Reader { package: 0, cpu: 1 }]);
    assert_eq!(source.dies.len(), 1);
    assert_eq!(source.dies[0].reader.cpu, 1);
    source.take_readers(&[]);
    assert!(!source.dies[0].present);
    source.take_readers(&[Reader { package: 0, cpu: 0 }]);
    assert_eq!(source.zones[&Zone { name: ZoneName::Package, socket: Some(0) }].dies, [0]);
}

#[test]
fn a_pmu_that_lists_only_psys_is_refused() {
    let (_root, roots) = fixture(9, "0\n", &[("energy-psys", "event=0x05")], &[]);
    let end = RaplPerf::open(&roots).expect_err("psys alone");
    assert!(matches!(&end, SourceEnd::Fatal(text) if text.contains("energy-pkg")), "{end}");
}

#[test]
fn without_sysfs_or_pmu_the_message_says_which() {
    let empty = tempfile::tempdir().expect("tempdir");
    let roots = HostRoots { sysfs: empty.path().into(), ..HostRoots::default() };
    assert!(RaplPerf::open(&roots).expect_err("no sysfs").to_string().contains("mount it"));
    fs::create_dir(empty.path().join("bus")).expect("folder");
    assert!(RaplPerf::open(&roots).expect_err("no PMU").to_string().contains("modprobe rapl"));
}

/// The kernel's software clock (PMU type 1, `PERF_COUNT_SW_CPU_CLOCK`, `perf_event_open(2)`) counts on every machine
/// that allows counters of a whole CPU; where it does not, the message must say how to allow it.
#[test]
fn counters_are_opened_and_read_through_the_kernel() {
    let (_root, roots) = fixture(1, "0\n", &[("energy-pkg", "event=0x00"), ("energy-cores", "event=0x00")], &[(0, 0)]);
    let mut source = match RaplPerf::open(&roots) {
        Ok(source) => source,
        Err(end) => {
            let text = end.to_string();
            assert!(text.contains("CAP_PERFMON") || text.contains("CONFIG_PERF_EVENTS"), "{text}");
            return;
        }
    };
    let mut readings = Vec::new();
    let moves = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        source.has_counted()
    });
    assert!(moves, "the kernel's clock stands still");
    for at in 1..=3 {
        source.sample(Timestamp(at), &mut readings).expect("readable");
    }
    let counted: Vec<u64> = readings
        .iter()
        .filter(|reading| reading.zone.name == ZoneName::Package)
        .map(|reading| match reading.measure {
            Measure::Energy(counter) => counter.total.0,
            Measure::Power(_) => panic!("a counter"),
        })
        .collect();
    assert_eq!(counted.len(), 3);
    assert!(counted.is_sorted() && counted[0] > 0, "{counted:?}");
    for die in &mut source.dies {
        die.close();
        die.open(&source.pmu).expect("again");
    }
    source.sample(Timestamp(4), &mut readings).expect("readable");
    let Measure::Energy(after) = readings[readings.len() - 2].measure else { panic!("a counter") };
    assert!(after.total.0 >= counted[2], "a counter that was opened again goes on");
}

fn unopened(pmu: Pmu, roots: &HostRoots) -> RaplPerf {
    RaplPerf {
        id: SourceId("rapl-perf".into()),
        roots: roots.clone(),
        amd: false,
        pmu,
        dies: Vec::new(),
        zones: BTreeMap::new(),
        looked: None,
        counts: Vec::new(),
        values: Vec::new(),
    }
}
