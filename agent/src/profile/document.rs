//! The profile as JSON.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::source::{IdlePower, SourceId, Zone};
use crate::units::Watts;

use super::learned::Profile;

/// The version of the form below. Another number stands for another form.
const VERSION: u32 = 1;

/// What every version has.
#[derive(Debug, Deserialize)]
struct Head {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    static_power: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    zone: String,
    source: String,
    watts: Watts,
    learned_at: UnixSeconds,
}

/// Why a text is no profile.
#[derive(Debug, thiserror::Error)]
pub enum NotAProfile {
    /// It is not of this form.
    #[error("it is damaged ({0})")]
    Damaged(String),
    /// It is of a form that this version does not know.
    #[error("its version is {0}, and this prony knows version {VERSION} only")]
    Version(u32),
}

impl Profile {
    /// The text of its file.
    pub fn to_json(&self) -> String {
        let static_power = self.entries().map(|it| Entry {
            zone: it.idle.zone.to_string(),
            source: it.idle.source.to_string(),
            watts: it.idle.power,
            learned_at: it.at,
        });
        let document = Document { version: VERSION, static_power: static_power.collect() };
        // Nothing in it can fail to be JSON: serde_json writes even a number that is none, as null.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// What such a text says.
    ///
    /// # Errors
    /// When it is no JSON, of another form or version, or has negative powers.
    pub fn from_json(text: &str) -> Result<Self, NotAProfile> {
        let damaged = |error: serde_json::Error| NotAProfile::Damaged(error.to_string());
        let Head { version } = serde_json::from_str(text).map_err(damaged)?;
        if version != VERSION {
            return Err(NotAProfile::Version(version));
        }
        let Document { static_power, .. } = serde_json::from_str(text).map_err(damaged)?;
        let mut profile = Self::default();
        for Entry { zone, source, watts, learned_at } in static_power {
            if watts.0 < 0.0 {
                return Err(NotAProfile::Damaged(format!("the static power of {zone} is {watts}")));
            }
            let (zone, source) = (Zone::from_config(&zone), SourceId(source.into()));
            profile.put(IdlePower { source, zone, power: watts }, learned_at);
        }
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Profile {
        let mut profile = Profile::default();
        let figures =
            [("package-0", "rapl-perf", 8.25), ("node", "esp32:192.0.2.10:30000/2", 31.5), ("VDD", "hwmon", 0.0)];
        for (at, (zone, source, watts)) in (1_767_225_600..).zip(figures) {
            let idle = IdlePower { source: SourceId(source.into()), zone: zone.parse().unwrap(), power: Watts(watts) };
            profile.put(idle, UnixSeconds(at));
        }
        profile
    }

    #[test]
    fn what_is_written_is_read_again() {
        for profile in [Profile::default(), sample()] {
            assert_eq!(Profile::from_json(&profile.to_json()).unwrap(), profile);
        }
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let text = r#"{"version": 1, "static_power": [
            {"zone": "node", "source": "meter:rack-3/1", "watts": 31.5, "learned_at": 1767225600}]}"#;
        let profile = Profile::from_json(text).unwrap();
        let [learned] = &profile.0[..] else { panic!("one figure") };
        assert_eq!((learned.idle.power, learned.at), (Watts(31.5), UnixSeconds(1_767_225_600)));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        let whole = sample().to_json();
        let cut = &whole[..whole.len() / 2];
        let negative = whole.replace("8.25", "-8.25");
        let null = whole.replace("8.25", "null");
        for text in ["", "[]", "{}", "{\"version\": 1}", cut, &negative, &null] {
            assert!(matches!(Profile::from_json(text), Err(NotAProfile::Damaged(_))), "{text}");
        }
        let newer = whole.replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(Profile::from_json(&newer), Err(NotAProfile::Version(2))));
    }
}
