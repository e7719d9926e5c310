//! What is read from sysfs, in trees of files that change while they are read. procfs lies in the same tree.

use std::time::Duration;

use prony::activity::read_topology;
use prony::clock::Timestamp;
use prony::config::{HwmonConfig, HwmonRail};
use prony::host::HostRoots;
use prony::source::hwmon::Hwmon;
use prony::source::rapl::perf::{Pmu, readers};
use prony::source::rapl::powercap::RaplPowercap;
use prony::source::{Reading, SampledSource as _};
use prony::units::Nanoseconds;

use super::books::Books;
use super::tree::{Tree, states};

/// After so long every source looks again for what is there.
const LOOK_AGAIN: Nanoseconds = Nanoseconds::from_millis(11_000);
const WINDOW: Nanoseconds = Nanoseconds::from_millis(100);

/// The CPUs and where they are.
pub(super) fn cpu_topology(data: &[u8]) {
    let tree = Tree::new();
    for files in states(data) {
        tree.replace(&files);
        let Ok(topology) = read_topology(tree.path()) else { continue };
        assert!(topology.cpus().is_sorted_by_key(|place| place.cpu));
        assert!((1..=topology.cpus().len()).contains(&topology.shards()));
        for place in topology.cpus() {
            assert_eq!(topology.package_of(place.shard), place.package);
            assert_eq!(topology.kind_of(place.shard), place.kind);
        }
        assert_eq!(
            topology.packages().iter().map(|&one| topology.cpus_in(Some(one))).sum::<usize>(),
            topology.cpus().len()
        );
    }
}

/// RAPL's PMU as sysfs describes it; nothing is opened.
pub(super) fn rapl_perf(data: &[u8]) {
    let tree = Tree::new();
    for files in states(data) {
        tree.replace(&files);
        let _ = Pmu::discover(tree.path());
        if let Ok(readers) = readers(tree.path()) {
            assert!(!readers.is_empty());
        }
    }
}

/// RAPL through powercap.
pub(super) fn rapl_powercap(data: &[u8]) {
    let mut source = None;
    follow(data, |roots, now, readings| {
        if source.is_none() {
            source = RaplPowercap::open(roots).ok();
        }
        if let Some(source) = &mut source {
            let _ = source.sample(now, readings);
        }
    });
}

/// hwmon's chips, two of whose rails are configured.
pub(super) fn hwmon(data: &[u8]) {
    let rail =
        |channel: &str, zone: &str| HwmonRail { chip: "ina3221".into(), channel: channel.into(), zone: zone.into() };
    let config = HwmonConfig {
        enabled: true,
        interval: Duration::from_millis(100),
        rail: vec![rail("VDD_IN", "node"), rail("2", "ignore")],
    };
    let mut source = None;
    follow(data, |roots, now, readings| {
        source.get_or_insert_with(|| Hwmon::discover(&config, roots)).read(now, readings);
    });
}

/// Reads and books three windows in each state of the tree.
fn follow(data: &[u8], mut read: impl FnMut(&HostRoots, Timestamp, &mut Vec<Reading>)) {
    let tree = Tree::new();
    let roots = HostRoots { sysfs: tree.path().into(), procfs: tree.path().into(), cgroupfs: None };
    let mut now = Timestamp(1_000 * Nanoseconds::SECOND.0);
    let mut books = Books::new(now);
    let mut readings = Vec::new();
    for files in states(data) {
        tree.replace(&files);
        now = now + LOOK_AGAIN;
        for _ in 0..3 {
            now = now + WINDOW;
            read(&roots, now, &mut readings);
            for reading in readings.drain(..) {
                books.read(reading, now);
            }
            books.close_window(now);
        }
    }
}
