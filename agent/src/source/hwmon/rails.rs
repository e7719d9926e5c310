//! Which zone each channel measures.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::HwmonRail;
use crate::notice::Notice;
use crate::source::{Zone, ZoneName};

use super::discover::{Channel, Chip};

/// The zone word that drops a channel.
const IGNORE: &str = "ignore";

static RAIL_TAKEN: Notice = Notice::new("hwmon_rail_taken");
static RAIL_MISSING: Notice = Notice::new("hwmon_rail_missing");

/// A channel with its zone.
#[derive(Clone, Debug)]
pub(super) struct Assigned<'a> {
    pub(super) zone: Zone,
    pub(super) chip: &'a Chip,
    pub(super) channel: &'a Channel,
}

/// Gives every channel its zone: the configured one, or a rail under `chip:channel`. Where several chips have the same
/// name it is `chip@device:channel`, which the configuration may also use. No zone is given twice.
pub(super) fn assign<'a>(chips: &'a [Chip], rails: &[HwmonRail]) -> Vec<Assigned<'a>> {
    let mut chips_of_name: BTreeMap<&str, u32> = BTreeMap::new();
    for chip in chips {
        *chips_of_name.entry(&chip.name).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut assigned = Vec::new();
    let mut used = BTreeSet::new();
    for chip in chips {
        let full_name = format!("{}@{}", chip.name, chip.device);
        let name = if chips_of_name[chip.name.as_str()] > 1 { &full_name } else { &chip.name };
        for channel in &chip.channels {
            let rail = rails.iter().position(|rail| {
                let of_chip = rail.chip == chip.name || rail.chip == full_name;
                of_chip && (Some(&rail.channel) == channel.label.as_ref() || rail.channel == channel.number.to_string())
            });
            used.extend(rail);
            let zone = match rail.map(|rail| rails[rail].zone.as_str()) {
                Some(IGNORE) => continue,
                None if is_one_core(chip, channel) => continue,
                Some(zone) => Some(Zone::from_config(zone)),
                None => None,
            };
            let zone = zone.filter(|zone| {
                let free = !taken.contains(zone);
                if !free {
                    RAIL_TAKEN.warn(format_args!(
                        "two hwmon channels are configured as zone {zone}; channel {} of {full_name} is left under its \
                         own name: name the chip as 'chip@device' in [[source.hwmon.rail]], or map the other channel \
                         to 'ignore'",
                        channel.name()
                    ));
                }
                free
            });
            let zone = zone.unwrap_or_else(|| own_zone(name, channel, &taken));
            taken.insert(zone.clone());
            assigned.push(Assigned { zone, chip, channel });
        }
    }
    for (index, rail) in rails.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
        RAIL_MISSING.warn(format_args!(
            "[[source.hwmon.rail]] number {}: there is no channel '{}' of a chip '{}' now; there are: {}",
            index + 1,
            rail.channel,
            rail.chip,
            list(chips)
        ));
    }
    assigned
}

/// `amd_energy` counts every core for itself, up to hundreds of them: too many to be rails by default.
fn is_one_core(chip: &Chip, channel: &Channel) -> bool {
    chip.name == "amd_energy" && channel.label.as_ref().is_some_and(|label| label.starts_with("Ecore"))
}

fn own_zone(chip: &str, channel: &Channel, taken: &BTreeSet<Zone>) -> Zone {
    let rail = |name: String| Zone { name: ZoneName::Rail(name.into()), socket: None };
    let zone = rail(format!("{chip}:{}", channel.name()));
    if taken.contains(&zone) { rail(format!("{chip}:{}#{}", channel.name(), channel.number)) } else { zone }
}

fn list(chips: &[Chip]) -> String {
    let names = chips
        .iter()
        .flat_map(|chip| chip.channels.iter().map(move |channel| format!("'{}' of '{}'", channel.name(), chip.name)));
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
