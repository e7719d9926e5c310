use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::host::HostRoots;
use crate::identity::metadata::Source;
use crate::kernel::{Attachment, CounterState, LoadError, NoCounters};
use crate::source::rapl::Tried;
use crate::source::{SourceEnd, Zone};

use super::*;

/// A machine made of files.
struct Fixture {
    folder: tempfile::TempDir,
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const TRACEFS: &str = "41 23 0:12 / /sys/kernel/tracing rw - tracefs tracefs rw\n";
const BPFFS: &str = "42 23 0:31 / /sys/fs/bpf rw - bpf bpf rw\n";

impl Fixture {
    fn new(release: &str, mounts: &str, uid: u32, capabilities: u64, cpu_flags: &str) -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        let proc_mount = format!("22 27 0:21 / {} rw - proc proc rw\n", fixture.path("proc").display());
        fixture.write("proc/sys/kernel/osrelease", &format!("{release}\n"));
        fixture.write("proc/sys/kernel/perf_event_paranoid", "2\n");
        fixture.write("proc/sys/kernel/bpf_stats_enabled", "0\n");
        fixture.write("proc/self/mountinfo", &format!("{proc_mount}{mounts}"));
        fixture.write(
            "proc/self/status",
            &format!("Name:\tprony\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{capabilities:016x}\n"),
        );
        fixture.write(
            "proc/self/limits",
            "Limit  Soft Limit  Hard Limit  Units\nMax locked memory  65536  65536  bytes\n",
        );
        fixture.write("proc/cpuinfo", &format!("processor\t: 0\nmodel name\t: Example 9000\nflags\t\t: {cpu_flags}\n"));
        fixture.link("proc/self/ns/user", "user:[4026531837]");
        fixture.link("proc/self/ns/pid", "pid:[4026531836]");
        fixture.write("sys/devices/system/cpu/online", "0-3\n");
        for cpu in 0..4 {
            fixture.write(
                &format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"),
                &format!("{}\n", cpu / 2),
            );
        }
        fixture
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&path);
        symlink(Path::new(target), path).unwrap();
    }

    fn machine(&self) -> MachineFacts {
        let host = HostRoots { sysfs: self.path("sys"), procfs: self.path("proc"), cgroupfs: None };
        MachineFacts::collect(&Roots { host, run: self.path("run") })
    }

    fn report(&self, config: &Config) -> Report {
        examined(&self.machine(), config, None)
    }
}

fn examined(machine: &MachineFacts, config: &Config, attempts: Option<&Attempts>) -> Report {
    let ports = Ports { prometheus: Port::Free, grpc: Port::Taken, access: None };
    let meters = reach::meters(config, false);
    let (ports, meters) = (&ports, meters.as_slice());
    examine(&Facts {
        machine,
        config,
        config_files: None,
        config_errors: None,
        attempts,
        ports,
        meters,
        names: &[Source::Docker],
    })
}

fn finding<'a>(report: &'a Report, name: &str) -> &'a Finding {
    report
        .findings
        .iter()
        .find(|finding| finding.name == name)
        .unwrap_or_else(|| panic!("no finding {name}: {report:#?}"))
}

fn all_capabilities() -> u64 {
    (1 << 41) - 1
}

/// A server with everything.
fn bare_metal() -> Fixture {
    let fixture = Fixture::new("6.12.1-amd64", &format!("{V2}{TRACEFS}{BPFFS}"), 0, all_capabilities(), "fpu vme de");
    fixture.write("sys/kernel/btf/vmlinux", "");
    fixture.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    fixture.write("proc/sys/kernel/bpf_stats_enabled", "1\n");
    for event in ["energy-pkg", "energy-pkg.scale", "energy-pkg.unit", "energy-ram"] {
        fixture.write(&format!("sys/bus/event_source/devices/power/events/{event}"), "event=0x02\n");
    }
    for (folder, name) in [("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "package-1")] {
        fixture.write(&format!("sys/class/powercap/{folder}/name"), &format!("{name}\n"));
        fixture.write(&format!("sys/class/powercap/{folder}/energy_uj"), "123456\n");
    }
    fixture.write("sys/class/hwmon/hwmon0/name", "coretemp\n");
    fixture.write("sys/class/hwmon/hwmon0/temp1_input", "40000\n");
    fixture.write("sys/class/hwmon/hwmon1/name", "ina3221\n");
    fixture.write("sys/class/hwmon/hwmon1/curr1_input", "400\n");
    fixture.write("sys/class/hwmon/hwmon2/device/power1_average", "90000000\n");
    fixture.write("run/containerd/containerd.sock", "");
    fixture.write("run/docker.sock", "");
    fixture
}

#[test]
fn a_hybrid_hierarchy_is_found_where_the_agent_finds_it() {
    let fixture = bare_metal();
    for file in ["cgroup.procs", "cgroup.controllers"] {
        fixture.write(&format!("host/cgroup/unified/{file}"), "");
    }
    let host = HostRoots {
        sysfs: fixture.path("sys"),
        procfs: fixture.path("proc"),
        cgroupfs: Some(fixture.path("host/cgroup")),
    };
    let machine = MachineFacts::collect(&Roots { host, run: fixture.path("run") });
    let found = machine.cgroups.known().expect("it is there");
    assert_eq!(found.v2.as_deref(), Some(&*fixture.path("host/cgroup/unified")));
}

#[test]
fn bare_metal_with_everything_has_nothing_missing() {
    let report = bare_metal().report(&Config::default());
    let lacking: Vec<_> = report.findings.iter().filter(|finding| finding.status != Status::Ok).collect();
    let lacking: Vec<_> = lacking.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(lacking, ["programs", "grpc"], "programs are not tried on a machine made of files");
    assert!(finding(&report, "grpc").fix.contains("9191"));
    assert!(report.ok);
    assert_eq!(finding(&report, "cpus").meaning, "4 (packages: 2)");
    assert!(finding(&report, "container-runtimes").meaning.starts_with("containerd, Docker;"));
    assert_eq!(finding(&report, "rapl-powercap").meaning, "package-0, core, package-1");
    assert_eq!(
        report.will_use,
        Plan {
            cpu_time: "eBPF on sched_switch (tp_btf), every 100ms".into(),
            energy: vec![
                "hwmon ina3221".into(),
                "hwmon hwmon2".into(),
                "RAPL through perf (energy-pkg, energy-ram)".into()
            ],
            groups: "cgroup v2 at /sys/fs/cgroup".into(),
            exports: vec!["Prometheus on 127.0.0.1:9190".into(), "gRPC on 127.0.0.1:9191".into()],
        }
    );
}

#[test]
fn the_configured_interface_of_rapl_is_the_one_that_is_used() {
    let mut config = Config::default();
    config.source.hwmon.enabled = false;
    for (interface, energy) in [
        (crate::config::RaplInterface::Powercap, "RAPL through powercap (package-0, core, package-1)"),
        (crate::config::RaplInterface::Off, "estimate from CPU time (labelled as such everywhere)"),
    ] {
        config.source.rapl.interface = interface;
        assert_eq!(bare_metal().report(&config).will_use.energy, [energy]);
    }
}

#[test]
fn a_virtual_machine_without_meters_estimates() {
    let fixture = Fixture::new("5.10.0-cloud", V2, 0, all_capabilities(), "fpu hypervisor lahf_lm");
    let report = fixture.report(&Config::default());
    assert!(report.ok);
    assert_eq!(finding(&report, "virtualisation").status, Status::Degraded);
    for name in ["rapl-perf", "rapl-powercap", "hwmon", "tracefs"] {
        assert_eq!(finding(&report, name).status, Status::Missing, "{name}");
        assert_ne!(finding(&report, name).fix, "", "{name}");
    }
    assert!(finding(&report, "rapl-perf").fix.contains("[[source.esp32]]"));
    assert_eq!(finding(&report, "btf").status, Status::Degraded);
    // 5.10 charges maps to the limit, but root may raise it.
    assert_eq!(finding(&report, "memlock").status, Status::Ok);
    assert_eq!(report.will_use.cpu_time, "eBPF on sched_switch (tracepoint), every 100ms");
    assert_eq!(report.will_use.energy, ["estimate from CPU time (labelled as such everywhere)"]);
}

#[test]
fn an_unprivileged_container_is_told_what_to_grant() {
    let fixture = bare_metal();
    fixture.write("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
    fixture.link("proc/self/ns/pid", "pid:[4026532201]");
    let proc_mount = format!("22 27 0:21 / {} rw - proc proc rw,hidepid=invisible\n", fixture.path("proc").display());
    fixture.write("proc/self/mountinfo", &format!("{proc_mount}{V2}"));
    let report = fixture.report(&Config::default());
    assert!(!report.ok);
    let bpf = finding(&report, "bpf");
    assert!(bpf.is_fatal());
    assert!(bpf.meaning.contains("CAP_BPF") && bpf.meaning.contains("CAP_PERFMON"), "{bpf:?}");
    assert!(bpf.fix.contains("securityContext"), "{bpf:?}");
    for name in ["protected-files", "performance-counters", "pid-namespace", "hidepid", "rapl-perf"] {
        assert_eq!(finding(&report, name).status, Status::Degraded, "{name}");
    }
    assert_eq!(report.will_use.cpu_time, "none, for want of: bpf");

    // Capabilities are there, but of another user namespace.
    fixture.write("proc/self/status", &format!("Uid:\t0\t0\t0\t0\nCapEff:\t{:016x}\n", all_capabilities()));
    fixture.link("proc/self/ns/user", "user:[4026532200]");
    let report = fixture.report(&Config::default());
    assert!(finding(&report, "bpf").is_fatal());
    assert!(finding(&report, "bpf").fix.contains("rootless"));
}

#[test]
fn two_capabilities_are_enough_for_the_kernel_side() {
    let fixture = bare_metal();
    let both = 1u64 << 38 | 1 << 39;
    for (capabilities, ok) in [(both, true), (1 << 39, false), (1 << 38, false), (1 << 21, true)] {
        fixture.write("proc/self/status", &format!("Uid:\t7\t7\t7\t7\nCapEff:\t{capabilities:016x}\n"));
        assert_eq!(fixture.report(&Config::default()).ok, ok, "{capabilities:x}");
    }
}

#[test]
fn cgroup_hierarchies_are_told_apart() {
    let groups = |mounts: &str| {
        let report = Fixture::new("6.1.0", mounts, 0, all_capabilities(), "fpu").report(&Config::default());
        (finding(&report, "cgroups").status, report.will_use.groups)
    };
    assert_eq!(groups(V2), (Status::Ok, "cgroup v2 at /sys/fs/cgroup".into()));
    let hybrid = format!("{V1}34 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    assert_eq!(groups(&hybrid), (Status::Degraded, "cgroup v2 at /sys/fs/cgroup/unified".into()));
    assert_eq!(groups(V1), (Status::Degraded, "cgroup v1, by process".into()));
    assert_eq!(groups(""), (Status::Missing, "processes only".into()));
}

#[test]
fn unknown_is_not_no() {
    let fixture = Fixture { folder: tempfile::tempdir().unwrap() };
    let report = fixture.report(&Config::default());
    assert!(report.ok, "nothing that is needed is known to be missing");
    for name in ["kernel", "bpf", "cgroups", "hidepid", "virtualisation", "pid-namespace"] {
        assert_eq!(finding(&report, name).status, Status::Unknown, "{name}");
    }
    // What is there but cannot be read is not missing either.
    let fixture = bare_metal();
    std::fs::remove_file(fixture.path("sys/class/powercap/intel-rapl:1/energy_uj")).unwrap();
    std::fs::create_dir(fixture.path("sys/class/powercap/intel-rapl:1/energy_uj")).unwrap();
    fixture.write("proc/sys/kernel/bpf_stats_enabled", "garbage");
    let report = fixture.report(&Config::default());
    assert_eq!(finding(&report, "rapl-powercap").status, Status::Degraded);
    assert_eq!(finding(&report, "bpf-stats").status, Status::Unknown);
}

#[test]
fn an_old_kernel_and_lockdown_are_recognised() {
    let fixture = bare_metal();
    fixture.write("proc/sys/kernel/osrelease", "5.4.0-generic\n");
    fixture.write("proc/self/status", &format!("Uid:\t7\t7\t7\t7\nCapEff:\t{:016x}\n", 1u64 << 38 | 1 << 39));
    fixture.write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
    let report = fixture.report(&Config::default());
    assert!(finding(&report, "kernel").is_fatal());
    assert_eq!(finding(&report, "memlock").status, Status::Degraded);
    assert_eq!(finding(&report, "lockdown").status, Status::Degraded);
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

/// A virtual machine whose kernel takes the programs but has no RAPL.
fn attempts() -> Attempts {
    let no = |interface, why: &str| Tried { interface, outcome: Err(SourceEnd::Fatal(why.into())) };
    Attempts {
        programs: Ok(Watching {
            attachment: Attachment::TpBtf,
            shortcomings: Vec::new(),
            counters: CounterState::Missing(NoCounters::NotThere),
        }),
        sockets: None,
        rapl: vec![no("perf", "the counters stand still"), no("powercap", "no zone")],
        hwmon: Vec::new(),
        estimate: EstimateBasis {
            text: "package-0 1.0 W idle to 8.2 W at full load".into(),
            problems: Vec::new(),
            better: "name a power profile".into(),
        },
    }
}

#[test]
fn what_was_tried_counts_for_more_than_the_files() {
    let machine = bare_metal().machine();
    let report = examined(&machine, &Config::default(), Some(&attempts()));
    assert_eq!(finding(&report, "programs").status, Status::Ok);
    let counters = finding(&report, "counters");
    assert_eq!(counters.status, Status::Missing);
    assert!(counters.meaning.contains("by CPU time alone") && counters.fix.contains("activity.counters"));
    let perf = finding(&report, "rapl-perf");
    assert_eq!((perf.status, perf.meaning.as_str()), (Status::Degraded, "the counters stand still"));
    let estimate = "an estimate, labelled so everywhere: package-0 1.0 W idle to 8.2 W at full load";
    assert_eq!(report.will_use.energy, [estimate]);
    let found = finding(&report, "estimate");
    assert_eq!((found.status, found.fix.as_str()), (Status::Ok, "name a power profile"));
}

#[test]
fn a_power_profile_that_is_not_used_is_told_of() {
    let mut tried = attempts();
    tried.estimate.problems = vec!["the power profile p.json cannot be read".into()];
    let report = examined(&bare_metal().machine(), &Config::default(), Some(&tried));
    let found = finding(&report, "estimate");
    assert_eq!(found.status, Status::Degraded);
    assert!(found.meaning.ends_with("at full load; the power profile p.json cannot be read"), "{found:?}");
}

#[test]
fn what_could_be_opened_is_what_will_be_used() {
    let tried = Attempts {
        rapl: vec![Tried { interface: "perf", outcome: Ok(vec![zone("package-0"), zone("dram-0")]) }],
        hwmon: vec![(zone("VDD_IN"), "ina3221: curr1_input x in1_input".into())],
        ..attempts()
    };
    let report = examined(&bare_metal().machine(), &Config::default(), Some(&tried));
    assert_eq!(report.will_use.energy, ["hwmon (VDD_IN)", "RAPL through perf (package-0, dram-0)"]);
    assert!(finding(&report, "hwmon").meaning.starts_with("zone VDD_IN by ina3221"));
    assert_eq!(finding(&report, "rapl-powercap").status, Status::Ok, "it is not needed");
}

#[test]
fn programs_that_the_kernel_refuses_are_fatal_and_those_it_takes_in_part_are_not() {
    let machine = bare_metal().machine();
    let refused = Attempts { programs: Err(LoadError::NotPermitted("EPERM".into())), ..attempts() };
    let report = examined(&machine, &Config::default(), Some(&refused));
    assert!(!report.ok);
    assert!(finding(&report, "programs").fix.contains("seccomp"));
    assert_eq!(report.will_use.cpu_time, "none, for want of: programs");

    let shortcomings = vec!["tp_btf: refused; using tracepoint".into()];
    let watching = Watching { attachment: Attachment::Tracepoint, shortcomings, counters: CounterState::Off };
    let report = examined(&machine, &Config::default(), Some(&Attempts { programs: Ok(watching), ..attempts() }));
    assert!(report.ok);
    assert_eq!(finding(&report, "programs").status, Status::Degraded);
    assert_eq!(report.will_use.cpu_time, "eBPF on sched_switch (tracepoint), every 100ms");
}

#[test]
fn a_meter_is_reached_for_only_when_asked() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let meter =
        |address: std::net::SocketAddr| format!("[[source.esp32]]\naddress = '{address}'\nchannel = 1\nvolts = 5\n");
    let text = format!("{}{}", meter(closed), meter(open.local_addr().unwrap()));
    let config = crate::config::load_text(Path::new("prony.toml"), &text, &[], &[]).unwrap().config;

    let not_tried = reach::meters(&config, false);
    assert!(not_tried.iter().all(|reach| matches!(reach, Reach::NotTried { .. })), "{not_tried:?}");
    open.set_nonblocking(true).unwrap();
    assert!(open.recv(&mut [0; 16]).is_err(), "nothing may have been sent");

    let tried = reach::meters(&config, true);
    assert!(matches!(tried[..], [Reach::Failed { .. }, Reach::Silent { .. }]), "{tried:?}");
    let mut request = [0; 16];
    let length = open.recv(&mut request).unwrap();
    assert_eq!(&request[..length], b"0", "a request for a real channel would start a sender");
}

#[test]
fn the_files_that_say_who_may_come_in_are_read_where_there_are_any() {
    let judged = |config: &Config| node_checks::exports(config, &reach::Ports::try_all(config));
    assert!(judged(&Config::default()).iter().all(|finding| finding.name != "access"));
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.access.token_file = Some(folder.path().join("tokens"));
    let missing = judged(&config).pop().unwrap();
    assert!(missing.is_fatal() && missing.meaning.contains("access.token_file"), "{missing:?}");
    std::fs::write(folder.path().join("tokens"), "0123456789abcdef").unwrap();
    assert_eq!(judged(&config).pop().unwrap().status, Status::Ok);
}

#[test]
fn the_text_is_aligned_and_can_do_without_unicode_and_colour() {
    let report = bare_metal().report(&Config::default());
    let style = Style { unicode: false, colour: false, width: 80 };
    let text = print::text(&report, style);
    assert!(text.is_ascii(), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(text.contains("\n  ok kernel                Linux 6.12.1-amd64\n"), "{text}");
    assert!(
        text.contains("Will use\n     CPU time              eBPF on sched_switch (tp_btf), every 100ms\n"),
        "{text}"
    );
    let plain = print::text(&report, Style { unicode: true, ..style });
    assert!(plain.contains("  ✔ kernel") && !plain.contains('\x1b'), "{plain}");
    assert!(print::text(&report, Style { colour: true, ..style }).contains("\x1b[32mok\x1b[0m"));
}

#[test]
fn sockets_are_judged_only_where_they_are_asked_for() {
    let machine = bare_metal().machine();
    let judged = |sockets| examined(&machine, &Config::default(), Some(&Attempts { sockets, ..attempts() }));
    assert!(judged(None).findings.iter().all(|finding| finding.name != "sockets"));
    assert_eq!(finding(&judged(Some(Ok(()))), "sockets").status, Status::Ok);
    let refused = judged(Some(Err(LoadError::Object("no field `skc_cookie`\nlog".into()))));
    assert!(finding(&refused, "sockets").meaning.ends_with("skc_cookie`") && refused.ok);
}
