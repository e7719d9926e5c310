//! Where power is drawn, in PowerAPI's words.

use crate::export::prometheus::zones::ZoneGroups;
use crate::snapshot::Snapshot;

/// A zone of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::export) struct Place {
    /// `cpu` for a package, as PowerAPI calls it, else the zone's own name.
    pub(in crate::export) scope: String,
    /// The socket's number, or nothing for the whole machine.
    pub(in crate::export) socket: String,
}

/// The place of each of a picture's zones; zones that others stand for have none.
#[derive(Clone, Debug)]
pub(in crate::export) struct Places(Vec<Option<Place>>);

impl Places {
    /// Those of a picture.
    pub(in crate::export) fn of(snapshot: &Snapshot) -> Self {
        let mut places = vec![None; snapshot.zones.len()];
        let groups = ZoneGroups::of(snapshot);
        for (group, zones) in groups.with_zones() {
            for zone in zones {
                let socket = snapshot.zones[zone].zone.socket;
                let socket = socket.map(|socket| socket.to_string()).unwrap_or_default();
                places[zone] = Some(Place { scope: scope(&group.label), socket });
            }
        }
        Self(places)
    }

    /// The place of the zone with this index.
    pub(in crate::export) fn get(&self, zone: usize) -> Option<&Place> {
        self.0.get(zone)?.as_ref()
    }
}

fn scope(zone: &str) -> String {
    match zone.strip_prefix("package") {
        Some(rest) if rest.is_empty() || rest == "-estimated" => format!("cpu{rest}"),
        _ => zone.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_the_cpu_and_an_estimate_says_so() {
        for (zone, expected) in
            [("package", "cpu"), ("package-estimated", "cpu-estimated"), ("dram", "dram"), ("packages", "packages")]
        {
            assert_eq!(scope(zone), expected);
        }
    }
}
