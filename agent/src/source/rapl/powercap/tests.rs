use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const MAX: u64 = 262_143_328_850;
const SECOND: u64 = 1_000_000_000;

/// A tree of powercap zones: (folder, name, counter).
struct Tree {
    root: TempDir,
}

impl Tree {
    fn new(zones: &[(&str, &str, u64)], vendor: &str) -> Self {
        let tree = Self { root: tempfile::tempdir().expect("tempdir") };
        fs::create_dir_all(tree.root.path().join("proc")).expect("proc");
        let cpuinfo = format!("processor\t: 0\nvendor_id\t: {vendor}\n");
        fs::write(tree.root.path().join("proc/cpuinfo"), cpuinfo).expect("cpuinfo");
        for (folder, name, energy) in zones {
            tree.add(folder, name, *energy);
        }
        tree
    }

    fn zone(&self, folder: &str) -> PathBuf {
        self.root.path().join("class/powercap").join(folder)
    }

    fn add(&self, folder: &str, name: &str, energy: u64) {
        fs::create_dir_all(self.zone(folder)).expect("zone");
        fs::write(self.zone(folder).join("name"), format!("{name}\n")).expect("name");
        fs::write(self.zone(folder).join("max_energy_range_uj"), format!("{MAX}\n")).expect("range");
        self.set(folder, energy);
    }

    fn set(&self, folder: &str, energy: u64) {
        fs::write(self.zone(folder).join("energy_uj"), format!("{energy}\n")).expect("energy");
    }

    fn roots(&self) -> HostRoots {
        let root: &Path = self.root.path();
        HostRoots { sysfs: root.into(), procfs: root.join("proc"), cgroupfs: None }
    }

    fn open(&self) -> RaplPowercap {
        RaplPowercap::open(&self.roots()).expect("zones")
    }
}

/// Zone names and counters of one sample.
fn sample(source: &mut RaplPowercap, at: u64) -> Vec<(String, u64)> {
    let mut readings = Vec::new();
    let _ = source.sample(Timestamp(at), &mut readings);
    readings
        .iter()
        .map(|reading| match reading.measure {
            Measure::Energy(counter) => (reading.zone.to_string(), counter.total.0),
            Measure::Power(_) => panic!("RAPL counts energy"),
        })
        .collect()
}

fn named(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(name, energy)| ((*name).to_owned(), *energy)).collect()
}

#[test]
fn one_socket_with_everything() {
    let tree = Tree::new(
        &[
            ("intel-rapl:0", "package-0", 100),
            ("intel-rapl:0:0", "core", 60),
            ("intel-rapl:0:1", "uncore", 5),
            ("intel-rapl:0:2", "dram", 30),
            ("intel-rapl:1", "psys", 200),
            ("intel-rapl-mmio:0", "package-0", 100),
            ("dtpm:0", "package-7", 1),
        ],
        "GenuineIntel",
    );
    let expected = [("package-0", 100), ("core-0", 60), ("uncore-0", 5), ("dram-0", 30), ("psys", 200)];
    assert_eq!(sample(&mut tree.open(), 1), named(&expected));
}

#[test]
fn zones_within_each_other_are_the_same_as_side_by_side() {
    let tree = Tree::new(
        &[
            ("intel-rapl/intel-rapl:0", "package-0", 100),
            ("intel-rapl/intel-rapl:0/intel-rapl:0:0", "dram", 30),
            ("intel-rapl:0", "package-0", 100),
        ],
        "GenuineIntel",
    );
    assert_eq!(sample(&mut tree.open(), 1), named(&[("package-0", 100), ("dram-0", 30)]));
}

#[test]
fn sockets_are_zones_of_their_own() {
    let tree = Tree::new(
        &[
            ("intel-rapl:0", "package-1", 11),
            ("intel-rapl:0:0", "dram", 12),
            ("intel-rapl:1", "package-0", 21),
            ("intel-rapl:1:0", "dram", 22),
        ],
        "GenuineIntel",
    );
    let expected = [("package-0", 21), ("package-1", 11), ("dram-0", 22), ("dram-1", 12)];
    assert_eq!(sample(&mut tree.open(), 1), named(&expected));
}

#[test]
fn the_core_zone_of_amd_is_one_core_and_left_out() {
    let tree = Tree::new(&[("intel-rapl:0", "package-0", 100), ("intel-rapl:0:0", "core", 3)], "AuthenticAMD");
    assert_eq!(sample(&mut tree.open(), 1), named(&[("package-0", 100)]));
}

#[test]
fn a_wrap_is_left_to_fusion_with_the_range_to_do_it() {
    let tree = Tree::new(&[("intel-rapl:0", "package-0", MAX - 5)], "GenuineIntel");
    let mut source = tree.open();
    let mut readings = Vec::new();
    source.sample(Timestamp(1), &mut readings).expect("readable");
    tree.set("intel-rapl:0", 7);
    source.sample(Timestamp(2), &mut readings).expect("readable");
    let counters: Vec<_> = readings.iter().map(|reading| reading.measure).collect();
    for (measure, total) in counters.iter().zip([MAX - 5, 7]) {
        let Measure::Energy(counter) = measure else { panic!("a counter") };
        assert_eq!((counter.total.0, counter.range), (total, CounterRange::WrapsAfter(Microjoules(MAX))));
    }
}

/// Power as a user sees it: what the zone's counter moved over the second half of the run.
fn moved_in_second_half(tree: &Tree, dies: &[(&str, u64)]) -> u64 {
    let mut source = tree.open();
    let mut seen = Vec::new();
    for step in 0..100_u64 {
        for (folder, power) in dies {
            tree.set(folder, 1_000_000 + step * power);
        }
        seen.push(sample(&mut source, step * SECOND / 10).first().map(|(_, total)| *total));
    }
    seen[99].expect("decided") - seen[49].expect("decided")
}

#[test]
fn mirrored_dies_count_once() {
    let tree = Tree::new(
        &[("intel-rapl:0", "package-0-die-0", 1_000_000), ("intel-rapl:1", "package-0-die-1", 1_000_000)],
        "AuthenticAMD",
    );
    assert_eq!(moved_in_second_half(&tree, &[("intel-rapl:0", 120_000), ("intel-rapl:1", 120_000)]), 50 * 120_000);
}

#[test]
fn different_dies_add_up() {
    let tree = Tree::new(
        &[("intel-rapl:0", "package-0-die-0", 1_000_000), ("intel-rapl:1", "package-0-die-1", 1_000_000)],
        "GenuineIntel",
    );
    let moved = moved_in_second_half(&tree, &[("intel-rapl:0", 120_000), ("intel-rapl:1", 90_061)]);
    assert_eq!(moved, 50 * (120_000 + 90_061));
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_read() {
    let tree = Tree::new(
        &[("intel-rapl:0", "package-0", 1), ("intel-rapl:0:0", "core", 2), ("intel-rapl:0:1", "dram", 3)],
        "GenuineIntel",
    );
    fs::remove_file(tree.zone("intel-rapl:0:0").join("energy_uj")).expect("remove");
    fs::create_dir(tree.zone("intel-rapl:0:0").join("energy_uj")).expect("a folder in its place");
    fs::write(tree.zone("intel-rapl:0").join("energy_uj"), "garbage").expect("garbage");
    let mut source = tree.open();
    assert_eq!(sample(&mut source, 1), named(&[("dram-0", 3)]));
    tree.set("intel-rapl:0", MAX + 1);
    assert_eq!(sample(&mut source, 2), named(&[("dram-0", 3)]), "beyond the counter's range");
    tree.set("intel-rapl:0", 9);
    assert_eq!(sample(&mut source, 3), named(&[("package-0", 9), ("dram-0", 3)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the files hold, nothing breaks, and what is given out lies within the counter's range.
    #[test]
    fn any_bytes_are_survived(files in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..40))) {
        let tree = Tree::new(&[("intel-rapl:0", "package-0", 1), ("intel-rapl:1", "package-0", 1)], "GenuineIntel");
        let [name, range, energy] = &files;
        let mut source = tree.open();
        for (file, bytes) in [("name", name), ("max_energy_range_uj", range), ("energy_uj", energy)] {
            fs::write(tree.zone("intel-rapl:1").join(file), bytes).expect("file");
            for at in [6, 12] {
                for (_, total) in sample(&mut source, at * SECOND) {
                    prop_assert!(total <= MAX);
                }
            }
        }
    }
}

#[test]
fn zones_that_vanish_are_taken_up_when_they_come_back() {
    let tree = Tree::new(&[("intel-rapl:0", "package-0", 10), ("intel-rapl:1", "package-1", 20)], "GenuineIntel");
    let mut source = tree.open();
    assert_eq!(sample(&mut source, 0), named(&[("package-0", 10), ("package-1", 20)]));
    fs::remove_dir_all(tree.zone("intel-rapl:1")).expect("remove");
    assert_eq!(sample(&mut source, 6 * SECOND), named(&[("package-0", 10)]));
    assert_eq!(source.zones().len(), 1);
    fs::remove_dir_all(tree.zone("intel-rapl:0")).expect("remove");
    let end = source.sample(Timestamp(12 * SECOND), &mut Vec::new()).expect_err("nothing left");
    assert!(matches!(end, SourceEnd::Retry(_)));
    tree.add("intel-rapl:0", "package-0", 15);
    tree.add("intel-rapl:1", "package-1", 25);
    assert_eq!(sample(&mut source, 14 * SECOND), named(&[("package-0", 15), ("package-1", 25)]));
}

#[test]
fn without_zones_the_message_names_the_module() {
    let root = tempfile::tempdir().expect("tempdir");
    let roots = HostRoots { sysfs: root.path().into(), procfs: root.path().into(), cgroupfs: None };
    assert!(RaplPowercap::open(&roots).expect_err("no sysfs").to_string().contains("mount it"));
    fs::create_dir(root.path().join("class")).expect("class");
    assert!(RaplPowercap::open(&roots).expect_err("no zones").to_string().contains("modprobe intel_rapl_msr"));
}

#[test]
fn zones_that_all_fail_are_tried_again_later() {
    let tree = Tree::new(&[("intel-rapl:0", "package-0", 10)], "GenuineIntel");
    fs::write(tree.zone("intel-rapl:0").join("energy_uj"), "").expect("empty");
    assert!(matches!(RaplPowercap::open(&tree.roots()).expect_err("unreadable"), SourceEnd::Retry(_)));
}
