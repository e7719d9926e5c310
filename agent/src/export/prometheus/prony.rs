//! The families that Kepler has not: zones by part, source and provenance, cgroups, commands, and what has no line.

use crate::snapshot::{CgroupLine, CommandLine, FunctionLine, OtherLine, Snapshot, ZoneLine};
use crate::source::Provenance;
use crate::units::Nanoseconds;

use super::exposition::{Exposition, FamilyWriter, Value};
use super::family::Family;
use super::number::Digits;
use super::processes::Processes;
use super::table;
use super::zones::{self, Usage, ZoneGroups};
use super::{invocations, kepler};

/// Writes the families of zones.
pub(super) fn zones(page: &mut Exposition, lines: &[ZoneLine]) {
    let mut write = |family: &'static Family, samples: fn(&mut FamilyWriter<'_>, &ZoneLine)| {
        let mut out = page.family(family);
        for line in lines {
            let zone = zones::label(&line.zone.name, line.provenance == Provenance::Estimated);
            let socket = line.zone.socket.map(|socket| Digits::of(socket.into()));
            let socket = socket.as_ref().map_or("", Digits::as_str);
            let labels = [&*zone, socket, &*line.source.0, line.provenance.label()];
            out.fix(&labels[..family.labels.len().min(labels.len())]);
            samples(&mut out, line);
        }
    };
    write(&table::ZONE_MEASURED_JOULES, |out, line| out.sample(&[], Value::Energy(line.measured)));
    write(&table::ZONE_JOULES, |out, line| {
        out.sample(&["active"], Value::Energy(line.active));
        out.sample(&["idle"], Value::Energy(line.idle.saturating_sub(line.idle_shared)));
        out.sample(&["idle_shared"], Value::Energy(line.idle_shared));
        out.sample(&["unattributed"], Value::Energy(line.unattributed));
    });
    write(&table::ZONE_WATTS, |out, line| out.sample(&[], Value::Power(line.power)));
    write(&table::ZONE_ACTIVE_WATTS, |out, line| out.sample(&[], Value::Power(line.active_power)));
    write(&table::ZONE_IDLE_WATTS, |out, line| out.sample(&[], Value::Power(line.idle_power)));
    write(&table::ZONE_UNCERTAINTY, |out, line| out.sample(&[], Value::Float(line.uncertainty.0)));
    write(&table::BOOKS_ERROR, |out, line| out.sample(&[], Value::Signed(line.books_error)));
}

/// Writes the families of cgroups.
pub(super) fn cgroups(page: &mut Exposition, lines: &[CgroupLine], groups: &ZoneGroups<'_>) {
    let mut usage = Vec::new();
    let mut write = |family: &'static Family, samples: Samples| {
        let mut out = page.family(family);
        for line in lines {
            groups.sum([&*line.energy], &mut usage);
            let id = Digits::of(line.id.0);
            let container = line.container.as_deref();
            let pod = container.and_then(|container| container.pod_uid.as_deref()).unwrap_or_default();
            out.fix(&[&line.path, id.as_str(), container.map_or("", |container| &container.id), pod]);
            samples(&mut out, groups, &usage, line.cpu_time);
        }
    };
    write(&table::CGROUP_JOULES, joules);
    write(&table::CGROUP_WATTS, watts);
    write(&table::CGROUP_SECONDS, seconds);
}

/// Writes the families of processes, for the zones that Kepler has not.
pub(super) fn processes(page: &mut Exposition, processes: &Processes<'_>, groups: &ZoneGroups<'_>) {
    if groups.groups.iter().all(|group| group.in_kepler) {
        return;
    }
    let mut usage = Vec::new();
    let mut write = |family: &'static Family, samples: Samples| {
        let mut out = page.family(family);
        for namesakes in processes.by_state() {
            groups.largest(namesakes.latest().map(|line| &*line.energy), &mut usage);
            for (group, used) in groups.groups.iter().zip(&mut usage) {
                if group.in_kepler {
                    *used = None;
                }
            }
            let line = namesakes.first();
            let container = line.container.as_deref().map_or("", |container| &container.id);
            let pid = Digits::of(line.consumer.pid.0.into());
            out.fix(&[pid.as_str(), &line.comm, &line.exe, kepler::state(line.state), container]);
            samples(&mut out, groups, &usage, line.cpu_time);
        }
    };
    write(&table::PROCESS_JOULES, joules);
    write(&table::PROCESS_WATTS, watts);
}

/// Writes the families of commands. Names that differ only in bytes that are not text are one.
pub(super) fn commands(page: &mut Exposition, lines: &[CommandLine], groups: &ZoneGroups<'_>) {
    let mut sorted: Vec<&CommandLine> = lines.iter().collect();
    sorted.sort_by(|left, right| left.cgroup.cmp(&right.cgroup).then_with(|| left.comm.cmp(&right.comm)));
    let same = |left: &&CommandLine, right: &&CommandLine| left.cgroup == right.cgroup && left.comm == right.comm;
    let mut usage = Vec::new();
    let mut write = |family: &'static Family, samples: Samples| {
        let mut out = page.family(family);
        for namesakes in sorted.chunk_by(same) {
            groups.sum(namesakes.iter().map(|line| &*line.energy), &mut usage);
            let first = namesakes[0];
            out.fix(&[&first.cgroup_path, Digits::of(first.cgroup.0).as_str(), &first.comm]);
            samples(&mut out, groups, &usage, namesakes.iter().map(|line| line.cpu_time).sum());
        }
    };
    write(&table::COMMAND_JOULES, joules);
    write(&table::COMMAND_WATTS, watts);
    write(&table::COMMAND_SECONDS, seconds);
    let mut out = page.family(&table::COMMAND_PROCESSES);
    for namesakes in sorted.chunk_by(same) {
        let first = namesakes[0];
        out.fix(&[&first.cgroup_path, Digits::of(first.cgroup.0).as_str(), &first.comm]);
        out.sample(&[], Value::Count(namesakes.iter().map(|line| line.processes).sum()));
    }
}

/// Writes the families of functions.
pub(super) fn functions(page: &mut Exposition, snapshot: &Snapshot, groups: &ZoneGroups<'_>) {
    let mut sorted: Vec<&FunctionLine> = snapshot.functions.iter().collect();
    sorted.sort_by_key(|line| &line.function);
    let mut usage = Vec::new();
    let mut write = |family: &'static Family, samples: Samples| {
        let mut out = page.family(family);
        for line in &sorted {
            groups.sum([&*line.energy], &mut usage);
            out.fix(&invocations::labels(&line.function));
            samples(&mut out, groups, &usage, line.cpu_time);
        }
    };
    write(&table::FUNCTION_JOULES, joules);
    write(&table::FUNCTION_WATTS, watts);
    write(&table::FUNCTION_SECONDS, seconds);
    let mut out = page.family(&table::FUNCTION_CONTAINERS);
    for line in &sorted {
        out.fix(&invocations::labels(&line.function));
        out.sample(&[], Value::Count(line.containers as u64));
    }
    groups.sum([&*snapshot.pending_functions.energy], &mut usage);
    joules(&mut page.family(&table::FUNCTION_PENDING_JOULES), groups, &usage, Nanoseconds::ZERO);
}

/// Writes what has no line at each level. `processes` is `None` where processes are not exported, and `commands` false where
/// commands are not.
pub(super) fn others(
    page: &mut Exposition,
    snapshot: &Snapshot,
    processes: Option<&Processes<'_>>,
    commands: bool,
    groups: &ZoneGroups<'_>,
) {
    let mut levels: Vec<Level> =
        processes.map(|processes| Level::of_processes(snapshot, processes, groups)).into_iter().collect();
    if commands {
        levels.push(Level::of("command", &snapshot.other_commands, groups));
    }
    levels.push(Level::of("cgroup", &snapshot.other_cgroups, groups));
    levels.push(Level::of("function", &snapshot.other_functions, groups));
    let mut write = |family: &'static Family, samples: Samples| {
        let mut out = page.family(family);
        for level in &levels {
            out.fix(&[level.name]);
            samples(&mut out, groups, &level.usage, level.cpu_time);
        }
    };
    write(&table::OTHER_JOULES, joules);
    write(&table::OTHER_WATTS, watts);
    write(&table::OTHER_SECONDS, seconds);
}

/// What has no line at one level.
struct Level {
    name: &'static str,
    usage: Vec<Option<Usage>>,
    cpu_time: Nanoseconds,
}

impl Level {
    fn of(name: &'static str, other: &OtherLine, groups: &ZoneGroups<'_>) -> Self {
        let mut usage = Vec::new();
        groups.sum([&*other.energy], &mut usage);
        Self { name, usage, cpu_time: other.cpu_time }
    }

    /// With what the processes' series do not show: the smaller parts of a process that was in several cgroups, and
    /// processes whose series was taken over by a later one of the same pid and name.
    fn of_processes(snapshot: &Snapshot, processes: &Processes<'_>, groups: &ZoneGroups<'_>) -> Self {
        let mut level = Self::of("process", &snapshot.other_processes, groups);
        let (mut all, mut shown) = (Vec::new(), Vec::new());
        for namesakes in processes.by_state().filter(|namesakes| namesakes.are_several()) {
            groups.sum(namesakes.all().map(|line| &*line.energy), &mut all);
            groups.largest(namesakes.latest().map(|line| &*line.energy), &mut shown);
            for ((other, all), shown) in level.usage.iter_mut().zip(&all).zip(&shown) {
                if let Some(all) = all {
                    other.get_or_insert_default().add(all.less(shown.unwrap_or_default()));
                }
            }
        }
        for namesakes in processes.by_name().filter(|namesakes| namesakes.are_several()) {
            level.cpu_time += namesakes.all().map(|line| line.cpu_time).sum::<Nanoseconds>() - namesakes.cpu_time();
        }
        level
    }
}

/// Writes the CPUs' time and the version.
pub(super) fn node(page: &mut Exposition, snapshot: &Snapshot) {
    let mut out = page.family(&table::CPU_SECONDS);
    out.sample(&["busy"], Value::Time(snapshot.busy_cpu_time));
    out.sample(&["idle"], Value::Time(snapshot.idle_cpu_time));
    let labels = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH];
    page.family(&table::BUILD_INFO).sample(&labels, Value::Count(1));
}

/// Writes a consumer's samples of one family.
type Samples = fn(&mut FamilyWriter<'_>, &ZoneGroups<'_>, &[Option<Usage>], Nanoseconds);

fn joules(out: &mut FamilyWriter<'_>, groups: &ZoneGroups<'_>, usage: &[Option<Usage>], _: Nanoseconds) {
    for (group, used) in groups.groups.iter().zip(usage) {
        let Some(used) = used else { continue };
        out.sample(&[&group.label, "active"], Value::Energy(used.active));
        if group.idle_is_shared {
            out.sample(&[&group.label, "idle_shared"], Value::Energy(used.idle));
        }
    }
}

fn watts(out: &mut FamilyWriter<'_>, groups: &ZoneGroups<'_>, usage: &[Option<Usage>], _: Nanoseconds) {
    for (group, used) in groups.groups.iter().zip(usage) {
        if let Some(used) = used {
            out.sample(&[&group.label], Value::Power(used.power));
        }
    }
}

fn seconds(out: &mut FamilyWriter<'_>, _: &ZoneGroups<'_>, _: &[Option<Usage>], cpu_time: Nanoseconds) {
    out.sample(&[], Value::Time(cpu_time));
}
