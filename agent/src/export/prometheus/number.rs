//! Numbers as decimal text, without going through floating point where the value is an integer of a smaller unit.

/// The decimal digits of an integer, for values and for labels that are numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    text: [u8; 20],
    start: usize,
}

impl Digits {
    pub(super) fn of(mut value: u64) -> Self {
        let mut digits = Self { text: [b'0'; 20], start: 20 };
        loop {
            digits.start -= 1;
            digits.text[digits.start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return digits;
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.start..]).unwrap_or_default()
    }
}

/// Appends `value` / 10^`places` exactly: no more decimals than it has, and none for a whole number. `places` is at
/// most 19.
pub(super) fn push_scaled(out: &mut String, value: u64, places: u32) {
    let scale = 10_u64.pow(places);
    out.push_str(Digits::of(value / scale).as_str());
    let fraction = value % scale;
    if fraction != 0 {
        // A leading 1 keeps the zeros behind the point; it is cut off again.
        let digits = Digits::of(scale + fraction);
        out.push('.');
        out.push_str(digits.as_str()[1..].trim_end_matches('0'));
    }
}

/// Appends `value` to the nearest millionth; what is not finite or too large for that as the formats spell it.
pub(super) fn push_millionths(out: &mut String, value: f64) {
    let millionths = (value.abs() * 1e6).round();
    if millionths < 1e18 {
        if value < 0.0 && millionths > 0.0 {
            out.push('-');
        }
        push_scaled(out, millionths as u64, 6);
    } else {
        push_float(out, value);
    }
}

/// Appends `value` so that reading it back gives the same.
pub(super) fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        out.push_str(&value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(value: u64, places: u32) -> String {
        let mut text = String::new();
        push_scaled(&mut text, value, places);
        text
    }

    fn millionths(value: f64) -> String {
        let mut text = String::new();
        push_millionths(&mut text, value);
        text
    }

    /// Reads a decimal back into units of 10^-places, with integers only.
    fn read_back(text: &str, places: usize) -> u128 {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<places$}").parse().unwrap()
    }

    #[test]
    fn joules_look_as_people_write_them() {
        for (microjoules, text) in [
            (0, "0"),
            (1, "0.000001"),
            (10, "0.00001"),
            (12_345_678, "12.345678"),
            (12_000_000, "12"),
            (12_500_000, "12.5"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(scaled(microjoules, 6), text);
        }
    }

    #[test]
    fn watts_are_rounded_to_microwatts_and_oddities_are_spelled_out() {
        for (watts, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (-1.5, "-1.5"),
            (-1e-9, "0"),
            (95.123_456_7, "95.123457"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(millionths(watts), text);
        }
        assert_eq!(millionths(1e300).parse::<f64>().unwrap().to_bits(), 1e300_f64.to_bits());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_at_any_scale(value: u64) {
            prop_assert_eq!(read_back(&scaled(value, 6), 6), u128::from(value));
            prop_assert_eq!(read_back(&scaled(value, 9), 9), u128::from(value));
            prop_assert_eq!(scaled(value, 0), value.to_string());
        }
    }
}
