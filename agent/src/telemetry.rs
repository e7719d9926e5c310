//! The agent's own telemetry: every metric that goes through the `metrics` crate, with what it means. The list is also
//! what `docs/metrics.md` is made from.

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

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

/// Scrapes answered.
pub const SCRAPES: OwnMetric = OwnMetric {
    name: "prony_scrapes_total",
    kind: Kind::Counter,
    labels: &["format"],
    help: "Scrapes answered, by format: text or openmetrics.",
};

/// What a scrape costs.
pub const RENDER_SECONDS: OwnMetric = OwnMetric {
    name: "prony_scrape_render_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How long it took to write the last scrape's page, in seconds, without compressing and sending it.",
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
pub const ALL: &[OwnMetric] = &[PROBLEMS, SCRAPES, RENDER_SECONDS, GRPC_SUBSCRIBERS, GRPC_MESSAGES, GRPC_MISSED];

/// Makes the recorder that all own telemetry goes to, for the whole process. Every series carries `node_name`. To be
/// called once, before the parts of the agent start; a second call is an error.
pub fn install(node_name: &str) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .add_global_label("node_name", node_name)
        .install_recorder()
        .context("cannot install the recorder of the agent's own metrics: is it installed twice?")?;
    describe();
    begin_at_zero();
    Ok(handle)
}

/// Makes every counter without labels appear before its first event, so that the first event is an increase.
fn begin_at_zero() {
    for metric in ALL {
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            metrics::counter!(metric.name).increment(0);
        }
    }
}

/// Tells the recorder what each metric means.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_without_labels_are_there_before_their_first_event() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            begin_at_zero();
        });
        let text = recorder.handle().render();
        for metric in ALL {
            let expected = metric.kind == Kind::Counter && metric.labels.is_empty();
            assert_eq!(text.contains(&format!("\n{} 0\n", metric.name)), expected, "{}", metric.name);
        }
    }
}
