//! A trace, whatever is in it.

use std::collections::BTreeMap;

use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use prony::units::Volts;
use serde_json::Value;

/// The trace's text. What can be replayed gives the same twice, and by cgroup the same sums as by process.
pub(super) fn trace(data: &[u8]) {
    let sums = [By::Process, By::Process, By::Cgroup].map(|by| {
        let options = ReplayOptions {
            policy: Policy::Equal,
            weights: Weights::Common,
            static_power: StaticPower::default(),
            volts: Volts(5.0),
            volts_tolerance: 0.05,
            fork_servers: vec!["server".into()],
            by,
        };
        let mut out = Vec::new();
        let replayed = Replay::run(|| Ok(data), &options, &mut out);
        let text = String::from_utf8(out).expect("text");
        let sums = replayed.is_ok().then(|| energy_by_window(&text));
        (replayed.ok(), text, sums)
    });
    assert_eq!(sums[0], sums[1]);
    assert_eq!((&sums[0].0, &sums[0].2), (&sums[2].0, &sums[2].2));
}

/// Microjoules of each zone in each window.
fn energy_by_window(result: &str) -> BTreeMap<(String, u64), u128> {
    let mut sums = BTreeMap::new();
    for line in result.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        if let Some(to) = line["to_ns"].as_u64() {
            let part = |key: &str| u128::from(line[key].as_u64().expect("microjoules"));
            let zone = line["zone"].as_str().expect("a zone").to_owned();
            *sums.entry((zone, to)).or_default() += part("active_uj") + part("idle_uj");
        }
    }
    sums
}
