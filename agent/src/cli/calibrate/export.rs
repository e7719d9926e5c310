//! What the machine draws by its load, for others of its kind.

use crate::clock::UnixSeconds;
use crate::source::estimate::{LoadPoints, PowerCurve, PowerProfile, ZonePower};
use crate::units::RelativeUncertainty;

use super::findings::{Findings, StepFound, ZoneFound};

/// How far another kind of work may draw more or less than the load that was measured, and another machine of the same kind than
/// this one, as parts of it: assumptions of ours.
const OTHER_WORK: f64 = 0.20;
const OTHER_MACHINE: f64 = 0.05;

/// A profile that begins above the first of these loads, or ends below the second, says little of others, per cent.
const LOW: f64 = 15.0;
const HIGH: f64 = 85.0;

/// The profile of the machine that is called `subject` and has so many CPUs. Where several meters measure a zone, the surest
/// counts. `None` where none has told of power at two loads.
pub(super) fn power_profile(
    found: &Findings,
    subject: String,
    cpus: usize,
    made_at: UnixSeconds,
) -> Option<PowerProfile> {
    let mut meters: Vec<&ZoneFound> = found.zones.iter().collect();
    let surer = |one: &ZoneFound, other: &ZoneFound| one.uncertainty.0.total_cmp(&other.uncertainty.0);
    meters.sort_by(|one, other| one.zone.cmp(&other.zone).then_with(|| surer(one, other)));
    meters.dedup_by(|later, earlier| later.zone == earlier.zone);
    let zones: Vec<_> = meters.iter().filter_map(|meter| zone_power(meter, &found.steps)).collect();
    let mut sources: Vec<_> = meters.iter().map(|meter| meter.source.to_string()).collect();
    sources.sort();
    sources.dedup();
    let origin = format!("measured there by {}", sources.join(", "));
    let warnings = narrow(&found.steps).into_iter().collect();
    (!zones.is_empty()).then_some(PowerProfile { subject, origin, made_at, cpus, warnings, zones })
}

/// What is to be said where others kept the machine busy, or not all CPUs could be.
fn narrow(steps: &[StepFound]) -> Option<String> {
    let loads = || steps.iter().filter_map(|step| step.load_percent);
    let (least, most) = (loads().reduce(f64::min)?, loads().reduce(f64::max)?);
    (least > LOW || most < HIGH).then(|| {
        format!("only loads from {least:.0} to {most:.0} % were measured: power at others is only a guess from these")
    })
}

fn zone_power(meter: &ZoneFound, steps: &[StepFound]) -> Option<ZonePower> {
    let told = steps.iter().zip(&meter.watts);
    let told: Vec<_> = told.filter_map(|(step, watts)| Some((step.load_percent?, (*watts)?.0))).collect();
    if told.len() < 2 {
        return None;
    }
    let points = LoadPoints::of_measured(told.clone())?;
    let curve = PowerCurve::Points(points);
    let squares = told.iter().map(|(load, watts)| (curve.at(*load).0 - watts).powi(2)).sum::<f64>();
    let mean = told.iter().map(|(_, watts)| watts).sum::<f64>() / told.len() as f64;
    let scatter = if mean > 0.0 { (squares / told.len() as f64).sqrt() / mean } else { 0.0 };
    let parts = [meter.uncertainty.0, scatter, OTHER_WORK, OTHER_MACHINE];
    let uncertainty = RelativeUncertainty(parts.iter().map(|part| part.powi(2)).sum::<f64>().sqrt().min(1.0));
    Some(ZonePower { zone: meter.zone.clone(), threads: None, curve, uncertainty }.rounded())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;
    use crate::units::Watts;

    fn steps() -> Vec<StepFound> {
        [1.0, 50.0, 99.0, 1.0].map(|load| StepFound { busy_cpus: 0, seconds: 7.5, load_percent: Some(load) }).into()
    }

    fn meter(zone: &str, source: &str, watts: [Option<f64>; 4], uncertainty: f64) -> ZoneFound {
        ZoneFound {
            zone: zone.parse().unwrap(),
            source: SourceId(source.into()),
            static_watts: None,
            watts: watts.map(|watts| watts.map(Watts)).into(),
            uncertainty: RelativeUncertainty(uncertainty),
        }
    }

    #[test]
    fn a_machine_that_was_never_idle_is_told_of() {
        let told = |loads: [f64; 2]| {
            narrow(&loads.map(|load| StepFound { busy_cpus: 0, seconds: 1.0, load_percent: Some(load) }))
        };
        assert_eq!(told([2.0, 99.0]), None);
        assert!(told([40.0, 99.0]).unwrap().contains("from 40 to 99 %"));
        assert!(told([2.0, 50.0]).is_some());
    }

    fn profile(zones: Vec<ZoneFound>) -> Option<PowerProfile> {
        let found = Findings { steps: steps(), zones, notes: Vec::new(), profile: None, power_profile: None };
        power_profile(&found, "node-7".into(), 16, UnixSeconds(7))
    }

    #[test]
    fn the_surest_meter_of_each_zone_tells() {
        let measured = [Some(10.0), Some(35.0), Some(60.0), Some(10.0)];
        let exported = profile(vec![
            meter("package-0", "rapl-perf", measured, 0.02),
            meter("node", "rough", [Some(1.0); 4], 0.3),
            meter("node", "exact", measured, 0.01),
        ])
        .unwrap();
        assert_eq!(exported.zones.iter().map(|it| it.zone.to_string()).collect::<Vec<_>>(), ["package-0", "node"]);
        assert_eq!(exported.origin, "measured there by exact, rapl-perf");
        for (load, watts) in [(0.0, 10.0), (50.0, 35.0), (99.0, 60.0)] {
            assert!((exported.zones[1].curve.at(load).0 - watts).abs() < 1e-5, "{load}");
        }
        assert!((exported.zones[1].uncertainty.0 - 0.2064).abs() < 1e-3, "{:?}", exported.zones[1].uncertainty);
        assert_eq!(PowerProfile::from_json(&exported.to_json()).unwrap(), exported);
    }

    #[test]
    fn what_scatters_is_less_sure_and_what_is_silent_is_left_out() {
        let scattered = [Some(10.0), Some(35.0), Some(60.0), Some(40.0)];
        let exported = profile(vec![
            meter("node", "meter", scattered, 0.01),
            meter("psys", "silent", [None, None, Some(5.0), None], 0.01),
        ])
        .unwrap();
        let [node] = &exported.zones[..] else { panic!("one zone") };
        assert!(node.uncertainty.0 > 0.3, "{:?}", node.uncertainty);
        assert_eq!(profile(vec![meter("node", "silent", [None; 4], 0.01)]), None);
    }
}
