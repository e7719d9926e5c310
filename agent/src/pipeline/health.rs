//! How the pipeline and the kernel side are doing, once a second, as telemetry.

use std::path::PathBuf;

use metrics::{Counter, counter, gauge};
use procfs::{FromBufReadSI as _, KernelStats};

use crate::activity::Topology;
use crate::clock::Timestamp;
use crate::fuse::MeterState;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::telemetry::{self, OwnMetric};
use crate::units::Nanoseconds;

use super::activity_side::ActivitySide;

static NO_SLOTS: Notice = Notice::new("slots_exhausted");

/// Keeps the pipeline's own metrics up to date.
pub(super) struct Health {
    stat: PathBuf,
    windows: Counter,
    missed: Counter,
    cpus: usize,
    next: Timestamp,
    longest_close: Nanoseconds,
    ticks: Option<Ticks>,
    overflows: u64,
}

/// CPU time that is inside the consumers' time but not theirs, in clock ticks since boot, over all CPUs.
#[derive(Clone, Copy)]
struct Ticks {
    at: Timestamp,
    interrupts: u64,
    stolen: u64,
}

impl Health {
    pub(super) fn new(roots: &HostRoots, topology: &Topology, attachment: &'static str) -> Self {
        gauge!(telemetry::KERNEL_ATTACHMENT.name, "attachment" => attachment).set(1.0);
        Self {
            stat: roots.procfs.join("stat"),
            windows: counter!(telemetry::WINDOWS.name),
            missed: counter!(telemetry::WINDOWS_MISSED.name),
            cpus: topology.cpus().len(),
            next: Timestamp::default(),
            longest_close: Nanoseconds::ZERO,
            ticks: None,
            overflows: 0,
        }
    }

    /// A window was closed that ended at `end` and was `length` long.
    pub(super) fn window_closed(
        &mut self,
        end: Timestamp,
        length: Nanoseconds,
        missed: u64,
        activity: &ActivitySide,
        meters: impl Iterator<Item = MeterState>,
    ) {
        self.windows.increment(1);
        self.missed.increment(missed);
        self.longest_close = self.longest_close.max(Timestamp::now().since(end));
        if end < self.next {
            return;
        }
        self.next = end + Nanoseconds::SECOND;
        gauge!(telemetry::WINDOW_SECONDS.name).set(length.seconds());
        gauge!(telemetry::WINDOW_CLOSE_SECONDS.name).set(std::mem::take(&mut self.longest_close).seconds());
        self.kernel_side(activity);
        self.foreign_time(end);
        meters.for_each(|meter| tell_of_meter(&meter));
    }

    fn kernel_side(&mut self, activity: &ActivitySide) {
        let Some(state) = activity.state() else { return };
        counter!(telemetry::SWITCHES.name).absolute(state.counts.switches);
        counter!(telemetry::OVERFLOWS.name).absolute(state.counts.overflows);
        counter!(telemetry::UNREPORTED.name).absolute(state.counts.unreported);
        counter!(telemetry::EVENTS_LOST.name).absolute(state.counts.lost_events);
        if std::mem::replace(&mut self.overflows, state.counts.overflows) < state.counts.overflows {
            NO_SLOTS.warn(format_args!(
                "all {} slots are in use, and the time of further processes is counted together in the line '?overflow': \
                 raise activity.max_consumers",
                state.slots_used
            ));
        }
        gauge!(telemetry::SLOTS_USED.name).set(state.slots_used as f64);
        if let Some(time) = state.run_time {
            gauge!(telemetry::SWITCH_COST.name).set(time.total.seconds() / time.runs as f64);
        }
    }

    /// Interrupts and stolen time lie inside the slices of whoever ran; how much it is only the kernel's ticks tell.
    fn foreign_time(&mut self, at: Timestamp) {
        let Ok(file) = std::fs::File::open(&self.stat) else { return };
        let Ok(stats) = KernelStats::from_buf_read(std::io::BufReader::new(file), procfs::current_system_info()) else {
            return;
        };
        let (irq, softirq, steal) = (stats.total.irq, stats.total.softirq, stats.total.steal);
        let now = Ticks { at, interrupts: irq.unwrap_or(0) + softirq.unwrap_or(0), stolen: steal.unwrap_or(0) };
        if let Some(before) = self.ticks.replace(now) {
            let all = at.since(before.at).seconds() * procfs::ticks_per_second() as f64 * self.cpus as f64;
            let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / all;
            gauge!(telemetry::INTERRUPT_SHARE.name).set(share(now.interrupts, before.interrupts));
            gauge!(telemetry::STEAL_SHARE.name).set(share(now.stolen, before.stolen));
        }
    }
}

/// What has become known of a meter.
fn tell_of_meter(meter: &MeterState) {
    let (source, zone) = (meter.source.to_string(), meter.zone.to_string());
    let tell = |metric: OwnMetric, value: f64| {
        gauge!(metric.name, "source" => source.clone(), "zone" => zone.clone()).set(value);
    };
    tell(telemetry::STATIC_POWER, meter.static_power.0);
    if let Some(idle) = meter.idle_power {
        tell(telemetry::IDLE_POWER, idle.0);
    }
    counter!(telemetry::METER_RECKONED.name, "source" => source.clone(), "zone" => zone.clone())
        .absolute(meter.reckoned.0 / 1_000_000);
    if let Some(lag) = meter.lag {
        tell(telemetry::METER_DELAY, lag.delay);
        tell(telemetry::METER_DELAY_UNCERTAINTY, lag.sigma);
        tell(telemetry::METER_MEAN, lag.mean_over);
    }
    let tell = |metric: OwnMetric, value: f64| gauge!(metric.name, "source" => source.clone()).set(value);
    if let Some(supply) = meter.supply {
        tell(telemetry::SUPPLY_GAIN, supply.gain);
        tell(telemetry::SUPPLY_GAIN_UNCERTAINTY, supply.gain_sigma);
        tell(telemetry::SUPPLY_OFFSET, supply.offset.0);
        tell(telemetry::METER_OFF, meter.off);
    }
    if meter.follows_packages {
        tell(telemetry::METER_DISAGREES, f64::from(u8::from(meter.disagrees)));
    }
}
