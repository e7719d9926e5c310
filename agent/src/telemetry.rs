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

/// Subscribers of the gRPC service.
pub const GRPC_SUBSCRIBERS: OwnMetric = OwnMetric {
    name: "prony_grpc_subscribers",
    kind: Kind::Gauge,
    labels: &[],
    help: "Subscribers that follow the books over gRPC now.",
};

/// Messages to subscribers.
pub const GRPC_MESSAGES: OwnMetric = OwnMetric {
    name: "prony_grpc_messages_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Messages handed to gRPC subscribers.",
};

/// Messages that subscribers missed.
pub const GRPC_MISSED: OwnMetric = OwnMetric {
    name: "prony_grpc_missed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Messages that gRPC subscribers were too slow for; each was told, and was given the whole books instead.",
};

/// All of them, in the order of the documentation.
pub const ALL: &[OwnMetric] = &[PROBLEMS, GRPC_SUBSCRIBERS, GRPC_MESSAGES, GRPC_MISSED];

/// Tells the recorder what each metric means.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        }
    }
}
