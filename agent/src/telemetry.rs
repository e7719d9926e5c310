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
    /// It tells how figures are distributed.
    Histogram,
}

impl Kind {
    /// The word of Prometheus' text format and of `OpenMetrics`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
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

/// What the agent has given up.
pub const CONFINEMENT: OwnMetric = OwnMetric {
    name: "prony_confinement_info",
    kind: Kind::Gauge,
    labels: &["no_new_privs", "capabilities", "seccomp", "landlock"],
    help: "What the agent's threads have given up since they started: on, off (not wanted), log (calls are logged and done), unused (no file is written), partly (as far as this kernel knows it) or unavailable. Always 1.",
};

/// Invocations that are not in the books.
pub const INVOCATIONS_REFUSED: OwnMetric = OwnMetric {
    name: "prony_invocations_refused_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Invocations that were seen or reported and are not in the books, by reason.",
};

/// How far a reporter's clock is off.
pub const REPORTER_CLOCK_OFFSET: OwnMetric = OwnMetric {
    name: "prony_reporter_clock_offset_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How much the clock of who last reported invocations is behind this machine's, as far as is known.",
};

/// Who was not let in.
pub const ACCESS_REFUSED: OwnMetric = OwnMetric {
    name: "prony_access_refused_total",
    kind: Kind::Counter,
    labels: &["listener", "reason"],
    help: "Connections and requests that were not let in, by listener (http, grpc) and reason: handshake (TLS failed, or the client's certificate is missing or wrong), handshake_timeout (it took too long), no_token or wrong_token.",
};

/// Spans sent on.
pub const SPANS_SENT: OwnMetric = OwnMetric {
    name: "prony_spans_sent_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Spans that the collector of otlp.endpoint has taken.",
};

/// Spans that never got to the collector.
pub const SPANS_DROPPED: OwnMetric = OwnMetric {
    name: "prony_spans_dropped_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Spans that were not sent on, by reason: queue_full (too much waited for the collector) or refused (by it).",
};

/// Spans that wait.
pub const SPANS_WAITING_BYTES: OwnMetric = OwnMetric {
    name: "prony_spans_waiting_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Size of the spans that wait for their energy or for the collector of otlp.endpoint, at most otlp.queue_mebibytes.",
};

/// Points written.
pub const INFLUXDB_POINTS_WRITTEN: OwnMetric = OwnMetric {
    name: "prony_influxdb_points_written_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Points that the database of influxdb.url has taken.",
};

/// Points that never got to the database.
pub const INFLUXDB_POINTS_DROPPED: OwnMetric = OwnMetric {
    name: "prony_influxdb_points_dropped_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Points that the database of influxdb.url has not got, by reason: buffer_full (too much waited for it; the oldest go) or refused (by it).",
};

/// Points that wait.
pub const INFLUXDB_WAITING_BYTES: OwnMetric = OwnMetric {
    name: "prony_influxdb_waiting_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Size, compressed, of the points that wait for the database of influxdb.url, at most influxdb.buffer_kibibytes.",
};

/// Whether a source of names answers.
pub const METADATA_UP: OwnMetric = OwnMetric {
    name: "prony_metadata_up",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "Whether what tells the names of pods and containers has answered lately: 1 or 0.",
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

/// How late a meter is.
pub const METER_DELAY: OwnMetric = OwnMetric {
    name: "prony_meter_delay_seconds",
    kind: Kind::Gauge,
    labels: &["source", "zone"],
    help: "How much later than it happened a meter tells of power, found by what moves it; negative where its readings are stamped too early. They are put right by it. Only for meters slower than five readings a second whose power moves.",
};

/// How sure that is.
pub const METER_DELAY_UNCERTAINTY: OwnMetric = OwnMetric {
    name: "prony_meter_delay_uncertainty_seconds",
    kind: Kind::Gauge,
    labels: &["source", "zone"],
    help: "One standard deviation of prony_meter_delay_seconds.",
};

/// What a meter smooths.
pub const METER_MEAN: OwnMetric = OwnMetric {
    name: "prony_meter_mean_seconds",
    kind: Kind::Gauge,
    labels: &["source", "zone"],
    help: "Over how long a time what a meter tells is a mean: the time between its readings, or longer where it smooths.",
};

/// What a watt of packages takes of the machine.
pub const SUPPLY_GAIN: OwnMetric = OwnMetric {
    name: "prony_supply_gain_ratio",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "How many watts of the whole machine each watt of its packages takes, as its meter shows: what the supply loses, and what goes with the packages.",
};

/// How sure that is.
pub const SUPPLY_GAIN_UNCERTAINTY: OwnMetric = OwnMetric {
    name: "prony_supply_gain_uncertainty_ratio",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "One standard deviation of prony_supply_gain_ratio.",
};

/// What the machine draws beside its packages.
pub const SUPPLY_OFFSET: OwnMetric = OwnMetric {
    name: "prony_supply_offset_watts",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "What the whole machine draws beside its packages, whatever they do, as its meter shows.",
};

/// How far a meter is off what packages let expect.
pub const METER_OFF: OwnMetric = OwnMetric {
    name: "prony_meter_off_ratio",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "How far the meter of the whole machine is off what its packages let expect, as a part of that, over about 20 s.",
};

/// Whether meters contradict each other.
pub const METER_DISAGREES: OwnMetric = OwnMetric {
    name: "prony_meter_disagrees",
    kind: Kind::Gauge,
    labels: &["source"],
    help: "Whether the meter of the whole machine and those of its packages contradict each other: 1 or 0. A dead shunt, a wrong channel or wrong volts; the log says what.",
};

/// What was reckoned while a meter did not measure.
pub const METER_RECKONED: OwnMetric = OwnMetric {
    name: "prony_meter_reckoned_joules_total",
    kind: Kind::Counter,
    labels: &["source", "zone"],
    help: "Energy, in whole joules, that was booked as a model of what ran says, because the meter was at the end of its range, stood still, or told of a power after a long silence.",
};

/// A zone's static power.
pub const STATIC_POWER: OwnMetric = OwnMetric {
    name: "prony_meter_static_watts",
    kind: Kind::Gauge,
    labels: &["source", "zone"],
    help: "What a zone draws whoever runs, as it is charged: configured, remembered or learned.",
};

/// What a zone draws on an idle machine.
pub const IDLE_POWER: OwnMetric = OwnMetric {
    name: "prony_meter_idle_watts",
    kind: Kind::Gauge,
    labels: &["source", "zone"],
    help: "What a zone draws while the machine is as good as idle (at most 5 % busy), with the little that is done then. Only where the machine has been idle.",
};

/// How context switches are watched.
pub const KERNEL_ATTACHMENT: OwnMetric = OwnMetric {
    name: "prony_kernel_attachment_info",
    kind: Kind::Gauge,
    labels: &["attachment"],
    help: "How context switches are watched: tp_btf, raw_tp, tracepoint, or none where the kernel programs cannot be loaded. Always 1.",
};

/// Context switches that were accounted.
pub const SWITCHES: OwnMetric = OwnMetric {
    name: "prony_switches_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Context switches that were accounted.",
};

/// Switches to a task for which there was no slot.
pub const OVERFLOWS: OwnMetric = OwnMetric {
    name: "prony_overflow_switches_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Switches to a task for which there was no slot; its time is in the overflow line. Raise activity.max_consumers.",
};

/// Switches that the kernel did not report.
pub const UNREPORTED: OwnMetric = OwnMetric {
    name: "prony_switches_unreported_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Context switches that the kernel's tracepoint did not report; noticed by who leaves the CPU next, who is billed the time.",
};

/// Kernel events that found the ring full.
pub const EVENTS_LOST: OwnMetric = OwnMetric {
    name: "prony_events_lost_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Kernel events that found the ring full: a name comes late or not at all, no time is lost.",
};

/// Consumers that the kernel side tells apart now.
pub const SLOTS_USED: OwnMetric = OwnMetric {
    name: "prony_slots_used",
    kind: Kind::Gauge,
    labels: &[],
    help: "Consumers that the kernel side tells apart now; at most activity.max_consumers.",
};

/// Mean run time of the program on the context switch, in seconds.
pub const SWITCH_COST: OwnMetric = OwnMetric {
    name: "prony_switch_program_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "Mean run time of the program on the context switch, in seconds; only while kernel.bpf_stats_enabled is 1, whose own cost is in it.",
};

/// Requests on sockets.
pub const SOCKET_REQUESTS: OwnMetric = OwnMetric {
    name: "prony_socket_requests_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests seen on functions' sockets from beginning to end; only with invocation.sockets.",
};

/// Requests on sockets that came to nothing.
pub const SOCKET_REQUESTS_LOST: OwnMetric = OwnMetric {
    name: "prony_socket_requests_lost_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Requests on functions' sockets that were not seen to their end: unanswered (the connection ended before a response), no_room (too many connections had one) or ring (the agent was kept from running).",
};

/// Cgroups whose sockets are watched.
pub const SOCKET_CGROUPS: OwnMetric = OwnMetric {
    name: "prony_socket_cgroups",
    kind: Kind::Gauge,
    labels: &[],
    help: "Cgroups of functions' containers whose sockets are watched now.",
};

/// Mean run time of the programs on sockets.
pub const SOCKET_PROGRAM_SECONDS: OwnMetric = OwnMetric {
    name: "prony_socket_program_seconds",
    kind: Kind::Gauge,
    labels: &["program"],
    help: "Mean run time of the programs that watch sockets, in seconds, by program: ingress and egress (each packet of a watched cgroup), read (each time a thread takes data from a TCP socket), switch (each context switch, beside the program that accounts for it); only while kernel.bpf_stats_enabled is 1, whose own cost is in it.",
};

/// Runs of the programs on sockets.
pub const SOCKET_PROGRAM_RUNS: OwnMetric = OwnMetric {
    name: "prony_socket_program_runs_total",
    kind: Kind::Counter,
    labels: &["program"],
    help: "Runs of the programs that watch sockets, as prony_socket_program_seconds.",
};

/// Windows closed.
pub const WINDOWS: OwnMetric =
    OwnMetric { name: "prony_windows_total", kind: Kind::Counter, labels: &[], help: "Windows closed." };

/// Windows that were joined with the next one because the agent came too late.
pub const WINDOWS_MISSED: OwnMetric = OwnMetric {
    name: "prony_windows_missed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Windows that were joined with the next one because the agent came too late. No time is lost.",
};

/// Length of the latest window, in seconds.
pub const WINDOW_SECONDS: OwnMetric = OwnMetric {
    name: "prony_window_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "Length of the latest window, in seconds.",
};

/// The longest time from a window's end to its being booked, over the last second, in seconds.
pub const WINDOW_CLOSE_SECONDS: OwnMetric = OwnMetric {
    name: "prony_window_close_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "The longest time from a window's end to its being booked, over the last second, in seconds.",
};

/// Share of all CPU time spent in interrupts over the last second, by the kernel's ticks.
pub const INTERRUPT_SHARE: OwnMetric = OwnMetric {
    name: "prony_cpu_interrupt_ratio",
    kind: Kind::Gauge,
    labels: &[],
    help: "Share of all CPU time spent in interrupts over the last second, by the kernel's ticks. It lies inside the time of whoever was interrupted.",
};

/// Share of all CPU time that the hypervisor took over the last second, by the kernel's ticks.
pub const STEAL_SHARE: OwnMetric = OwnMetric {
    name: "prony_cpu_steal_ratio",
    kind: Kind::Gauge,
    labels: &[],
    help: "Share of all CPU time that the hypervisor took over the last second, by the kernel's ticks. It lies inside the time of whoever ran.",
};

/// All of them, in the order of the documentation.
pub const ALL: &[OwnMetric] = &[
    PROBLEMS,
    CONFINEMENT,
    INVOCATIONS_REFUSED,
    METADATA_UP,
    REPORTER_CLOCK_OFFSET,
    SPANS_SENT,
    SPANS_DROPPED,
    SPANS_WAITING_BYTES,
    INFLUXDB_POINTS_WRITTEN,
    INFLUXDB_POINTS_DROPPED,
    INFLUXDB_WAITING_BYTES,
    ACCESS_REFUSED,
    SCRAPES,
    RENDER_SECONDS,
    GRPC_SUBSCRIBERS,
    GRPC_MESSAGES,
    GRPC_MISSED,
    METER_DATAGRAMS,
    METER_REQUESTS,
    METER_REBOOTS,
    METER_LOST_SECONDS,
    METER_REPORTS_LOST,
    METER_SATURATED,
    METER_DELAY,
    METER_DELAY_UNCERTAINTY,
    METER_MEAN,
    SUPPLY_GAIN,
    SUPPLY_GAIN_UNCERTAINTY,
    SUPPLY_OFFSET,
    METER_OFF,
    METER_DISAGREES,
    METER_RECKONED,
    STATIC_POWER,
    IDLE_POWER,
    KERNEL_ATTACHMENT,
    SWITCHES,
    OVERFLOWS,
    UNREPORTED,
    EVENTS_LOST,
    SLOTS_USED,
    SWITCH_COST,
    SOCKET_REQUESTS,
    SOCKET_REQUESTS_LOST,
    SOCKET_CGROUPS,
    SOCKET_PROGRAM_SECONDS,
    SOCKET_PROGRAM_RUNS,
    WINDOWS,
    WINDOWS_MISSED,
    WINDOW_SECONDS,
    WINDOW_CLOSE_SECONDS,
    INTERRUPT_SHARE,
    STEAL_SHARE,
];

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
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
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
