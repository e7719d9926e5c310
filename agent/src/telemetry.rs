//! The agent's own telemetry: every metric that goes through the `metrics` crate, with what it means. The list is also
//! what `docs/metrics.md` is made from.

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One metric of the agent itself.
#[derive(Clone, Copy, Debug)]
pub struct OwnMetric {
    /// Its name.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means, with its unit.
    pub help: &'static str,
}

/// Problems met.
pub const PROBLEMS: OwnMetric = OwnMetric {
    name: "prony_problems_total",
    kind: Kind::Counter,
    labels: &["kind"],
    help: "Problems met, by kind; each kind is also logged, at most once a minute.",
};

/// Datagrams from power meters.
pub const METER_DATAGRAMS: OwnMetric = OwnMetric {
    name: "prony_meter_datagrams_total",
    kind: Kind::Counter,
    labels: &["source", "outcome"],
    help: "Datagrams from a power meter on the network, by what became of them: accepted, duplicate, reordered (late, and \
           superseded by a newer one), held (does not fit yet; used or dropped when more have come), foreign (of another \
           channel, device or subscription) or malformed.",
};

/// Requests to power meters.
pub const METER_REQUESTS: OwnMetric = OwnMetric {
    name: "prony_meter_requests_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Requests sent to a power meter on the network. An ESP32 meter starts one more sender for each.",
};

/// Reboots of power meters.
pub const METER_REBOOTS: OwnMetric = OwnMetric {
    name: "prony_meter_reboots_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Reboots of a power meter that were noticed.",
};

/// What power meters lost at reboots.
pub const METER_LOST_SECONDS: OwnMetric = OwnMetric {
    name: "prony_meter_lost_seconds_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Time whose energy a power meter lost for good, in whole seconds: from the last reading heard before each of \
           its reboots until it counted again.",
};

/// Reports that never came.
pub const METER_REPORTS_LOST: OwnMetric = OwnMetric {
    name: "prony_meter_reports_lost_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Reports of a protocol v2 meter that never came, by the gaps in their sequence numbers. No energy is lost \
           with them, since the counters are cumulative.",
};

/// Readings at full scale.
pub const METER_SATURATED: OwnMetric = OwnMetric {
    name: "prony_meter_saturated_readings_total",
    kind: Kind::Counter,
    labels: &["source"],
    help: "Readings taken while a power meter was at full scale: the true energy is larger than what it counted.",
};

/// All of them, in the order of the documentation.
pub const ALL: &[OwnMetric] = &[
    PROBLEMS,
    METER_DATAGRAMS,
    METER_REQUESTS,
    METER_REBOOTS,
    METER_LOST_SECONDS,
    METER_REPORTS_LOST,
    METER_SATURATED,
];

/// Tells the recorder what each metric means.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        }
    }
}
