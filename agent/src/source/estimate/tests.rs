use std::sync::Arc;

use proptest::prelude::*;

use crate::activity::{CgroupId, ConsumerId, CoreKind, CpuPlace, Pid, ShardId, Slice};

use super::*;
use crate::clock::{Timestamp, UnixSeconds};
use crate::config::EstimateTable;
use crate::source::{Measure, Provenance};
use crate::units::{Nanoseconds, RelativeUncertainty, Watts};

const MILLISECOND: u64 = 1_000_000;

/// `packages` packages of `cpus` CPUs, each CPU a shard.
fn topology(packages: u32, cpus: u32) -> Arc<Topology> {
    let places = (0..packages * cpus).map(|cpu| CpuPlace {
        cpu,
        package: cpu / cpus,
        core: cpu % cpus,
        kind: CoreKind::Performance,
        shard: ShardId(cpu as u16),
    });
    Arc::new(Topology::new(places.collect()))
}

/// A window in which each CPU was busy for this part of the time.
fn window(topology: &Arc<Topology>, from: u64, length: u64, busy: &[f64]) -> ActivityWindow {
    let consumer = ConsumerId { cgroup: CgroupId::ROOT, pid: Pid(1), start: Nanoseconds::ZERO };
    let time = |part: f64| Nanoseconds((length as f64 * part) as u64);
    let slices = busy.iter().enumerate().filter(|(_, part)| **part > 0.0).map(|(shard, &part)| Slice {
        consumer,
        shard: ShardId(shard as u16),
        cpu_time: time(part),
    });
    ActivityWindow {
        from: Timestamp(from),
        to: Timestamp(from + length),
        slices: slices.collect(),
        idle: busy.iter().map(|part| Nanoseconds(length) - time(*part)).collect(),
        topology: Arc::clone(topology),
        counts: Vec::new(),
        kinds: Arc::default(),
    }
}

fn total(reading: &Reading) -> u64 {
    match reading.measure {
        Measure::Energy(counter) => counter.total.0,
        Measure::Power(_) => panic!("a counter"),
    }
}

fn configured(watts: f64) -> EstimateConfig {
    EstimateConfig { tdp: Some(Watts(watts)), idle_share: Some(0.1), ..EstimateConfig::default() }
}

#[test]
fn packages_are_estimated_by_their_own_load() {
    let topology = topology(2, 2);
    let mut estimate = Estimate::new(&configured(100.0), None, "", &topology);
    let mut readings = Vec::new();
    estimate.readings(&window(&topology, 0, 1_000 * MILLISECOND, &[1.0, 1.0, 0.0, 0.0]), &mut readings);
    let seen: Vec<_> =
        readings.iter().map(|reading| (reading.zone.to_string(), reading.at.0 / MILLISECOND, total(reading))).collect();
    let expected =
        [("package-0", 0, 0), ("package-0", 1_000, 102_000_000), ("package-1", 0, 0), ("package-1", 1_000, 10_000_000)];
    assert_eq!(seen, expected.map(|(zone, at, total)| (zone.to_owned(), at, total)));
    assert!(readings.iter().all(|reading| reading.provenance == Provenance::Estimated));
}

#[test]
fn the_less_is_known_the_less_sure_it_is() {
    let topology = topology(1, 4);
    let uncertainty =
        |config: &EstimateConfig, model| Estimate::new(config, None, model, &topology).zones[0].uncertainty.0;
    let known = uncertainty(&EstimateConfig::default(), "Intel(R) N100");
    assert!(uncertainty(&configured(9.0), "Intel(R) N100") < known);
    assert!(known < uncertainty(&EstimateConfig::default(), "something else"));
}

/// Idle and full power of each zone, in whole milliwatts.
fn ends(estimate: &Estimate) -> Vec<(String, u64, u64)> {
    let milliwatts = |watts: Watts| (watts.0 * 1e3).round() as u64;
    estimate.zones.iter().map(|it| (it.zone.to_string(), milliwatts(it.at(0.0)), milliwatts(it.at(100.0)))).collect()
}

fn zone(name: &str, idle: u64, full: u64) -> (String, u64, u64) {
    (name.to_owned(), idle, full)
}

#[test]
fn a_virtual_machine_has_its_part_of_the_processor() {
    for (cpus, tdp) in [(16, 35_000.0), (128, 280_000.0), (200, 280_000.0)] {
        let model = "AMD EPYC 7763 64-Core Processor";
        let estimate = Estimate::new(&EstimateConfig::default(), None, model, &topology(1, cpus));
        let expected = zone("package-0", (tdp * 0.12_f64).round() as u64, (tdp * 1.02_f64).round() as u64);
        assert_eq!(ends(&estimate), [expected]);
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_not_used() {
    let bad = EstimateConfig { tdp: Some(Watts(f64::NAN)), idle_share: Some(7.0), ..EstimateConfig::default() };
    let estimate = Estimate::new(&bad, None, "", &topology(1, 2));
    let unknown = Estimate::new(&EstimateConfig::default(), None, "", &topology(1, 2));
    assert_eq!(ends(&estimate), ends(&unknown));
    assert!(
        estimate.describe().contains("W per CPU, the processor's model not being known"),
        "{}",
        estimate.describe()
    );
}

fn table(cpu_model: Option<&str>, zone: &str, points: &str, threads: Option<usize>) -> EstimateTable {
    EstimateTable {
        cpu_model: cpu_model.map(str::to_owned),
        zone: zone.into(),
        points: points.into(),
        threads,
        uncertainty: 0.2,
    }
}

#[test]
fn the_table_that_fits_best_goes_before_the_tdp() {
    let config = EstimateConfig {
        tdp: Some(Watts(100.0)),
        table: vec![
            table(None, "package", "0:1 100:2", None),
            table(Some("EPYC"), "package", "0:10 100:20", None),
            table(Some("EPYC 9R14"), "package", "0:30 50:200 100:300", Some(8)),
            table(Some("EPYC 9R14"), "node", "0:50 100:500", None),
        ],
        ..EstimateConfig::default()
    };
    let estimate = |model| Estimate::new(&config, None, model, &topology(2, 4));
    let best = estimate("AMD EPYC 9R14 Processor");
    let packages = [zone("package-0", 15_000, 150_000), zone("package-1", 15_000, 150_000)];
    assert_eq!(ends(&best)[..2], packages);
    assert_eq!(ends(&best)[2], zone("node", 50_000, 500_000));
    assert!(best.describe().ends_with("±20%, from the configured table for EPYC 9R14"), "{}", best.describe());
    assert_eq!(best.idle_powers()[0].source, SourceId("estimate-table".into()));
    assert_eq!(ends(&estimate("AMD EPYC 9654"))[0], zone("package-0", 10_000, 20_000));
    assert_eq!(ends(&estimate("Intel(R) N100"))[0], zone("package-0", 1_000, 2_000));
}

#[test]
fn tables_of_no_zone_here_leave_the_tdp_and_each_zone_has_one_counter() {
    let tables = |tables| EstimateConfig { table: tables, ..configured(100.0) };
    let elsewhere = tables(vec![table(None, "package-7", "0:1 100:2", None)]);
    assert_eq!(ends(&Estimate::new(&elsewhere, None, "", &topology(1, 2))), [zone("package-0", 10_000, 102_000)]);
    let twice = vec![table(None, "package-0", "0:1 100:2", None), table(None, "package", "0:3 100:4", None)];
    let estimate = Estimate::new(&tables(twice), None, "", &topology(2, 2));
    assert_eq!(ends(&estimate), [zone("package-0", 1_000, 2_000), zone("package-1", 3_000, 4_000)]);
}

fn profile(zones: &[(&str, Option<usize>, &str, f64)], cpus: usize) -> PowerProfile {
    let power = |(zone, threads, points, uncertainty): &(&str, Option<usize>, &str, f64)| ZonePower {
        zone: ZonePower::zone_of(zone).expect("a zone"),
        threads: *threads,
        curve: PowerCurve::Points(points.parse().expect("points")),
        uncertainty: RelativeUncertainty(*uncertainty),
    };
    PowerProfile {
        subject: "aws m7a.4xlarge".into(),
        origin: "a test".into(),
        made_at: UnixSeconds(1),
        cpus,
        warnings: vec!["a warning".into()],
        zones: zones.iter().map(power).collect(),
    }
}

#[test]
fn a_profile_goes_before_all_the_rest() {
    let config = EstimateConfig { table: vec![table(None, "node", "0:1 100:2", None)], ..configured(100.0) };
    let profile = profile(&[("package", Some(4), "0:10 100:40", 0.3), ("node", None, "0:30 100:90", 0.36)], 4);
    let topology = topology(2, 2);
    let mut estimate = Estimate::new(&config, Some(&profile), "", &topology);
    let packages = [zone("package-0", 5_000, 20_000), zone("package-1", 5_000, 20_000)];
    assert_eq!(ends(&estimate)[..2], packages);
    assert_eq!(
        estimate.describe(),
        "package-0 5.0 W idle to 20.0 W at full load ±30%, package-1 5.0 W idle to 20.0 W at full load ±30%, node 30.0 W \
         idle to 90.0 W at full load ±36%, from the power profile of aws m7a.4xlarge (a test)"
    );
    assert_eq!(estimate.remarks(), ["a warning"]);
    // A package goes by its own load, the node by that of the machine.
    let mut readings = Vec::new();
    estimate.readings(&window(&topology, 0, 1_000 * MILLISECOND, &[1.0, 1.0, 0.0, 0.0]), &mut readings);
    let totals: Vec<_> = readings.iter().map(total).filter(|total| *total > 0).collect();
    assert_eq!(totals, [20_000_000, 5_000_000, 60_000_000]);
    assert!(readings.iter().all(|reading| reading.source.0.as_ref() == "estimate-profile"));
}

#[test]
fn a_profile_of_another_machine_is_told_of_and_left_out_where_it_is_of_no_use() {
    let two_sockets = profile(&[("package-0", None, "0:10 100:40", 0.1), ("package-1", None, "0:10 100:40", 0.1)], 8);
    let estimate = Estimate::new(&configured(100.0), Some(&two_sockets), "", &topology(1, 4));
    assert_eq!(ends(&estimate), [zone("package-0", 10_000, 40_000)]);
    assert_eq!(
        estimate.remarks()[1..],
        [
            "aws m7a.4xlarge has 8 CPUs, and this machine 4: is it the right profile?",
            "the profile's package-1 is not on this machine"
        ]
    );
    let elsewhere = profile(&[("package-7", None, "0:10 100:40", 0.1)], 4);
    let estimate = Estimate::new(&configured(100.0), Some(&elsewhere), "", &topology(1, 4));
    assert_eq!(ends(&estimate), [zone("package-0", 10_000, 102_000)]);
    assert!(estimate.remarks()[0].contains("no zone that is on this machine"), "{:?}", estimate.remarks());
}

proptest! {
    /// However the time is cut into windows, the energy is the same to the microjoule or its rounding.
    #[test]
    fn windows_of_any_length_sum_up(lengths in prop::collection::vec(1_000_u64..50_000_000, 1..200), watts in 1.0..400.0) {
        let topology = topology(1, 1);
        let mut estimate = Estimate::new(&configured(watts), None, "", &topology);
        let mut readings = Vec::new();
        let mut at = 0;
        for length in &lengths {
            estimate.readings(&window(&topology, at, *length, &[1.0]), &mut readings);
            at += length;
        }
        let expected = watts * 1.02 * at as f64 / 1e3;
        let last = readings.last().map(total).unwrap_or_default() as f64;
        prop_assert!(last <= expected + 0.01 && expected - last < 1.01, "{last} {expected}");
        prop_assert!(readings.windows(2).all(|pair| total(&pair[0]) <= total(&pair[1]) && pair[0].at < pair[1].at));
    }
}
