//! The families of invocations.

use crate::invocation::{By, Phase};
use crate::snapshot::{Function, InvocationLine, Snapshot};
use crate::units::{Microjoules, Nanoseconds};

use super::exposition::{Exposition, Value};
use super::table;
use super::zones::ZoneGroups;

/// Writes them, the sockets of a zone added up.
pub(super) fn write(page: &mut Exposition, snapshot: &Snapshot, groups: &ZoneGroups<'_>) {
    let mut sorted: Vec<&InvocationLine> = snapshot.invocations.iter().collect();
    sorted.sort_by_key(|line| &line.function);

    let mut out = page.family(&table::INVOCATIONS);
    for line in &sorted {
        out.fix(&labels(&line.function));
        for by in By::ALL {
            out.sample(&[by.label()], Value::Count(line.totals.counts[by as usize]));
        }
    }
    let mut out = page.family(&table::INVOCATION_JOULES);
    for line in &sorted {
        let [platform, namespace, name, revision] = labels(&line.function);
        for (group, zones) in groups.with_zones() {
            // Counted with the first of the zone's sockets.
            let histogram = zones.first().and_then(|zone| line.totals.joules.get(*zone));
            if let Some(histogram) = histogram.filter(|histogram| histogram.count() > 0) {
                let labels = [platform, namespace, name, revision, &group.label];
                out.histogram(&labels, histogram, Value::Energy(Microjoules(histogram.sum)));
            }
        }
    }
    let mut out = page.family(&table::INVOCATION_SECONDS);
    for line in sorted.iter().filter(|line| line.totals.seconds.count() > 0) {
        let seconds = &line.totals.seconds;
        out.histogram(&labels(&line.function), seconds, Value::Time(Nanoseconds(seconds.sum)));
    }
    let mut out = page.family(&table::PHASE_JOULES);
    for line in &sorted {
        out.fix(&labels(&line.function));
        for (group, zones) in groups.with_zones() {
            for phase in Phase::ALL {
                let energy = zones.iter().map(|zone| line.totals.phases.get(phase, *zone)).sum();
                out.sample(&[&group.label, phase.label()], Value::Energy(energy));
            }
        }
    }
    let mut out = page.family(&table::COLD_STARTS);
    for line in &sorted {
        out.fix(&labels(&line.function));
        out.sample(&[], Value::Count(line.totals.cold_starts));
    }
}

/// The four labels that name a function.
pub(super) fn labels(function: &Function) -> [&str; 4] {
    let Function { platform, namespace, name, revision } = function;
    [platform.label(), namespace, name, revision]
}
