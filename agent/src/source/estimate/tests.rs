use std::sync::Arc;

use proptest::prelude::*;

use crate::activity::{CgroupId, ConsumerId, CoreKind, CpuPlace, Pid, ShardId, Slice};

use super::*;

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
    EstimateConfig { enabled: None, tdp: Some(Watts(watts)), idle_share: Some(0.1) }
}

#[test]
fn packages_are_estimated_by_their_own_load() {
    let topology = topology(2, 2);
    let mut estimate = Estimate::new(&configured(100.0), "", &topology);
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
    let uncertainty = |config: &EstimateConfig, model| Estimate::new(config, model, &topology).uncertainty().0;
    let known = uncertainty(&EstimateConfig::default(), "Intel(R) N100");
    assert!(uncertainty(&configured(9.0), "Intel(R) N100") < known);
    assert!(known < uncertainty(&EstimateConfig::default(), "something else"));
}

#[test]
fn a_virtual_machine_has_its_part_of_the_processor() {
    let estimate = |cpus| {
        let estimate = Estimate::new(&EstimateConfig::default(), "AMD EPYC 7763 64-Core Processor", &topology(1, cpus));
        estimate.packages[0].tdp.0
    };
    assert!((estimate(16) - 35.0).abs() < 1e-9);
    assert!((estimate(128) - 280.0).abs() < 1e-9);
    assert!((estimate(200) - 280.0).abs() < 1e-9);
}

#[test]
fn a_configuration_that_makes_no_sense_is_not_used() {
    let bad = EstimateConfig { enabled: None, tdp: Some(Watts(f64::NAN)), idle_share: Some(7.0) };
    let estimate = Estimate::new(&bad, "", &topology(1, 2));
    assert_eq!(estimate.basis, Basis::PerCpu);
    assert!((estimate.idle_share - IDLE_SHARE).abs() < f64::EPSILON);
}

proptest! {
    /// However the time is cut into windows, the energy is the same to the microjoule or its rounding.
    #[test]
    fn windows_of_any_length_sum_up(lengths in prop::collection::vec(1_000_u64..50_000_000, 1..200), watts in 1.0..400.0) {
        let topology = topology(1, 1);
        let mut estimate = Estimate::new(&configured(watts), "", &topology);
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
