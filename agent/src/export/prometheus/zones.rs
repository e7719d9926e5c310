//! Zones as consumers' series name them: the sockets of one zone together, under one name, by one source.

use std::borrow::Cow;

use crate::snapshot::{EnergyLine, Snapshot, ZoneLine};
use crate::source::{Provenance, ZoneName};
use crate::units::{Microjoules, Watts};

/// What a consumer used in one zone, over all sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) active: Microjoules,
    pub(super) idle: Microjoules,
    pub(super) power: Watts,
}

impl Usage {
    pub(super) fn add(&mut self, other: Self) {
        self.active += other.active;
        self.idle += other.idle;
        self.power.0 += other.power.0;
    }

    /// What is left without `part`, which is not larger.
    pub(super) fn less(self, part: Self) -> Self {
        Self {
            active: self.active.saturating_sub(part.active),
            idle: self.idle.saturating_sub(part.idle),
            power: Watts((self.power.0 - part.power.0).max(0.0)),
        }
    }
}

/// The sockets of one zone.
#[derive(Debug)]
pub(in crate::export) struct ZoneGroup<'a> {
    /// The value of the label `zone`.
    pub(in crate::export) label: Cow<'a, str>,
    /// Whether it is one of Kepler's zones.
    pub(super) in_kepler: bool,
    /// Whether its static energy is shared out to consumers.
    pub(super) idle_is_shared: bool,
    /// One line for every socket, or one for the whole machine.
    pub(super) sockets: Vec<&'a ZoneLine>,
}

/// All zones of a snapshot, grouped.
#[derive(Debug)]
pub(in crate::export) struct ZoneGroups<'a> {
    pub(super) groups: Vec<ZoneGroup<'a>>,
    /// The group of each of the snapshot's zones; `None` for the second source of a zone.
    group_of: Vec<Option<usize>>,
}

impl<'a> ZoneGroups<'a> {
    /// The groups, each with the indices of its zones in the snapshot.
    pub(in crate::export) fn with_zones(&self) -> impl Iterator<Item = (&ZoneGroup<'a>, Vec<usize>)> {
        self.groups.iter().zip(0..).map(|(group, index)| {
            let zones = self.group_of.iter().zip(0..).filter(move |(of, _)| **of == Some(index));
            (group, zones.map(|(_, zone)| zone).collect())
        })
    }

    pub(in crate::export) fn of(snapshot: &'a Snapshot) -> Self {
        let lines = &snapshot.zones;
        let mut names: Vec<&ZoneName> = Vec::new();
        for line in lines {
            if !names.contains(&&line.zone.name) {
                names.push(&line.zone.name);
            }
        }
        let mut group_of = vec![None; lines.len()];
        let mut groups = Vec::with_capacity(names.len());
        for name in names {
            let members = members(lines, name);
            for &member in &members {
                group_of[member] = Some(groups.len());
            }
            groups.push(ZoneGroup::of(name, members.into_iter().map(|member| &lines[member]).collect()));
        }
        Self { groups, group_of }
    }

    /// Sums the energy of lines by group, into `usage`, which gets one element for each group; `None` where there was
    /// none.
    pub(super) fn sum<'l>(&self, lines: impl IntoIterator<Item = &'l [EnergyLine]>, usage: &mut Vec<Option<Usage>>) {
        usage.clear();
        usage.resize(self.groups.len(), None);
        for line in lines {
            self.add(line, usage);
        }
    }

    /// The largest energy that one of these lines has used, by group, and all their power. It never falls, even when one
    /// of them goes into the line `other`.
    pub(super) fn largest<'l>(
        &self,
        lines: impl IntoIterator<Item = &'l [EnergyLine]>,
        usage: &mut Vec<Option<Usage>>,
    ) {
        let mut lines = lines.into_iter();
        self.sum(lines.next(), usage);
        for line in lines {
            let mut other = vec![None; self.groups.len()];
            self.add(line, &mut other);
            for (largest, other) in usage.iter_mut().zip(other) {
                let Some(other) = other else { continue };
                let largest = largest.get_or_insert_default();
                largest.active = largest.active.max(other.active);
                largest.idle = largest.idle.max(other.idle);
                largest.power.0 += other.power.0;
            }
        }
    }

    /// Adds a consumer's energy to `usage`.
    pub(super) fn add(&self, energy: &[EnergyLine], usage: &mut [Option<Usage>]) {
        for line in energy {
            if let Some(group) = self.group_of.get(line.zone).copied().flatten() {
                let used = Usage { active: line.active, idle: line.idle, power: line.power };
                usage[group].get_or_insert_default().add(used);
            }
        }
    }
}

impl<'a> ZoneGroup<'a> {
    fn of(name: &'a ZoneName, sockets: Vec<&'a ZoneLine>) -> Self {
        Self {
            label: label(name, sockets.iter().any(|line| line.provenance == Provenance::Estimated)),
            in_kepler: match name {
                ZoneName::Package | ZoneName::Core | ZoneName::Uncore | ZoneName::Dram | ZoneName::Psys => true,
                ZoneName::Node | ZoneName::Rest | ZoneName::Rail(_) => false,
            },
            idle_is_shared: sockets.iter().any(|line| !line.idle_shared.is_zero()),
            sockets,
        }
    }
}

/// The value of the label `zone`: an estimate never goes under a measured zone's name.
pub(super) fn label(name: &ZoneName, estimated: bool) -> Cow<'_, str> {
    let plain = match name {
        ZoneName::Package => "package",
        ZoneName::Core => "core",
        ZoneName::Uncore => "uncore",
        ZoneName::Dram => "dram",
        ZoneName::Psys => "psys",
        ZoneName::Node => "node",
        ZoneName::Rest => "rest",
        ZoneName::Rail(name) => name,
    };
    if estimated { Cow::Owned(format!("{plain}-estimated")) } else { Cow::Borrowed(plain) }
}

/// The lines that together are one zone: one for every socket where there are such, else the machine's; where several
/// sources give the same, the first that measures, else the first.
fn members(lines: &[ZoneLine], name: &ZoneName) -> Vec<usize> {
    let mut members: Vec<usize> = Vec::new();
    let by_socket = lines.iter().any(|line| line.zone.name == *name && line.zone.socket.is_some());
    for (index, line) in lines.iter().enumerate() {
        if line.zone.name != *name || line.zone.socket.is_some() != by_socket {
            continue;
        }
        match members.iter_mut().find(|member| lines[**member].zone.socket == line.zone.socket) {
            None => members.push(index),
            Some(member) => {
                let estimated = |line: &ZoneLine| line.provenance == Provenance::Estimated;
                if estimated(&lines[*member]) && !estimated(line) {
                    *member = index;
                }
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus::sample_books;
    use crate::source::{SourceId, Zone};

    fn line(name: ZoneName, socket: Option<u32>, source: &str, provenance: Provenance) -> ZoneLine {
        ZoneLine {
            zone: Zone { name, socket },
            source: SourceId(source.into()),
            provenance,
            ..sample_books::zone_line(1_000_000, 600_000, 400_000, 0)
        }
    }

    fn grouped(zones: Vec<ZoneLine>) -> Vec<(String, Vec<String>)> {
        let snapshot = Snapshot { zones, ..sample_books::empty() };
        let groups = ZoneGroups::of(&snapshot);
        let name = |line: &&ZoneLine| format!("{}@{}", line.zone, line.source);
        groups.groups.iter().map(|group| (group.label.to_string(), group.sockets.iter().map(name).collect())).collect()
    }

    #[test]
    fn sockets_are_one_zone_and_zones_stay_apart() {
        let zones = vec![
            line(ZoneName::Package, Some(0), "rapl", Provenance::Measured),
            line(ZoneName::Dram, Some(0), "rapl", Provenance::Measured),
            line(ZoneName::Package, Some(1), "rapl", Provenance::Measured),
        ];
        assert_eq!(
            grouped(zones),
            [
                ("package".into(), vec!["package-0@rapl".into(), "package-1@rapl".into()]),
                ("dram".into(), vec!["dram-0@rapl".into()])
            ]
        );
    }

    #[test]
    fn a_zone_that_two_sources_give_is_counted_once_by_the_one_that_measures() {
        let zones = vec![
            line(ZoneName::Package, Some(0), "estimate", Provenance::Estimated),
            line(ZoneName::Package, Some(0), "rapl", Provenance::Measured),
            line(ZoneName::Package, Some(0), "hwmon", Provenance::Measured),
            line(ZoneName::Package, None, "meter", Provenance::Measured),
        ];
        assert_eq!(grouped(zones), [("package".into(), vec!["package-0@rapl".into()])]);
    }

    #[test]
    fn an_estimated_socket_makes_the_sum_an_estimate() {
        let zones = vec![
            line(ZoneName::Package, Some(0), "rapl", Provenance::Measured),
            line(ZoneName::Package, Some(1), "estimate", Provenance::Estimated),
        ];
        assert_eq!(grouped(zones)[0].0, "package-estimated");
    }
}
