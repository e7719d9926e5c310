//! A factor that changes with time.

use std::time::{Duration, UNIX_EPOCH};

/// Values by the time that they begin at, each until the next one begins, and for so long at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Seconds since the Unix epoch, and the value.
    points: Vec<(f64, f64)>,
    hold: f64,
}

/// Why a text is no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASeries {
    /// A line is no time and value.
    #[error("line {0} is no time and value: write for example '2026-01-01T00:00:00Z,350' or '1767225600,350'")]
    Line(usize),
    /// A time is not after the one before.
    #[error("the time in line {0} is not after the one before: sort the lines by time, each time once")]
    OutOfOrder(usize),
    /// There is none.
    #[error("there is no value in it")]
    Empty,
}

/// What is known of the factor over a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Covered {
    /// For how many seconds of it there is a value.
    pub(super) seconds: f64,
    /// The sum of the values times their seconds.
    pub(super) sum: f64,
}

impl Series {
    /// Of lines `time,value`, in order of time; a time is in seconds since the Unix epoch or as in RFC 3339. Empty lines, those
    /// that begin with `#`, and a first one without digits at its beginning are left out. Each value holds for `hold` at most.
    ///
    /// # Errors
    /// When a line is something else; the message names it.
    pub fn parse(text: &str, hold: Duration) -> Result<Self, NotASeries> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if points.is_empty() && line.starts_with(|first: char| first.is_alphabetic()) {
                continue;
            }
            let (time, value) = line.split_once(',').and_then(point).ok_or(NotASeries::Line(number))?;
            if points.last().is_some_and(|(before, _)| time <= *before) {
                return Err(NotASeries::OutOfOrder(number));
            }
            points.push((time, value));
        }
        if points.is_empty() { Err(NotASeries::Empty) } else { Ok(Self { points, hold: hold.as_secs_f64() }) }
    }

    /// What is known between two times, in seconds since the Unix epoch.
    pub(super) fn over(&self, from: f64, to: f64) -> Covered {
        let first = self.points.partition_point(|(time, _)| *time <= from).saturating_sub(1);
        let ends = self.points[first..].iter().skip(1).map(|(time, _)| *time).chain([f64::INFINITY]);
        let mut covered = Covered::default();
        for ((time, value), end) in self.points[first..].iter().zip(ends).take_while(|((time, _), _)| *time < to) {
            let seconds = (end.min(time + self.hold).min(to) - time.max(from)).max(0.0);
            covered.seconds += seconds;
            covered.sum += value * seconds;
        }
        covered
    }
}

fn point((time, value): (&str, &str)) -> Option<(f64, f64)> {
    let (time, value) = (time.trim(), value.trim());
    let since_epoch = || {
        let at = humantime::parse_rfc3339_weak(time).ok()?;
        Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    };
    let time: f64 = time.parse().ok().or_else(since_epoch)?;
    let value: f64 = value.parse().ok()?;
    (time.is_finite() && time >= 0.0 && value.is_finite() && value >= 0.0).then_some((time, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn over(text: &str, from: f64, to: f64) -> (f64, f64) {
        let Covered { seconds, sum } = Series::parse(text, HOUR).unwrap().over(from, to);
        (seconds, sum)
    }

    #[test]
    fn a_value_holds_until_the_next_and_for_so_long_at_most() {
        let text = "time,g/kWh\n# a comment\n3600,100\n\n5400, 200\n18000,300\n";
        assert_eq!(over(text, 3_600.0, 3_610.0), (10.0, 1_000.0));
        assert_eq!(over(text, 5_390.0, 5_410.0), (20.0, 3_000.0), "from one value to the next");
        assert_eq!(over(text, 0.0, 3_610.0), (10.0, 1_000.0), "nothing is known before the first");
        assert_eq!(over(text, 8_990.0, 18_010.0), (20.0, 5_000.0), "nothing in a gap");
        assert_eq!(over(text, 21_590.0, 99_999.0), (10.0, 3_000.0), "nothing long after the last");
        assert_eq!(over("2026-01-01T00:00:00Z,350\n", 1_767_225_600.0, 1_767_225_602.0), (2.0, 700.0));
        assert_eq!(over("2026-01-01 00:00:00,350\n", 1_767_225_600.0, 1_767_225_602.0), (2.0, 700.0));
    }

    #[test]
    fn what_is_no_series_names_the_line() {
        for (text, error) in [
            ("", NotASeries::Empty),
            ("time,value\n", NotASeries::Empty),
            ("1,2\n3;4\n", NotASeries::Line(2)),
            ("1,2\nnext,3\n", NotASeries::Line(2)),
            ("1,-2\n", NotASeries::Line(1)),
            ("1,NaN\n", NotASeries::Line(1)),
            ("2,1\n\n1,1\n", NotASeries::OutOfOrder(3)),
            ("2,1\n2,1\n", NotASeries::OutOfOrder(2)),
        ] {
            assert_eq!(Series::parse(text, HOUR), Err(error), "{text:?}");
        }
    }

    proptest! {
        /// What is known of two times that follow each other is what is known of both together.
        #[test]
        fn parts_add_up(
            times in prop::collection::btree_map(0_u32..20_000, 0_u32..500, 1..20),
            mut cuts in prop::collection::vec(0.0..25_000.0_f64, 3),
        ) {
            let lines: Vec<_> = times.iter().map(|(time, value)| format!("{time},{value}")).collect();
            let series = Series::parse(&lines.join("\n"), HOUR).unwrap();
            cuts.sort_by(f64::total_cmp);
            let (one, other) = (series.over(cuts[0], cuts[1]), series.over(cuts[1], cuts[2]));
            let whole = series.over(cuts[0], cuts[2]);
            prop_assert!((one.seconds + other.seconds - whole.seconds).abs() < 1e-6);
            prop_assert!((one.sum + other.sum - whole.sum).abs() < 1e-3);
            prop_assert!(whole.seconds <= cuts[2] - cuts[0] + 1e-6);
        }
    }
}
