//! What a key's value may be: the one place for types, ranges and how they are explained.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use toml::Value;

use crate::source::Zone;
use crate::source::estimate::LoadPoints;

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// Any text but the empty one.
    Text,
    /// A path.
    Path,
    /// A duration within bounds, both included.
    Duration(Duration, Duration),
    /// A whole number within bounds, both included.
    Whole(i64, i64),
    /// A number within bounds, both included.
    Number(f64, f64),
    /// A number above zero and up to a bound.
    Positive(f64),
    /// An IP address and a port.
    Address,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// The name of a zone.
    Zone,
    /// Power by load.
    LoadPoints,
}

impl Kind {
    /// Whether `value` is good; if not, what to write instead.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let good = match self {
            Self::Flag => value.is_bool(),
            Self::Text | Self::Path => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Duration(least, most) => value
                .as_str()
                .and_then(|text| humantime::parse_duration(text).ok())
                .is_some_and(|duration| (least..=most).contains(&duration)),
            Self::Whole(least, most) => value.as_integer().is_some_and(|number| (least..=most).contains(&number)),
            Self::Number(least, most) => number(value).is_some_and(|number| (least..=most).contains(&number)),
            Self::Positive(most) => number(value).is_some_and(|number| number > 0.0 && number <= most),
            Self::Address => value.as_str().is_some_and(|text| text.parse::<SocketAddr>().is_ok()),
            Self::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Zone => match value.as_str().map(str::parse::<Zone>) {
                Some(Err(error)) => return Err(error.to_string()),
                zone => zone.is_some(),
            },
            Self::LoadPoints => match value.as_str().map(str::parse::<LoadPoints>) {
                Some(Err(error)) => return Err(error.to_string()),
                points => points.is_some(),
            },
        };
        if good { Ok(()) } else { Err(self.advice(value)) }
    }

    /// The value that a text from the environment or a flag stands for.
    pub(super) fn value_of(self, text: &str) -> Value {
        let parsed = match self {
            Self::Flag => text.parse().ok().map(Value::Boolean),
            Self::Whole(..) => text.parse().ok().map(Value::Integer),
            Self::Number(..) | Self::Positive(_) => text.parse().ok().map(Value::Float),
            Self::Text
            | Self::Path
            | Self::Duration(..)
            | Self::Address
            | Self::Choice(_)
            | Self::Zone
            | Self::LoadPoints => None,
        };
        parsed.unwrap_or_else(|| Value::String(text.into()))
    }

    fn advice(self, value: &Value) -> String {
        let hint = match (self, value.as_str()) {
            (Self::Address, Some(text)) => match text.trim_start_matches(':').parse::<u16>() {
                Ok(port) => format!(", for example '127.0.0.1:{port}'"),
                Err(_) => ", for example '127.0.0.1:9190'; names are not looked up".into(),
            },
            (Self::Choice(words), Some(word)) => match nearest(word, words.iter().copied()) {
                Some(near) => format!("; did you mean '{near}'?"),
                None => String::new(),
            },
            (Self::Duration(..), _) => ", for example '100ms' or '10s'".into(),
            _ => String::new(),
        };
        format!("write {self}{hint}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => out.write_str("true or false"),
            Self::Text => out.write_str("a text"),
            Self::Path => out.write_str("a path"),
            Self::Duration(least, most) => {
                let (least, most) = (humantime::format_duration(*least), humantime::format_duration(*most));
                write!(out, "a duration from '{least}' to '{most}'")
            }
            Self::Whole(least, most) => write!(out, "a whole number from {least} to {most}"),
            Self::Number(least, most) => write!(out, "a number from {least} to {most}"),
            Self::Positive(most) => write!(out, "a number above 0 and up to {most}"),
            Self::Address => out.write_str("an IP address and a port"),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
                write!(out, "one of {}", words.join(", "))
            }
            Self::Zone => out.write_str("the name of a zone"),
            Self::LoadPoints => out.write_str("loads in % and watts, as '0:33.6 50:210 100:285.6'"),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// The known word that `word` was most likely meant to be; `None` where nothing comes near.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.7;
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_included_and_nonsense_is_outside() {
        let window = Kind::Duration(Duration::from_millis(1), Duration::from_secs(10));
        for (text, good) in [("1ms", true), ("10s", true), ("999us", false), ("11s", false), ("soon", false)] {
            assert_eq!(window.check(&Value::String(text.into())).is_ok(), good, "{text}");
        }
        for (volts, good) in [(5.0, true), (60.0, true), (0.0, false), (60.1, false), (f64::NAN, false)] {
            assert_eq!(Kind::Positive(60.0).check(&Value::Float(volts)).is_ok(), good, "{volts}");
        }
        assert!(Kind::Positive(60.0).check(&Value::Integer(5)).is_ok());
        assert!(Kind::Whole(1, 255).check(&Value::Integer(256)).is_err());
    }

    #[test]
    fn advice_names_what_would_have_been_good() {
        let advice = |kind: Kind, text: &str| kind.check(&Value::String(text.into())).unwrap_err();
        assert_eq!(advice(Kind::Address, ":9190"), "write an IP address and a port, for example '127.0.0.1:9190'");
        assert!(advice(Kind::Address, "localhost:9190").ends_with("names are not looked up"));
        assert_eq!(
            advice(Kind::Choice(&["separate", "equal"]), "seperate"),
            "write one of 'separate', 'equal'; did you mean 'separate'?"
        );
    }

    #[test]
    fn a_text_becomes_the_value_that_its_key_takes() {
        assert_eq!(Kind::Flag.value_of("true"), Value::Boolean(true));
        assert_eq!(Kind::Whole(0, 9).value_of("7"), Value::Integer(7));
        assert_eq!(Kind::Positive(9.0).value_of("7"), Value::Float(7.0));
        assert_eq!(Kind::Text.value_of("7"), Value::String("7".into()));
        assert!(Kind::Flag.check(&Kind::Flag.value_of("yes")).is_err());
    }
}
