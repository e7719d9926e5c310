//! The lines of a trace, as they are written.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The only version so far.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) prony_trace: u32,
    #[serde(default)]
    pub(super) node: String,
    pub(super) cpus: Vec<Cpu>,
    /// Sources in the order in which they are preferred where several measure one zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) preferred: Vec<String>,
    /// Static power of zones whose source knows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) idle_power: Vec<IdlePowerLine>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cpu {
    #[serde(rename = "cpu")]
    pub(super) number: u32,
    #[serde(default)]
    pub(super) package: u32,
    #[serde(default)]
    pub(super) core: u32,
    #[serde(default)]
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Performance,
    Efficiency,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IdlePowerLine {
    pub(super) source: String,
    pub(super) zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<u32>,
    pub(super) power_uw: f64,
}

/// Every other line: when, and one of what there is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) at_ns: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) activity: Option<Activity<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) reading: Option<ReadingLine<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) esp32: Option<Esp32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) exec: Option<Exec<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exit: Option<Exit>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) invocation: Option<Invocation<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<FunctionLine<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Activity<'a> {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    #[serde(default)]
    pub(super) idle_ns: Vec<(u32, u64)>,
    #[serde(borrow)]
    pub(super) consumers: Vec<Consumer<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Consumer<'a> {
    #[serde(borrow)]
    pub(super) cgroup: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) pid: u32,
    /// When the process was started, on the boot clock: tells processes apart that have the same number one after the other.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) start_ns: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) parent: u32,
    #[serde(borrow, default)]
    pub(super) comm: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) kernel_thread: bool,
    pub(super) cpu_ns: Vec<(u32, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counters: Option<CountersOf>,
}

/// What the processor's own counters counted while a consumer ran, on all CPUs.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct CountersOf {
    pub(super) cycles: u64,
    pub(super) instructions: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(time: &u64) -> bool {
    *time == 0
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadingLine<'a> {
    #[serde(borrow)]
    pub(super) source: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) zone: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<u32>,
    /// As of when it is, where that is not when it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) as_of_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cumulative_uj: Option<u64>,
    /// The counter's largest value, after which it begins at zero again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wraps_after_uj: Option<u64>,
    /// Another number for each time that the counter has begun anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) power_uw: Option<f64>,
    /// One standard deviation of the energy between two readings, relative.
    #[serde(default)]
    pub(super) uncertainty: f64,
    /// Whether the meter was at the end of its range.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) clipped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) estimated: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Esp32 {
    pub(super) channel: u8,
    pub(super) meter_us: u64,
    pub(super) charge_mas: f64,
    pub(super) current_ma: f32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exec<'a> {
    pub(super) pid: u32,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) start_ns: u64,
    #[serde(borrow, default)]
    pub(super) path: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Exit {
    pub(super) pid: u32,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) start_ns: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Invocation<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) function: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) cgroup: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) pid: u32,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// CPU time that is known to be its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cpu_ns: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FunctionLine<'a> {
    #[serde(borrow)]
    pub(super) cgroup: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}
