//! Which zones can be shown. Zones of the same name on several sockets do not overlap and are shown as one.

use prony_proto::energy::v1 as pb;

/// Zones that are added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZoneGroup {
    /// What it is called: the zones' name, with the source where several sources have that name.
    pub(super) label: String,
    /// Indices of its zones.
    pub(super) members: Vec<usize>,
}

/// The groups, in the order of their first zones.
pub(super) fn groups(zones: &[pb::Zone]) -> Vec<ZoneGroup> {
    let mut groups: Vec<(&str, &str, Vec<usize>)> = Vec::new();
    for (index, zone) in zones.iter().enumerate() {
        match groups.iter_mut().find(|(name, source, _)| (*name, *source) == (&zone.name, &zone.source)) {
            Some((_, _, members)) => members.push(index),
            None => groups.push((&zone.name, &zone.source, vec![index])),
        }
    }
    let is_ambiguous = |name: &str| groups.iter().filter(|(other, _, _)| *other == name).count() > 1;
    let label = |name: &str, source: &str| {
        if is_ambiguous(name) { format!("{name} ({source})") } else { name.to_owned() }
    };
    groups
        .iter()
        .map(|(name, source, members)| ZoneGroup { label: label(name, source), members: members.clone() })
        .collect()
}

/// Where to begin: the widest zone that is known.
pub(super) fn default_group(groups: &[ZoneGroup]) -> usize {
    let place = |name: &str| groups.iter().position(|group| group.label.split(' ').next() == Some(name));
    ["node", "psys", "package"].into_iter().find_map(place).unwrap_or(0)
}

/// The name of one zone, with its socket.
pub(super) fn zone_label(zone: &pb::Zone) -> String {
    match zone.socket {
        Some(socket) => format!("{}-{socket}", zone.name),
        None => zone.name.clone(),
    }
}

/// The word for where a zone's figures come from.
pub(super) fn provenance_label(zone: &pb::Zone) -> &'static str {
    match zone.provenance() {
        pb::Provenance::Measured => "measured",
        pb::Provenance::Fused => "fused",
        pb::Provenance::Estimated => "estimated",
        pb::Provenance::Unspecified => "unknown",
    }
}
