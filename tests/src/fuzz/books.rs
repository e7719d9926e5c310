//! Readings of whatever source, booked as the agent does.

use std::collections::BTreeMap;
use std::sync::Arc;

use prony::activity::{ActivityWindow, CgroupId, ConsumerId, CoreKind, CpuPlace, Pid, ShardId, Slice, Topology};
use prony::attribute::attribute;
use prony::clock::Timestamp;
use prony::config::{Policy, StaticPower};
use prony::fuse::{EnergyWindow, Fusion, Limits};
use prony::source::{Counter, CounterRange, Measure, Reading, SourceId, Zone};
use prony::units::Nanoseconds;

/// Holds readings against what a source promises, and energy against what was read.
pub(super) struct Books {
    newest: BTreeMap<(SourceId, Zone), (Timestamp, Counter)>,
    fusion: Fusion,
    window_start: Timestamp,
    topology: Arc<Topology>,
}

impl Books {
    pub(super) fn new(start: Timestamp) -> Self {
        let place = |cpu: u16| CpuPlace {
            cpu: u32::from(cpu),
            package: u32::from(cpu),
            core: 0,
            kind: CoreKind::Performance,
            shard: ShardId(cpu),
        };
        Self {
            newest: BTreeMap::new(),
            fusion: Fusion::new(&StaticPower::new(), Limits::default()),
            window_start: start,
            topology: Arc::new(Topology::new(vec![place(0), place(1)])),
        }
    }

    /// A source has said this by `now`.
    pub(super) fn read(&mut self, reading: Reading, now: Timestamp) {
        let Measure::Energy(counter) = reading.measure else { panic!("every source counts energy: {reading:?}") };
        assert!(reading.at <= now, "a reading of the future: {reading:?} at {now:?}");
        let uncertainty = reading.uncertainty.0;
        assert!(uncertainty.is_finite() && uncertainty >= 0.0, "{reading:?}");
        let source = (reading.source.clone(), reading.zone.clone());
        if let Some((at, before)) = self.newest.insert(source, (reading.at, counter)) {
            assert!(reading.at >= at, "time goes back from {at:?}: {reading:?}");
            let may_fall = counter.range != CounterRange::Unbounded || counter.epoch != before.epoch;
            assert!(may_fall || counter.total >= before.total, "a counter falls from {before:?}: {reading:?}");
        }
        self.fusion.reading(reading);
    }

    /// Ends a window in which one process was busy on one of two CPUs, and books what has become known.
    pub(super) fn close_window(&mut self, now: Timestamp) {
        let time = now.since(self.window_start);
        let consumer = ConsumerId { cgroup: CgroupId(7), pid: Pid(7), start: Nanoseconds(7) };
        self.fusion.window(Arc::new(ActivityWindow {
            from: self.window_start,
            to: now,
            slices: vec![Slice { consumer, shard: ShardId(0), cpu_time: time }],
            idle: vec![Nanoseconds::ZERO, time],
            topology: Arc::clone(&self.topology),
            counts: Vec::new(),
            kinds: Arc::default(),
        }));
        self.window_start = now;
        let mut windows: Vec<EnergyWindow> = Vec::new();
        self.fusion.drain(&mut windows);
        for window in &windows {
            for policy in [Policy::Separate, Policy::Proportional, Policy::Equal] {
                assert_eq!(attribute(window, policy).books_error(), 0, "{window:?}");
            }
        }
        for zone in self.fusion.books() {
            assert_eq!(zone.accepted, zone.emitted + zone.held, "{zone:?}");
        }
    }
}
