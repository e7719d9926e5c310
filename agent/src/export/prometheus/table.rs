//! Every family that is rendered from the books or read from this process: the one list that the renderer writes from
//! and `docs/metrics.md` is made of.

use crate::export::powerapi::TAGS;

use super::family::Family;

/// A part of the documentation.
#[derive(Debug)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: &'static str,
    /// What its families have in common.
    pub(super) introduction: &'static str,
    /// Its families, in the order in which they are rendered.
    pub(super) families: &'static [Family],
}

/// All sections, in the order in which they are rendered.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Kepler's families",
        introduction: "Names, labels and meaning are those of Kepler's current version, so that its dashboards and \
            recording rules work unchanged. What Kepler has no label for is found under `prony_*` only.",
        families: &[
            KEPLER_NODE_JOULES,
            KEPLER_NODE_WATTS,
            KEPLER_NODE_ACTIVE_JOULES,
            KEPLER_NODE_ACTIVE_WATTS,
            KEPLER_NODE_IDLE_JOULES,
            KEPLER_NODE_IDLE_WATTS,
            KEPLER_NODE_USAGE,
            KEPLER_NODE_CPU_INFO,
            KEPLER_PROCESS_JOULES,
            KEPLER_PROCESS_WATTS,
            KEPLER_PROCESS_SECONDS,
            KEPLER_CONTAINER_JOULES,
            KEPLER_CONTAINER_WATTS,
            KEPLER_POD_JOULES,
            KEPLER_POD_WATTS,
            KEPLER_BUILD_INFO,
        ],
    },
    Section {
        title: "Zones",
        introduction: "One series for every zone of every socket and source.",
        families: &[
            ZONE_MEASURED_JOULES,
            ZONE_JOULES,
            ZONE_WATTS,
            ZONE_ACTIVE_WATTS,
            ZONE_IDLE_WATTS,
            ZONE_UNCERTAINTY,
            BOOKS_ERROR,
        ],
    },
    Section {
        title: "Consumers",
        introduction: "Cgroups (each without its children), processes, command names within a cgroup, and what has no \
            line of its own. Sockets are summed.",
        families: &[
            CGROUP_JOULES,
            CGROUP_WATTS,
            CGROUP_SECONDS,
            PROCESS_JOULES,
            PROCESS_WATTS,
            COMMAND_JOULES,
            COMMAND_WATTS,
            COMMAND_SECONDS,
            COMMAND_PROCESSES,
            FUNCTION_JOULES,
            FUNCTION_WATTS,
            FUNCTION_SECONDS,
            FUNCTION_CONTAINERS,
            FUNCTION_PENDING_JOULES,
            OTHER_JOULES,
            OTHER_WATTS,
            OTHER_SECONDS,
            CPU_SECONDS,
            BUILD_INFO,
        ],
    },
    Section {
        title: "Invocations of functions",
        introduction: "What single invocations used, and what a function's energy was used for: the phases add up to \
            prony_function_joules_total, which they follow by as much as reports may be late (`invocation.lateness`).",
        families: &[INVOCATIONS, INVOCATION_JOULES, INVOCATION_SECONDS, PHASE_JOULES, COLD_STARTS],
    },
    Section {
        title: "PowerAPI's family",
        introduction: "With `prometheus.powerapi`, for those who have its dashboards: the targets that \
            [influxdb.md](influxdb.md#what-is-written) tells of, but functions. There are no joules in it: where you can, use the \
            families above.",
        families: &[POWER_ESTIMATION_WATTS],
    },
    Section {
        title: "Carbon and cost",
        introduction: "Only where `[footprint]` has a factor. They count from the agent's first page on, from one page to the next; \
            sockets are summed, and zones overlap.",
        families: &[ZONE_CO2E, FUNCTION_CO2E, ZONE_COST, FUNCTION_COST, FOOTPRINT_UNCOUNTED_JOULES],
    },
    Section {
        title: "Cost of the agent",
        introduction: "The conventional names of every Prometheus client, read when a scrape comes.",
        families: &[
            PROCESS_CPU_SECONDS,
            PROCESS_RESIDENT,
            PROCESS_VIRTUAL,
            PROCESS_OPEN_FDS,
            PROCESS_MAX_FDS,
            PROCESS_THREADS,
            PROCESS_START,
        ],
    },
];

/// Every family.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    SECTIONS.iter().flat_map(|section| section.families)
}

const KEPLER_NODE_LABELS: &[&str] = &["zone", "path"];
const KEPLER_PROCESS_LABELS: &[&str] = &["pid", "comm", "exe", "type", "state", "container_id", "vm_id", "zone"];
const KEPLER_CONTAINER_LABELS: &[&str] = &["container_id", "container_name", "runtime", "state", "pod_id", "zone"];
const KEPLER_POD_LABELS: &[&str] = &["pod_id", "pod_name", "pod_namespace", "state", "zone"];
const FUNCTION_LABELS: &[&str] = &["platform", "namespace", "function", "revision"];
const ZONE_LABELS: &[&str] = &["zone", "socket", "source", "provenance"];

pub(super) const KEPLER_NODE_JOULES: Family = Family::counter(
    "kepler_node_cpu_joules_total",
    "joules",
    KEPLER_NODE_LABELS,
    "Energy of a zone, all sockets together: active plus idle.",
);
pub(super) const KEPLER_NODE_WATTS: Family = Family::gauge(
    "kepler_node_cpu_watts",
    "watts",
    KEPLER_NODE_LABELS,
    "Power of a zone, all sockets together: active plus idle.",
);
pub(super) const KEPLER_NODE_ACTIVE_JOULES: Family = Family::counter(
    "kepler_node_cpu_active_joules_total",
    "joules",
    KEPLER_NODE_LABELS,
    "Energy of a zone that is charged to consumers for what they did.",
);
pub(super) const KEPLER_NODE_ACTIVE_WATTS: Family = Family::gauge(
    "kepler_node_cpu_active_watts",
    "watts",
    KEPLER_NODE_LABELS,
    "Power of a zone that is charged to consumers for what they do.",
);
pub(super) const KEPLER_NODE_IDLE_JOULES: Family = Family::counter(
    "kepler_node_cpu_idle_joules_total",
    "joules",
    KEPLER_NODE_LABELS,
    "Energy of a zone that is not active: the static part, and what was drawn above it while nobody ran.",
);
pub(super) const KEPLER_NODE_IDLE_WATTS: Family = Family::gauge(
    "kepler_node_cpu_idle_watts",
    "watts",
    KEPLER_NODE_LABELS,
    "Power of a zone that is not active: the static part, and what is drawn above it while nobody runs.",
);
pub(super) const KEPLER_NODE_USAGE: Family = Family::gauge(
    "kepler_node_cpu_usage_ratio",
    "ratio",
    &[],
    "Share of the CPUs' time that was not idle, from 0 to 1, over the time since a scrape at least one second earlier.",
);
pub(super) const KEPLER_NODE_CPU_INFO: Family = Family::gauge(
    "kepler_node_cpu_info",
    "",
    &["processor", "vendor_id", "model_name", "physical_id", "core_id"],
    "Always 1: one CPU as /proc/cpuinfo describes it.",
);
pub(super) const KEPLER_PROCESS_JOULES: Family = Family::counter(
    "kepler_process_cpu_joules_total",
    "joules",
    KEPLER_PROCESS_LABELS,
    "Energy charged to a process: for what it did, and its share of the static part where the policy shares that out.",
);
pub(super) const KEPLER_PROCESS_WATTS: Family =
    Family::gauge("kepler_process_cpu_watts", "watts", KEPLER_PROCESS_LABELS, "Power charged to a process.");
pub(super) const KEPLER_PROCESS_SECONDS: Family = Family::counter(
    "kepler_process_cpu_seconds_total",
    "seconds",
    &["pid", "comm", "exe", "type", "container_id", "vm_id"],
    "CPU time of a process, user and system.",
);
pub(super) const KEPLER_CONTAINER_JOULES: Family = Family::counter(
    "kepler_container_cpu_joules_total",
    "joules",
    KEPLER_CONTAINER_LABELS,
    "Energy charged to a container: to its cgroup and those below it.",
);
pub(super) const KEPLER_CONTAINER_WATTS: Family = Family::gauge(
    "kepler_container_cpu_watts",
    "watts",
    KEPLER_CONTAINER_LABELS,
    "Power charged to a container: to its cgroup and those below it.",
);
pub(super) const KEPLER_POD_JOULES: Family = Family::counter(
    "kepler_pod_cpu_joules_total",
    "joules",
    KEPLER_POD_LABELS,
    "Energy charged to a pod: to all its containers, past and present.",
);
pub(super) const KEPLER_POD_WATTS: Family =
    Family::gauge("kepler_pod_cpu_watts", "watts", KEPLER_POD_LABELS, "Power charged to a pod.");
pub(super) const KEPLER_BUILD_INFO: Family = Family::gauge(
    "kepler_build_info",
    "",
    &["arch", "branch", "revision", "version", "goversion"],
    "Always 1: the version of the exporter, which is Prony; what Prony does not have is empty.",
);

pub(super) const ZONE_MEASURED_JOULES: Family = Family::counter(
    "prony_zone_measured_joules_total",
    "joules",
    ZONE_LABELS,
    "All energy of a zone, exactly as much as its source counted.",
);
pub(super) const ZONE_JOULES: Family = Family::counter(
    "prony_zone_joules_total",
    "joules",
    &["zone", "socket", "source", "provenance", "part"],
    "Energy of a zone by who is charged with it; the parts do not overlap and add up to prony_zone_measured_joules_total.",
);
pub(super) const ZONE_WATTS: Family = Family::gauge(
    "prony_zone_watts",
    "watts",
    ZONE_LABELS,
    "Power of a zone over the last second, or the last window where that is longer.",
);
pub(super) const ZONE_ACTIVE_WATTS: Family = Family::gauge(
    "prony_zone_active_watts",
    "watts",
    ZONE_LABELS,
    "The part of prony_zone_watts that is charged to consumers for what they do.",
);
pub(super) const ZONE_IDLE_WATTS: Family = Family::gauge(
    "prony_zone_idle_watts",
    "watts",
    ZONE_LABELS,
    "The static part of prony_zone_watts, shared out or not.",
);
pub(super) const ZONE_UNCERTAINTY: Family = Family::gauge(
    "prony_zone_uncertainty_ratio",
    "ratio",
    ZONE_LABELS,
    "How sure the energy of the last window is: one standard deviation as a fraction of it.",
);
pub(super) const BOOKS_ERROR: Family = Family::gauge(
    "prony_books_error_microjoules",
    "microjoules",
    &["zone", "socket", "source"],
    "What the parts of a zone are short of the whole. Anything but 0 is a bug of Prony; please report it.",
);

pub(super) const CGROUP_JOULES: Family = Family::counter(
    "prony_cgroup_joules_total",
    "joules",
    &["cgroup", "cgroup_id", "container_id", "pod_id", "zone", "part"],
    "Energy charged to the processes of a cgroup, without its children.",
);
pub(super) const CGROUP_WATTS: Family = Family::gauge(
    "prony_cgroup_watts",
    "watts",
    &["cgroup", "cgroup_id", "container_id", "pod_id", "zone"],
    "Power charged to the processes of a cgroup, without its children.",
);
pub(super) const CGROUP_SECONDS: Family = Family::counter(
    "prony_cgroup_cpu_seconds_total",
    "seconds",
    &["cgroup", "cgroup_id", "container_id", "pod_id"],
    "CPU time of the processes of a cgroup, without its children.",
);
pub(super) const PROCESS_JOULES: Family = Family::counter(
    "prony_process_joules_total",
    "joules",
    &["pid", "comm", "exe", "state", "container_id", "zone", "part"],
    "Energy charged to a process in a zone that Kepler has not; for the others see kepler_process_cpu_joules_total.",
);
pub(super) const PROCESS_WATTS: Family = Family::gauge(
    "prony_process_watts",
    "watts",
    &["pid", "comm", "exe", "state", "container_id", "zone"],
    "Power charged to a process in a zone that Kepler has not; for the others see kepler_process_cpu_watts.",
);
pub(super) const COMMAND_JOULES: Family = Family::counter(
    "prony_command_joules_total",
    "joules",
    &["cgroup", "cgroup_id", "comm", "zone", "part"],
    "Energy charged to all processes of one command name in one cgroup, past and present.",
);
pub(super) const COMMAND_WATTS: Family = Family::gauge(
    "prony_command_watts",
    "watts",
    &["cgroup", "cgroup_id", "comm", "zone"],
    "Power charged to all processes of one command name in one cgroup.",
);
pub(super) const COMMAND_SECONDS: Family = Family::counter(
    "prony_command_cpu_seconds_total",
    "seconds",
    &["cgroup", "cgroup_id", "comm"],
    "CPU time of all processes of one command name in one cgroup, past and present.",
);
pub(super) const COMMAND_PROCESSES: Family = Family::counter(
    "prony_command_processes_total",
    "",
    &["cgroup", "cgroup_id", "comm"],
    "How many processes have borne a command name in a cgroup.",
);
pub(super) const FUNCTION_JOULES: Family = Family::counter(
    "prony_function_joules_total",
    "joules",
    &["platform", "namespace", "function", "revision", "zone", "part"],
    "Energy charged to all containers of a function, past and present.",
);
pub(super) const ZONE_CO2E: Family = Family::counter(
    "prony_zone_co2e_grams_total",
    "grams",
    &["zone"],
    "Carbon dioxide equivalents of all energy of a zone.",
);
pub(super) const FUNCTION_CO2E: Family = Family::counter(
    "prony_function_co2e_grams_total",
    "grams",
    &["platform", "namespace", "function", "revision", "zone"],
    "Carbon dioxide equivalents of the energy charged to all containers of a function.",
);
pub(super) const ZONE_COST: Family = Family::counter(
    "prony_zone_cost_total",
    "",
    &["zone", "currency"],
    "Price of all energy of a zone, in units of its currency.",
);
pub(super) const FUNCTION_COST: Family = Family::counter(
    "prony_function_cost_total",
    "",
    &["platform", "namespace", "function", "revision", "zone", "currency"],
    "Price of the energy charged to all containers of a function, in units of its currency.",
);
pub(super) const FOOTPRINT_UNCOUNTED_JOULES: Family = Family::counter(
    "prony_footprint_uncounted_joules_total",
    "joules",
    &["figure", "zone"],
    "Energy of a zone for which there was no factor; figure is co2e or cost.",
);
pub(super) const FUNCTION_WATTS: Family = Family::gauge(
    "prony_function_watts",
    "watts",
    &["platform", "namespace", "function", "revision", "zone"],
    "Power charged to all containers of a function.",
);
pub(super) const FUNCTION_SECONDS: Family = Family::counter(
    "prony_function_cpu_seconds_total",
    "seconds",
    FUNCTION_LABELS,
    "CPU time of all containers of a function, past and present.",
);
pub(super) const FUNCTION_CONTAINERS: Family = Family::gauge(
    "prony_function_containers",
    "",
    FUNCTION_LABELS,
    "Containers that run a function now, as far as they have used CPU time.",
);
pub(super) const FUNCTION_PENDING_JOULES: Family = Family::gauge(
    "prony_function_pending_joules",
    "joules",
    &["zone", "part"],
    "Energy of containers whose function has not been told yet. It falls when it is, and the function's counter grows.",
);
pub(super) const INVOCATIONS: Family = Family::counter(
    "prony_function_invocations_total",
    "",
    &["platform", "namespace", "function", "revision", "by"],
    "Invocations of a function whose energy is known, by who saw them: process, report or socket.",
);
pub(super) const INVOCATION_JOULES: Family = Family::histogram(
    "prony_function_invocation_joules",
    "joules",
    &["platform", "namespace", "function", "revision", "zone"],
    "Energy of an invocation. The exemplars are invocation ids.",
);
pub(super) const INVOCATION_SECONDS: Family =
    Family::histogram("prony_function_invocation_seconds", "seconds", FUNCTION_LABELS, "Wall time of an invocation.");
pub(super) const PHASE_JOULES: Family = Family::counter(
    "prony_function_phase_joules_total",
    "joules",
    &["platform", "namespace", "function", "revision", "zone", "phase"],
    "Energy of a function by what it was used for: invocation, cold_start (a container up to its first invocation) or keep_warm.",
);
pub(super) const COLD_STARTS: Family = Family::counter(
    "prony_function_cold_starts_total",
    "",
    FUNCTION_LABELS,
    "Containers of a function that were started.",
);
pub(super) const OTHER_JOULES: Family = Family::counter(
    "prony_other_joules_total",
    "joules",
    &["level", "zone", "part"],
    "Energy of what has no line of its own at a level, so that the level's lines and this one add up to the whole.",
);
pub(super) const OTHER_WATTS: Family =
    Family::gauge("prony_other_watts", "watts", &["level", "zone"], "Power of what has no line of its own at a level.");
pub(super) const OTHER_SECONDS: Family = Family::counter(
    "prony_other_cpu_seconds_total",
    "seconds",
    &["level"],
    "CPU time of what has no line of its own at a level.",
);
pub(super) const CPU_SECONDS: Family = Family::counter(
    "prony_cpu_seconds_total",
    "seconds",
    &["state"],
    "Time of all CPUs, busy and idle; together it is wall time times the CPUs that were online.",
);
pub(super) const BUILD_INFO: Family =
    Family::gauge("prony_build_info", "", &["version", "arch"], "Always 1: the version of Prony.");

pub(super) const POWER_ESTIMATION_WATTS: Family = Family::gauge(
    "power_estimation_watts",
    "watts",
    &TAGS,
    "Power of a target in a zone of a socket, over the last second.",
);

pub(super) const PROCESS_CPU_SECONDS: Family =
    Family::counter("process_cpu_seconds_total", "seconds", &[], "CPU time of the agent itself, user and system.");
pub(super) const PROCESS_RESIDENT: Family =
    Family::gauge("process_resident_memory_bytes", "bytes", &[], "Memory of the agent itself that is resident.");
pub(super) const PROCESS_VIRTUAL: Family =
    Family::gauge("process_virtual_memory_bytes", "bytes", &[], "Address space of the agent itself.");
pub(super) const PROCESS_OPEN_FDS: Family =
    Family::gauge("process_open_fds", "", &[], "File descriptors that the agent holds open.");
pub(super) const PROCESS_MAX_FDS: Family =
    Family::gauge("process_max_fds", "", &[], "File descriptors that the agent may hold open.");
pub(super) const PROCESS_THREADS: Family = Family::gauge("process_threads", "", &[], "Threads of the agent.");
pub(super) const PROCESS_START: Family = Family::gauge(
    "process_start_time_seconds",
    "seconds",
    &[],
    "When the agent was started, in seconds since the Unix epoch.",
);
