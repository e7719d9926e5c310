//! Which zones together stand for the machine, so that a consumer has one figure.

use crate::snapshot::{EnergyLine, Snapshot, ZoneLine};
use crate::source::{Provenance, ZoneName};
use crate::units::{Microjoules, Nanoseconds};

/// Zones that do not overlap, as indices into [`Snapshot::zones`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Headline {
    zones: Vec<usize>,
    why: &'static str,
}

impl Headline {
    /// The widest that is measured: the whole machine, else the platform as the processor knows it, else packages and
    /// memory. Of several that say the same the best is taken. `None` where there is no zone at all.
    pub(super) fn of(zones: &[ZoneLine]) -> Option<Self> {
        let choices: [(&[ZoneName], &str); 3] = [
            (&[ZoneName::Node], "all of the machine"),
            (&[ZoneName::Psys], "the platform, as far as the processor knows it"),
            (
                &[ZoneName::Package, ZoneName::Dram],
                "processors and their memory; disks, fans and the rest are not in it",
            ),
        ];
        let chosen = choices.into_iter().find_map(|(names, why)| {
            let zones = best(zones, |zone| names.contains(&zone.zone.name));
            (!zones.is_empty()).then_some(Self { zones, why })
        });
        let any = || {
            (!zones.is_empty())
                .then(|| Self { zones: vec![0], why: "one supply rail; what hangs on others is not in it" })
        };
        chosen.or_else(any)
    }

    pub(super) fn has(&self, zone: usize) -> bool {
        self.zones.contains(&zone)
    }

    /// What the zones cover.
    pub(super) fn why(&self) -> &'static str {
        self.why
    }

    pub(super) fn lines<'a>(&self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a ZoneLine> {
        self.zones.iter().filter_map(|&zone| snapshot.zones.get(zone))
    }

    /// Up to when all of them are booked, since the Unix epoch.
    pub(super) fn until(&self, snapshot: &Snapshot) -> Nanoseconds {
        self.lines(snapshot).map(|zone| zone.until_unix).min().unwrap_or_default()
    }

    /// What a line used in them.
    pub(super) fn energy(&self, energy: &[EnergyLine]) -> Microjoules {
        energy.iter().filter(|line| self.has(line.zone)).map(|line| line.active + line.idle).sum()
    }

    /// The least of what their figures come from.
    pub(super) fn provenance(&self, snapshot: &Snapshot) -> Option<Provenance> {
        self.lines(snapshot).map(|zone| zone.provenance).max()
    }
}

/// Of each zone that is wanted the one that is known best.
fn best(zones: &[ZoneLine], wanted: impl Fn(&ZoneLine) -> bool) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::new();
    for (index, zone) in zones.iter().enumerate().filter(|(_, zone)| wanted(zone)) {
        match best.iter_mut().find(|other| zones[**other].zone == zone.zone) {
            Some(other) if zone.provenance < zones[*other].provenance => *other = index,
            Some(_) => {}
            None => best.push(index),
        }
    }
    best
}
