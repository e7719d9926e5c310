//! A power profile as JSON.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::units::RelativeUncertainty;

use super::load_points::LoadPoints;
use super::log_curve::LogCurve;
use super::power_curve::PowerCurve;
use super::power_profile::PowerProfile;
use super::zone_power::ZonePower;

/// What tells the form below from others, and its version. Another number stands for another form.
const FORMAT: &str = "prony-power-profile";
const VERSION: u32 = 1;

/// What every version has.
#[derive(Debug, Deserialize)]
struct Head {
    format: Option<String>,
    version: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    subject: String,
    origin: String,
    made_at: UnixSeconds,
    cpus: usize,
    #[serde(default)]
    warnings: Vec<String>,
    zones: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    zone: String,
    /// One sigma, as a fraction.
    uncertainty: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<LogCurve>,
    /// Load in per cent and power in watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<(f64, f64)>>,
}

/// Why a text is no power profile.
#[derive(Debug, thiserror::Error)]
pub enum NotAPowerProfile {
    /// It is no JSON, or of another form.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// It is something else.
    #[error("it is no power profile: its 'format' is not '{FORMAT}'")]
    Other,
    /// It is of a form that this version does not know.
    #[error("its version is {0}, and this prony knows version {VERSION} only")]
    Version(u32),
    /// A zone's power makes no sense.
    #[error("zone {zone}: {problem}")]
    Zone {
        /// As it is written.
        zone: String,
        /// What is wrong.
        problem: String,
    },
}

impl PowerProfile {
    /// The text of its file.
    pub fn to_json(&self) -> String {
        let entry = |power: &ZonePower| {
            let (curve, points) = match &power.curve {
                PowerCurve::Logarithm(curve) => (Some(*curve), None),
                PowerCurve::Points(points) => (None, Some(points.points().to_vec())),
            };
            let zone = power.zone.to_string();
            Entry { zone, uncertainty: power.uncertainty.0, threads: power.threads, curve, points }
        };
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            subject: self.subject.clone(),
            origin: self.origin.clone(),
            made_at: self.made_at,
            cpus: self.cpus,
            warnings: self.warnings.clone(),
            zones: self.zones.iter().map(entry).collect(),
        };
        // Nothing in it can fail to be JSON: serde_json writes even a number that is none, as null.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// What such a text says.
    ///
    /// # Errors
    /// When it is no JSON, of another form or version, or says of a zone what cannot be.
    pub fn from_json(text: &str) -> Result<Self, NotAPowerProfile> {
        let damaged = |error: serde_json::Error| NotAPowerProfile::Damaged(error.to_string());
        let Head { format, version } = serde_json::from_str(text).map_err(damaged)?;
        if format.as_deref() != Some(FORMAT) {
            return Err(NotAPowerProfile::Other);
        }
        match version {
            Some(VERSION) => {}
            Some(other) => return Err(NotAPowerProfile::Version(other)),
            None => return Err(NotAPowerProfile::Damaged("it has no version".into())),
        }
        let Document { subject, origin, made_at, cpus, warnings, zones, .. } =
            serde_json::from_str(text).map_err(damaged)?;
        let zones = zones.into_iter().map(power).collect::<Result<Vec<_>, _>>()?;
        if zones.is_empty() {
            return Err(NotAPowerProfile::Damaged("it has no zones".into()));
        }
        let profile = Self { subject, origin, made_at, cpus, warnings, zones };
        match profile.twice() {
            Some(twice) => Err(wrong(&twice.zone, "is there twice")),
            None => Ok(profile),
        }
    }
}

fn wrong(zone: &impl ToString, problem: impl Into<String>) -> NotAPowerProfile {
    NotAPowerProfile::Zone { zone: zone.to_string(), problem: problem.into() }
}

fn power(Entry { zone: name, uncertainty, threads, curve, points }: Entry) -> Result<ZonePower, NotAPowerProfile> {
    let zone = ZonePower::zone_of(&name).map_err(|error| wrong(&name, error.to_string()))?;
    if !(0.0..=1.0).contains(&uncertainty) {
        return Err(wrong(&name, format!("its uncertainty is {uncertainty}: write a fraction from 0 to 1")));
    }
    if threads == Some(0) {
        return Err(wrong(&name, "it is of 0 threads: write how many hardware threads its power is of"));
    }
    let curve = match (curve, points) {
        (Some(curve), None) if curve.is_good() => PowerCurve::Logarithm(curve),
        (Some(_), None) => return Err(wrong(&name, "its curve falls, or is no power at every load")),
        (None, Some(points)) => {
            PowerCurve::Points(LoadPoints::new(points).map_err(|error| wrong(&name, error.to_string()))?)
        }
        _ => return Err(wrong(&name, "it needs either a 'curve' or 'points'")),
    };
    Ok(ZonePower { zone, threads, curve, uncertainty: RelativeUncertainty(uncertainty) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PowerProfile {
        let power = |zone: &str, curve| ZonePower {
            zone: ZonePower::zone_of(zone).unwrap(),
            threads: (zone == "package").then_some(16),
            curve,
            uncertainty: RelativeUncertainty(0.25),
        };
        PowerProfile {
            subject: "aws m7a.4xlarge".into(),
            origin: "a test".into(),
            made_at: UnixSeconds(1_767_225_600),
            cpus: 16,
            warnings: vec!["a warning".into()],
            zones: vec![
                power("package", PowerCurve::Logarithm(LogCurve { a: 20.0, b: 0.05, c: 20.5, d: 0.5 })),
                power("dram-0", PowerCurve::Points("0:18 100:18".parse().unwrap())),
                power("node", PowerCurve::Points("0:30 100:90".parse().unwrap())),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(PowerProfile::from_json(&sample().to_json()).unwrap(), sample());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        sample().write(&path).unwrap();
        assert_eq!(PowerProfile::read(&path).unwrap(), sample());
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let text = r#"{"format": "prony-power-profile", "version": 1, "subject": "rack 3", "origin": "by hand",
            "made_at": 1767225600, "cpus": 8,
            "zones": [{"zone": "node", "uncertainty": 0.1, "points": [[0, 31.5], [50, 60], [100, 71]]}]}"#;
        let profile = PowerProfile::from_json(text).unwrap();
        let [node] = &profile.zones[..] else { panic!("one zone") };
        assert!((node.curve.at(25.0).0 - 45.75).abs() < 1e-9);
        assert_eq!((node.zone.to_string(), node.threads), ("node".to_owned(), None));
    }

    #[test]
    fn what_is_no_power_profile_is_refused_and_says_why() {
        let whole = sample().to_json();
        let changed = |from: &str, to: &str| {
            assert!(whole.contains(from), "{from}");
            whole.replace(from, to)
        };
        for (text, part) in [
            (String::new(), "damaged"),
            (whole[..whole.len() / 2].to_owned(), "damaged"),
            ("{}".to_owned(), "'format' is not 'prony-power-profile'"),
            (r#"{"version": 1, "static_power": []}"#.to_owned(), "'format' is not"),
            (changed("\"version\": 1", "\"version\": 2"), "version is 2"),
            (changed("\"dram-0\"", "\"node\""), "zone node: is there twice"),
            (changed("\"dram-0\"", "\"package-0\""), "zone package-0: is there twice"),
            (changed("\"node\"", "\"rest\""), "zone rest:"),
            (changed("0.25", "2.5"), "fraction from 0 to 1"),
            (changed("\"threads\": 16", "\"threads\": 0"), "0 threads"),
            (changed("\"a\": 20.0", "\"a\": -20.0"), "curve falls"),
            (changed("90.0", "9.0"), "power at 100 % is lower"),
            (changed("\"points\"", "\"curves\""), "damaged"),
        ] {
            let error = PowerProfile::from_json(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
