//! `InfluxDB`'s line protocol.

use std::fmt::Write as _;

use crate::config::PowerapiSchema;
use crate::units::{Nanoseconds, Watts};

/// What PowerAPI's older releases call measurement and field, and what its newer ones do.
const BEFORE: (&str, &str) = ("power_consumption", "power");
const SINCE: (&str, &str) = ("powerrep", "power_estimation");

/// Stands for a character that a tag cannot hold.
const STAND_IN: char = '_';

/// Writes tags, those that are empty left out: `,name=value` for each.
pub(super) fn tags<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push(',');
        out.push_str(name);
        out.push('=');
        push_value(&mut out, value);
    }
    out
}

/// A backslash is itself, but before one of the characters that it would take the meaning from, or at the end, where it
/// cannot be written. A line's end and other control characters cannot be written anywhere.
fn push_value(out: &mut String, value: &str) {
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ',' | '=' | ' ' => out.extend(['\\', letter]),
            '\\' => {
                let is_lonely = letters.peek().is_some_and(|next| !",= \\".contains(*next) && !next.is_control());
                out.push(if is_lonely { letter } else { STAND_IN });
            }
            _ => out.push(if letter.is_control() { STAND_IN } else { letter }),
        }
    }
}

/// The lines of one point: one for each of the schema's measurements.
pub(super) fn of_point(
    schema: PowerapiSchema,
    tags: &str,
    power: Watts,
    at: Nanoseconds,
) -> impl Iterator<Item = String> {
    let measurements: &[_] = match schema {
        PowerapiSchema::PowerConsumption => &[BEFORE],
        PowerapiSchema::Powerrep => &[SINCE],
        PowerapiSchema::Both => &[BEFORE, SINCE],
    };
    measurements.iter().map(move |(measurement, field)| {
        let mut line = String::with_capacity(measurement.len() + tags.len() + 64);
        // Writing to a string does not fail.
        let _ = writeln!(line, "{measurement}{tags} {field}={} {}", power.0, at.0);
        line
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads tags as the database does: a backslash takes its meaning from a comma, an equals sign or a space that
    /// follows, and whatever follows it, it is skipped while looking for the end.
    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let mut parts = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next()? {
                    special @ (',' | '=' | ' ') => parts.last_mut()?.push(special),
                    other => parts.last_mut()?.extend(['\\', other]),
                },
                ',' | '=' => parts.push(String::new()),
                ' ' | '\n' => return None,
                _ => parts.last_mut()?.push(letter),
            }
        }
        parts[1..].chunks(2).map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect()
    }

    #[test]
    fn what_can_be_written_is_as_it_was_and_the_rest_is_stood_in_for() {
        for (value, written) in [
            ("a b,c=d", r"a\ b\,c\=d"),
            (r"/system.slice/dev-disk-by\x2duuid.swap", r"/system.slice/dev-disk-by\x2duuid.swap"),
            (r#""quoted" é"#, r#""quoted"\ é"#),
            ("end\\", "end_"),
            (r"a\,b", r"a_\,b"),
            (r"a\\b", r"a_\b"),
            ("two\nlines\r", "two_lines_"),
        ] {
            assert_eq!(tags([("target", value), ("empty", "")]), format!(",target={written}"));
        }
    }

    #[test]
    fn a_point_has_a_line_for_each_measurement() {
        let both: Vec<_> = of_point(PowerapiSchema::Both, ",target=a", Watts(0.25), Nanoseconds(17)).collect();
        assert_eq!(
            both,
            ["power_consumption,target=a power=0.25 17\n", "powerrep,target=a power_estimation=0.25 17\n"]
        );
        let tiny = of_point(PowerapiSchema::Powerrep, "", Watts(1e-9), Nanoseconds(1)).next();
        assert_eq!(tiny.as_deref(), Some("powerrep power_estimation=0.000000001 1\n"), "no exponent");
    }

    proptest! {
        #[test]
        fn hostile_values_stay_values(values in prop::collection::vec(r#"[a-z,= \\"\n\r\t\x00{}é]{1,12}"#, 1..4)) {
            let pairs: Vec<_> = values.iter().map(|value| ("t", value.as_str())).collect();
            let back = read(&tags(pairs)).expect("it can be read");
            prop_assert_eq!(back.len(), values.len());
            for ((name, back), value) in back.iter().zip(&values) {
                prop_assert_eq!(name, "t");
                prop_assert_eq!(back.chars().count(), value.chars().count());
                let same = |(new, old): (char, char)| new == old || new == STAND_IN && (old == '\\' || old.is_control());
                prop_assert!(back.chars().zip(value.chars()).all(same), "{:?} became {:?}", value, back);
            }
        }
    }
}
