//! The profile itself.

use crate::clock::UnixSeconds;
use crate::source::{IdlePower, SourceId, Zone};
use crate::units::Watts;

/// Changes by less than this part are not worth a write.
const WORTH_KEEPING: f64 = 0.01;

/// A zone's static power as a source shows it, and when it was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Of what, by whom, and how much.
    pub idle: IdlePower,
    /// When.
    pub at: UnixSeconds,
}

/// What is known of the static power of this machine's zones: one figure for each zone and source, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile(pub(super) Vec<Learned>);

impl Profile {
    /// What is known of a zone by a source.
    pub fn static_power(&self, zone: &Zone, source: &SourceId) -> Option<Watts> {
        self.entries().find(|it| it.idle.zone == *zone && it.idle.source == *source).map(|it| it.idle.power)
    }

    /// All that is known.
    pub fn entries(&self) -> impl Iterator<Item = &Learned> {
        self.0.iter()
    }

    /// Takes what was measured at `at`, in the place of what was known of that zone and source.
    pub fn put(&mut self, idle: IdlePower, at: UnixSeconds) {
        let place = self.0.binary_search_by(|it| (&it.idle.zone, &it.idle.source).cmp(&(&idle.zone, &idle.source)));
        let learned = Learned { idle, at };
        match place {
            Ok(place) => self.0[place] = learned,
            Err(place) => self.0.insert(place, learned),
        }
    }

    /// Takes what is learned as of `at` where it differs from what was known by more than one per cent.
    pub fn follow(&mut self, learned: impl Iterator<Item = IdlePower>, at: UnixSeconds) {
        for idle in learned {
            let known = self.static_power(&idle.zone, &idle.source);
            if known.is_none_or(|known| (idle.power.0 - known.0).abs() > WORTH_KEEPING * known.0) {
                self.put(idle, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(zone: &str, source: &str, watts: f64) -> IdlePower {
        IdlePower { source: SourceId(source.into()), zone: zone.parse().unwrap(), power: Watts(watts) }
    }

    fn figures(profile: &Profile) -> Vec<(String, f64, u64)> {
        profile.entries().map(|it| (it.idle.zone.to_string(), it.idle.power.0, it.at.0)).collect()
    }

    #[test]
    fn each_zone_and_source_has_one_figure() {
        let mut profile = Profile::default();
        for (zone, source, watts) in [("node", "b", 3.0), ("package-0", "a", 1.0), ("node", "a", 2.0)] {
            profile.put(idle(zone, source, watts), UnixSeconds(1));
        }
        profile.put(idle("node", "b", 4.0), UnixSeconds(2));
        let zone = "node".parse().unwrap();
        assert_eq!(profile.static_power(&zone, &SourceId("a".into())), Some(Watts(2.0)));
        assert_eq!(profile.static_power(&zone, &SourceId("b".into())), Some(Watts(4.0)));
        assert_eq!(profile.static_power(&zone, &SourceId("c".into())), None);
        assert_eq!(profile.entries().count(), 3);
    }

    #[test]
    fn what_hardly_changes_is_left_as_it_was() {
        let mut profile = Profile::default();
        profile.follow([idle("node", "a", 10.0), idle("psys", "a", 0.0)].into_iter(), UnixSeconds(1));
        profile.follow([idle("node", "a", 10.09), idle("psys", "a", 0.0)].into_iter(), UnixSeconds(2));
        assert_eq!(figures(&profile), [("psys".into(), 0.0, 1), ("node".into(), 10.0, 1)]);
        profile.follow([idle("node", "a", 9.8)].into_iter(), UnixSeconds(3));
        assert_eq!(figures(&profile), [("psys".into(), 0.0, 1), ("node".into(), 9.8, 3)]);
    }
}
