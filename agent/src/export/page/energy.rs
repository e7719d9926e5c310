//! Zones and energies as they are sent.

use serde::Serialize;

use crate::snapshot::{EnergyLine, Snapshot};
use crate::units::{Microjoules, Nanoseconds};

use super::headline::Headline;

/// One zone of a table: the columns of [`microjoules`] and [`watts`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ZoneColumn {
    name: String,
    socket: Option<u32>,
    source: String,
    provenance: &'static str,
    headline: bool,
}

/// The zones of a picture, in their order.
pub(super) fn zone_columns(snapshot: &Snapshot) -> Vec<ZoneColumn> {
    let headline = Headline::of(&snapshot.zones);
    let column = |(index, line): (usize, &crate::snapshot::ZoneLine)| ZoneColumn {
        name: line.zone.name.to_string(),
        socket: line.zone.socket,
        source: line.source.to_string(),
        provenance: line.provenance.label(),
        headline: headline.as_ref().is_some_and(|headline| headline.has(index)),
    };
    snapshot.zones.iter().enumerate().map(column).collect()
}

/// Active and idle energy, zone by zone.
pub(super) fn microjoules(snapshot: &Snapshot, energy: &[EnergyLine]) -> Vec<Microjoules> {
    let mut columns = vec![Microjoules::ZERO; snapshot.zones.len()];
    for line in energy {
        columns[line.zone] += line.active + line.idle;
    }
    columns
}

/// Power, zone by zone.
pub(super) fn watts(snapshot: &Snapshot, energy: &[EnergyLine]) -> Vec<f64> {
    let mut columns = vec![0.0; snapshot.zones.len()];
    for line in energy {
        columns[line.zone] += line.power.0;
    }
    columns
}

/// What scripts count time in.
pub(super) fn milliseconds(span: Nanoseconds) -> f64 {
    span.0 as f64 / 1e6
}

/// The same in whole ones.
pub(super) fn whole_milliseconds(span: Nanoseconds) -> u64 {
    (span.0 + 500_000) / 1_000_000
}
