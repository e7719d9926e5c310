//! Sums over lines, kept up to date line by line.

use prony_proto::energy::v1 as pb;

use crate::snapshot::Snapshot;

/// What all lines of a table used together.
#[derive(Debug, Default)]
pub(super) struct Sums {
    cpu: u64,
    /// Active and idle energy by zone, in microjoules.
    energy: Vec<(u64, u64)>,
}

impl Sums {
    /// Counts a line in.
    pub(super) fn add(&mut self, totals: Option<&pb::Totals>) {
        let Some(totals) = totals else { return };
        self.cpu += totals.cpu_nanoseconds;
        for part in &totals.energy {
            let zone = part.zone as usize;
            if self.energy.len() <= zone {
                self.energy.resize(zone + 1, (0, 0));
            }
            self.energy[zone].0 += part.active_microjoules;
            self.energy[zone].1 += part.idle_microjoules;
        }
    }

    /// Takes a line out that was counted in before.
    pub(super) fn subtract(&mut self, totals: Option<&pb::Totals>) {
        let Some(totals) = totals else { return };
        self.cpu -= totals.cpu_nanoseconds;
        for part in &totals.energy {
            self.energy[part.zone as usize].0 -= part.active_microjoules;
            self.energy[part.zone as usize].1 -= part.idle_microjoules;
        }
    }

    /// What the lines are short of what all consumers used.
    pub(super) fn missing_from(&self, snapshot: &Snapshot) -> pb::Totals {
        let energy = snapshot.zones.iter().enumerate().map(|(index, zone)| {
            let (active, idle) = self.energy.get(index).copied().unwrap_or_default();
            pb::ZoneEnergy {
                zone: index as u32,
                active_microjoules: zone.active.0.saturating_sub(active),
                idle_microjoules: zone.idle_shared.0.saturating_sub(idle),
                power_watts: 0.0,
            }
        });
        pb::Totals { cpu_nanoseconds: snapshot.busy_cpu_time.0.saturating_sub(self.cpu), energy: energy.collect() }
    }
}

/// Whether nothing was used between two states of a line; powers may differ.
pub(super) fn is_same_total(one: Option<&pb::Totals>, two: Option<&pb::Totals>) -> bool {
    let key = |part: &pb::ZoneEnergy| (part.zone, part.active_microjoules, part.idle_microjoules);
    match (one, two) {
        (Some(one), Some(two)) => {
            one.cpu_nanoseconds == two.cpu_nanoseconds && one.energy.iter().map(key).eq(two.energy.iter().map(key))
        }
        (one, two) => one.is_none() && two.is_none(),
    }
}
