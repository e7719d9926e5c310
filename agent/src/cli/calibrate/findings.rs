//! What follows from what was measured.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::config::StaticPower;
use crate::source::{IdlePower, SourceId, Zone};
use crate::units::{RelativeUncertainty, Watts};

use super::power_log::{PowerLog, PowerLogs};

/// By how much an idle machine may differ from itself before and after the load.
const ALIKE: f64 = 0.05;

/// A step that was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// How many CPUs were kept busy.
    pub(super) cpus: usize,
    /// The part of it that counts.
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// How busy the machine was in that part, from 0 to 1, where that is known.
    pub(super) load: Option<f64>,
}

/// The result of a calibration.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub(super) steps: Vec<StepFound>,
    pub(super) zones: Vec<ZoneFound>,
    /// What should be known of it.
    pub(super) notes: Vec<String>,
    /// Where static power is kept.
    pub(super) profile: Option<String>,
    /// Where power by load was written to, for other machines.
    pub(super) power_profile: Option<String>,
}

/// How a step was.
#[derive(Debug, Serialize)]
pub(super) struct StepFound {
    /// How many CPUs were kept busy.
    pub(super) busy_cpus: usize,
    /// How long it counted.
    pub(super) seconds: f64,
    /// How busy the machine was, per cent of its CPUs.
    pub(super) load_percent: Option<f64>,
}

/// What was found of a zone by a source.
#[derive(Debug, Serialize)]
pub(super) struct ZoneFound {
    #[serde(serialize_with = "as_text")]
    pub(super) zone: Zone,
    #[serde(serialize_with = "as_text")]
    pub(super) source: SourceId,
    /// Static power.
    pub(super) static_watts: Option<Watts>,
    /// Mean power in each step, where the source has told it.
    pub(super) watts: Vec<Option<Watts>>,
    /// How far the source itself may be off.
    pub(super) uncertainty: RelativeUncertainty,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Findings {
    /// What the meters have said of these steps, of which the first and the last are idle.
    pub(super) fn new(logs: &PowerLogs, steps: &[Measured], configured: &StaticPower) -> Self {
        let mut notes = Vec::new();
        let zones = logs.iter().map(|log| zone(log, steps, &mut notes)).collect::<Vec<_>>();
        for ZoneFound { zone, .. } in &zones {
            let keys = [zone.to_string(), zone.name.to_string()];
            if let Some((key, watts)) = keys.iter().find_map(|key| Some((key, configured.get(key)?))) {
                notes.push(format!("attribution.static_power.{key} is configured ({watts}), and that wins"));
            }
        }
        notes.dedup();
        let steps = steps.iter().map(|step| StepFound {
            busy_cpus: step.cpus,
            seconds: step.to.since(step.from).seconds(),
            load_percent: step.load.map(|load| load * 100.0),
        });
        Self { steps: steps.collect(), zones, notes, profile: None, power_profile: None }
    }

    /// What is to be kept of it.
    pub(super) fn idle_powers(&self) -> impl Iterator<Item = IdlePower> {
        self.zones.iter().filter_map(|found| {
            Some(IdlePower { source: found.source.clone(), zone: found.zone.clone(), power: found.static_watts? })
        })
    }
}

fn zone(log: &PowerLog, steps: &[Measured], notes: &mut Vec<String>) -> ZoneFound {
    let watts: Vec<_> = steps.iter().map(|step| log.mean(step.from, step.to)).collect();
    let (zone, source) = (log.zone.clone(), log.source.clone());
    let ends = (watts.first().copied().flatten(), watts.last().copied().flatten());
    let static_watts = match ends {
        (Some(before), Some(after)) => {
            let lower = before.0.min(after.0);
            let differ = (before.0 - after.0).abs() > ALIKE * lower;
            if differ {
                notes.push(format!(
                    "{zone} by {source} drew {before} idle before the load and {after} after it: the lower one counts"
                ));
            }
            Some(Watts(if differ { lower } else { f64::midpoint(before.0, after.0) }))
        }
        (before, after) => before.or(after),
    };
    if watts.contains(&None) {
        notes.push(format!("{zone} by {source} was read too rarely for all steps: give a longer --step"));
    }
    ZoneFound { zone, source, static_watts, watts, uncertainty: log.uncertainty }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Measure, Provenance, Reading};
    use crate::units::Nanoseconds;

    const SECOND: u64 = Nanoseconds::SECOND.0;

    /// Three steps of two seconds, the one in the middle busy, in which a zone draws these powers.
    fn found(zone: &str, watts: [Option<f64>; 3], configured: &StaticPower) -> Findings {
        let mut logs = PowerLogs::default();
        let mut say = |second: u64, watts: f64| {
            logs.take(&Reading {
                source: SourceId("meter".into()),
                zone: zone.parse().unwrap(),
                at: Timestamp(second * SECOND),
                measure: Measure::Power(Watts(watts)),
                uncertainty: RelativeUncertainty(0.01),
                clipped: false,
                provenance: Provenance::Measured,
            });
        };
        let mut steps = Vec::new();
        for (step, watts) in (0..).zip(watts) {
            let (from, to) = (step * 3, step * 3 + 2);
            steps.push(Measured {
                cpus: usize::from(step == 1),
                from: Timestamp(from * SECOND),
                to: Timestamp(to * SECOND),
                load: None,
            });
            if let Some(watts) = watts {
                // What is said at its beginning is of the time since the step before, and does not count.
                say(from, 99.0);
                say(from + 1, watts);
                say(to, watts);
            }
        }
        Findings::new(&logs, &steps, configured)
    }

    #[test]
    fn static_power_is_the_mean_of_idle_steps_that_are_alike() {
        let found = found("node", [Some(10.0), Some(30.0), Some(10.4)], &StaticPower::new());
        assert_eq!(found.idle_powers().map(|it| it.power).collect::<Vec<_>>(), [Watts(10.2)]);
        assert_eq!(found.zones[0].watts, [Some(Watts(10.0)), Some(Watts(30.0)), Some(Watts(10.4))]);
        assert_eq!(found.notes, [""; 0]);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["zones"][0]["zone"], &json["steps"][1]["busy_cpus"]), (&"node".into(), &1.into()));
    }

    #[test]
    fn the_lower_one_counts_where_they_differ() {
        let found = found("node", [Some(10.0), Some(30.0), Some(12.0)], &StaticPower::new());
        assert_eq!(found.zones[0].static_watts, Some(Watts(10.0)));
        assert!(found.notes[0].contains("10.000 W idle before the load and 12.000 W after"), "{:?}", found.notes);
    }

    #[test]
    fn a_meter_that_is_silent_now_and_then_is_told_of() {
        let found = found("node", [None, Some(30.0), Some(12.0)], &StaticPower::new());
        assert_eq!(found.zones[0].static_watts, Some(Watts(12.0)));
        assert!(found.notes[0].contains("--step"), "{:?}", found.notes);
    }

    #[test]
    fn a_zone_that_is_configured_is_told_of() {
        let configured = StaticPower::from([("package".to_owned(), Watts(3.0))]);
        let found = found("package-1", [Some(10.0), Some(30.0), Some(10.0)], &configured);
        assert!(
            found.notes[0].starts_with("attribution.static_power.package is configured (3.000 W)"),
            "{:?}",
            found.notes
        );
    }
}
