//! Numbers and names as they are printed.

/// A quantity in at most nine characters, with about four digits that count.
pub(super) fn quantity(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.3}"),
        medium if medium < 1_000.0 => format!("{value:.2}"),
        large if large < 1e5 => format!("{value:.1}"),
        large if large < 1e6 => format!("{:.2}k", value / 1e3),
        large if large < 1e9 => format!("{:.3}M", value / 1e6),
        _ => format!("{:.3}G", value / 1e9),
    }
}

/// A percentage; a dash where there is none yet.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.1}"))
}

/// A relative uncertainty.
pub(super) fn uncertainty(share: f64) -> String {
    format!("±{:.1} %", share * 100.0)
}

/// The name without what would move a terminal's cursor or change its colours: processes choose their names themselves.
pub(super) fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// A field of comma-separated values (RFC 4180): quoted where it has to be.
pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_fit_their_column() {
        for (value, text) in [
            (0.0, "0.000"),
            (9.876_54, "9.877"),
            (98.765, "98.77"),
            (9_876.54, "9876.5"),
            (987_654.0, "987.65k"),
            (98_765_432.0, "98.765M"),
            (9.876e11, "987.600G"),
        ] {
            assert_eq!(quantity(value), text);
            assert!(text.len() <= 9);
        }
    }

    #[test]
    fn hostile_names_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(csv_field("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(csv_field("plain"), "plain");
    }
}
