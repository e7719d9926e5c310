//! From books to the rows of a table: one zone, filtered and sorted.

use std::cmp::Ordering;

use prony_proto::energy::v1 as pb;

use super::args::Sort;
use super::books::{Books, Entry, microjoules};
use super::format::printable;
use super::zones::ZoneGroup;

/// One row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Mean power in the interval.
    pub(super) watts: f64,
    /// Energy since the agent began.
    pub(super) joules: f64,
    /// CPU time in the interval, in percent of one CPU.
    pub(super) cpu_percent: Option<f64>,
    /// The process's number.
    pub(super) pid: Option<u32>,
    /// Command name, cgroup path or container id.
    pub(super) name: String,
    /// Where it belongs: the cgroup's path, the container, or the pod.
    pub(super) place: String,
    /// Whether it has ended.
    pub(super) ended: bool,
}

/// What of the books is wanted, and in which order.
#[derive(Clone, Debug)]
pub(super) struct Order<'a> {
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    /// Only rows in which this occurs, in whatever case; empty for all.
    pub(super) filter: &'a str,
}

/// The rows of the books for one group of zones.
pub(super) fn rows(books: &Books, zones: &ZoneGroup, order: &Order<'_>) -> Vec<Row> {
    let wanted = order.filter.to_lowercase();
    let mut rows: Vec<Row> = books
        .lines
        .values()
        .map(|entry| row(entry, zones))
        .filter(|row| wanted.is_empty() || row.mentions(&wanted))
        .collect();
    rows.sort_by(|one, two| {
        let ordering = compare(one, two, order.sort);
        let ordering = if order.reverse { ordering.reverse() } else { ordering };
        // Rows that are alike keep their places from one picture to the next.
        ordering.then_with(|| (&one.name, &one.place, one.pid).cmp(&(&two.name, &two.place, two.pid)))
    });
    rows
}

/// What all those used that have no line.
pub(super) fn others(books: &Books, zones: &ZoneGroup) -> Row {
    Row { name: "(others)".into(), ..row(&books.other, zones) }
}

impl Row {
    fn mentions(&self, lower_case: &str) -> bool {
        self.name.to_lowercase().contains(lower_case)
            || self.place.to_lowercase().contains(lower_case)
            || self.pid.is_some_and(|pid| pid.to_string() == lower_case)
    }
}

fn compare(one: &Row, two: &Row, sort: Sort) -> Ordering {
    match sort {
        Sort::Watts => two.watts.total_cmp(&one.watts),
        Sort::Joules => two.joules.total_cmp(&one.joules),
        Sort::Cpu => two.cpu_percent.unwrap_or(-1.0).total_cmp(&one.cpu_percent.unwrap_or(-1.0)),
        Sort::Name => one.name.cmp(&two.name),
    }
}

fn row(entry: &Entry, zones: &ZoneGroup) -> Row {
    let (pid, name, place) = match &entry.subject {
        Some(pb::line::Subject::Process(process)) => (Some(process.pid), process_name(process), process.cgroup.clone()),
        Some(pb::line::Subject::Command(command)) => (None, command.name.clone(), command.cgroup.clone()),
        Some(pb::line::Subject::Cgroup(cgroup)) => {
            (None, cgroup.path.clone(), cgroup.container.as_ref().map(container_name).unwrap_or_default())
        }
        Some(pb::line::Subject::Container(container)) => (None, container_name(container), pod_name(container)),
        Some(pb::line::Subject::Function(function)) => (None, function_name(function), function_place(function)),
        None => (None, String::new(), String::new()),
    };
    Row {
        // Not `sum`: of nothing, that is a negative zero.
        watts: zones.members.iter().filter_map(|&zone| entry.power.get(zone)).fold(0.0, |sum, power| sum + power),
        joules: zones.members.iter().map(|&zone| microjoules(&entry.totals, zone) as f64 / 1e6).fold(0.0, |a, b| a + b),
        cpu_percent: entry.cpu.map(|share| share * 100.0),
        pid,
        name: printable(&name),
        place: printable(&place),
        ended: entry.ended,
    }
}

/// Threads of the kernel stand in brackets, as `ps` has them.
fn process_name(process: &pb::Process) -> String {
    if process.kernel_thread { format!("[{}]", process.command) } else { process.command.clone() }
}

/// Twelve digits name a container well enough for people; that is what the runtimes' own tools print.
fn container_name(container: &pb::Container) -> String {
    container.id.chars().take(12).collect()
}

fn pod_name(container: &pb::Container) -> String {
    match container {
        pb::Container { pod_name, pod_namespace, .. } if !pod_name.is_empty() => format!("{pod_namespace}/{pod_name}"),
        pb::Container { pod_uid, .. } if !pod_uid.is_empty() => format!("pod {pod_uid}"),
        pb::Container { name, runtime, .. } => format!("{runtime} {name}").trim().to_owned(),
    }
}

fn function_name(function: &pb::Function) -> String {
    let pb::Function { name, revision, .. } = function;
    if revision.is_empty() { name.clone() } else { format!("{name} ({revision})") }
}

fn function_place(function: &pb::Function) -> String {
    format!("{} {}", function.platform, function.namespace).trim_end().to_owned()
}
