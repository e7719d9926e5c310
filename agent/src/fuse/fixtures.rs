//! Windows and readings for tests.

use std::sync::Arc;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, CoreKind, CpuPlace, Pid, ShardId, Slice, Topology};
use crate::clock::Timestamp;
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

use super::EnergyWindow;

pub(crate) const TWO_PACKAGES: [u32; 2] = [0, 1];

pub(crate) fn consumer(pid: u32) -> ConsumerId {
    ConsumerId { cgroup: CgroupId(u64::from(pid % 7)), pid: Pid(pid), start: Nanoseconds(u64::from(pid)) }
}

/// Shard 0 is package 0, shard 1 is package 1.
pub(crate) fn topology() -> Arc<Topology> {
    let place = |cpu: u16| CpuPlace {
        cpu: u32::from(cpu),
        package: u32::from(cpu),
        core: 0,
        kind: CoreKind::Performance,
        shard: ShardId(cpu),
    };
    Arc::new(Topology::new(vec![place(0), place(1)]))
}

/// A window in nanoseconds with slices of (pid, shard, CPU time); the rest of each CPU's time is idle.
pub(crate) fn window(from: u64, to: u64, slices: &[(u32, u16, u64)]) -> ActivityWindow {
    let slices: Vec<Slice> = slices
        .iter()
        .map(|&(pid, shard, time)| Slice {
            consumer: consumer(pid),
            shard: ShardId(shard),
            cpu_time: Nanoseconds(time),
        })
        .collect();
    let idle = [0, 1]
        .map(|shard| {
            let busy = slices.iter().filter(|slice| slice.shard == ShardId(shard)).map(|slice| slice.cpu_time).sum();
            Nanoseconds(to - from).saturating_sub(busy)
        })
        .to_vec();
    ActivityWindow {
        from: Timestamp(from),
        to: Timestamp(to),
        slices,
        idle,
        topology: topology(),
        counts: Vec::new(),
        kinds: Arc::default(),
    }
}

pub(crate) fn package(socket: u32) -> Zone {
    Zone { name: ZoneName::Package, socket: Some(socket) }
}

pub(crate) fn node() -> Zone {
    Zone { name: ZoneName::Node, socket: None }
}

pub(crate) fn reading(source: &str, zone: Zone, at: u64, measure: Measure) -> Reading {
    Reading {
        source: SourceId(source.into()),
        zone,
        at: Timestamp(at),
        measure,
        uncertainty: RelativeUncertainty(0.01),
        clipped: false,
        provenance: Provenance::Measured,
    }
}

pub(crate) fn counter_reading(at: u64, total: u64, range: CounterRange, epoch: u32) -> Reading {
    reading(
        "meter",
        node(),
        at,
        Measure::Energy(Counter { total: Microjoules(total), range, epoch, outlives_agent: false }),
    )
}

pub(crate) fn power_reading(at: u64, watts: f64) -> Reading {
    reading("meter", node(), at, Measure::Power(Watts(watts)))
}

/// The energy of one zone over one window.
pub(crate) fn energy_window(zone: Zone, activity: ActivityWindow, energy: u64, static_energy: u64) -> EnergyWindow {
    EnergyWindow {
        zone,
        source: SourceId("meter".into()),
        activity: Arc::new(activity),
        energy: Microjoules(energy),
        static_energy: Microjoules(static_energy),
        uncertainty: RelativeUncertainty(0.01),
        lasting_uncertainty: RelativeUncertainty(0.01),
        provenance: Provenance::Measured,
        model: None,
    }
}

/// Numbers without a pattern (xorshift64), 0 to 1.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
