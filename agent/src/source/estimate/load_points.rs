//! Power at several loads, and between them.

use std::fmt;
use std::str::FromStr;

use crate::units::Watts;

use super::zone_power::millionths;

/// No machine draws more.
const MOST_WATTS: f64 = 100_000.0;

/// Power at loads from 0 to 100 %. Between two of them it follows a straight line, so that more load never means less power.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPoints(Vec<(f64, f64)>);

/// Why points are no table of power by load.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotLoadPoints {
    /// A part of a text is no point.
    #[error("'{0}' is no load and power: write points as '0:33.6 10:89.6 50:210 100:285.6', per cent and watts")]
    NotAPoint(String),
    /// There is none at one of the ends.
    #[error("there is no power at {0} %: add the point")]
    EndMissing(f64),
    /// The loads are not in order.
    #[error("a load of {1} % follows one of {0} %: write the loads in order, each once")]
    OutOfOrder(f64, f64),
    /// Power falls.
    #[error("the power at {0} % is lower than before: power has to rise with the load, or to stay the same")]
    Falls(f64),
    /// A power is none.
    #[error("{0} W is no power: write a number from 0 to 100000")]
    NotAPower(f64),
}

impl LoadPoints {
    /// Of points of load (per cent) and power (watts): in order, from 0 to 100 %, with power that does not fall.
    ///
    /// # Errors
    /// When they are not like that; the message says what to mend.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self, NotLoadPoints> {
        if let Some((_, watts)) = points.iter().find(|(_, watts)| !(0.0..=MOST_WATTS).contains(watts)) {
            return Err(NotLoadPoints::NotAPower(*watts));
        }
        for pair in points.windows(2) {
            let [(before, low), (load, high)] = [pair[0], pair[1]];
            if load.partial_cmp(&before) != Some(std::cmp::Ordering::Greater) {
                return Err(NotLoadPoints::OutOfOrder(before, load));
            }
            if high < low {
                return Err(NotLoadPoints::Falls(load));
            }
        }
        let at = |end: f64, point: Option<&(f64, f64)>| point.is_some_and(|(load, _)| same(*load, end));
        for (end, point) in [(0.0, points.first()), (100.0, points.last())] {
            if !at(end, point) {
                return Err(NotLoadPoints::EndMissing(end));
            }
        }
        Ok(Self(points))
    }

    /// The same power at every load.
    pub(super) fn constant(Watts(watts): Watts) -> Self {
        Self(vec![(0.0, watts), (100.0, watts)])
    }

    /// Of points that were measured, in any order and with noise: loads that are the same are averaged, those whose power is
    /// lower than that of less load are levelled with it (the least squares fit that does not fall), and the ends are reached
    /// by going on straight above and level below. `None` for none.
    pub fn of_measured(mut points: Vec<(f64, f64)>) -> Option<Self> {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut levels: Vec<Level> = Vec::new();
        for (load, watts) in points {
            match levels.last_mut() {
                Some(last) if last.loads.last().is_some_and(|before| same(*before, load)) => last.add(watts),
                _ => levels.push(Level { loads: vec![load], watts, count: 1.0 }),
            }
            while let [.., lower, upper] = &levels[..]
                && upper.watts < lower.watts
            {
                let joined = lower.join(upper);
                levels.truncate(levels.len() - 2);
                levels.push(joined);
            }
        }
        let mut points: Vec<_> =
            levels.into_iter().flat_map(|level| level.loads.into_iter().map(move |load| (load, level.watts))).collect();
        let first = *points.first()?;
        if !same(first.0, 0.0) {
            points.insert(0, (0.0, first.1));
        }
        let last = points[points.len() - 1];
        if !same(last.0, 100.0) {
            let before = points[points.len() - 2];
            let slope = (last.1 - before.1) / (last.0 - before.0);
            points.push((100.0, last.1 + slope * (100.0 - last.0)));
        }
        Self::new(points).ok()
    }

    /// Power at a load in per cent.
    pub(super) fn at(&self, load: f64) -> Watts {
        let load = load.clamp(0.0, 100.0);
        let Self(points) = self;
        let segment = points.windows(2).find(|pair| load <= pair[1].0).unwrap_or(&points[points.len() - 2..]);
        let [(from, low), (to, high)] = [segment[0], segment[1]];
        Watts(low + (high - low) * (load - from) / (to - from))
    }

    /// The same with every number to a millionth.
    pub(super) fn rounded(self) -> Self {
        Self(self.0.into_iter().map(|(load, watts)| (millionths(load), millionths(watts))).collect())
    }

    /// Load and power of each point.
    pub(super) fn points(&self) -> &[(f64, f64)] {
        &self.0
    }
}

/// Loads at which the same power was found.
struct Level {
    loads: Vec<f64>,
    watts: f64,
    count: f64,
}

impl Level {
    fn add(&mut self, watts: f64) {
        self.watts = (self.watts * self.count + watts) / (self.count + 1.0);
        self.count += 1.0;
    }

    fn join(&self, other: &Self) -> Self {
        let count = self.count + other.count;
        let watts = (self.watts * self.count + other.watts * other.count) / count;
        Self { loads: [&self.loads[..], &other.loads[..]].concat(), watts, count }
    }
}

/// Whether two loads are one, but for rounding.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

impl FromStr for LoadPoints {
    type Err = NotLoadPoints;

    /// Of `0:33.6 10:89.6 50:210 100:285.6`.
    fn from_str(text: &str) -> Result<Self, NotLoadPoints> {
        let point = |word: &str| {
            let (load, watts) = word.split_once(':')?;
            Some((load.parse().ok()?, watts.parse().ok()?))
        };
        let parsed = text.split([' ', ',']).filter(|word| !word.is_empty());
        let parsed = parsed.map(|word| point(word).ok_or_else(|| NotLoadPoints::NotAPoint(word.into())));
        Self::new(parsed.collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for LoadPoints {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (load, watts)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(out, "{separator}{load}:{watts}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_goes_through_its_points_and_straight_between_them() {
        let points: LoadPoints = "0:33.6 10:89.6, 50:210 100:285.6".parse().unwrap();
        for (load, watts) in [(0.0, 33.6), (10.0, 89.6), (50.0, 210.0), (100.0, 285.6), (30.0, 149.8), (120.0, 285.6)] {
            assert!((points.at(load).0 - watts).abs() < 1e-9, "{load}");
        }
        assert_eq!(points.to_string().parse(), Ok(points));
    }

    #[test]
    fn what_is_no_table_says_what_to_mend() {
        for (text, part) in [
            ("", "no power at 0 %"),
            ("0:10", "no power at 100 %"),
            ("10:20 100:30", "no power at 0 %"),
            ("0:10 50", "'50' is no load and power"),
            ("0:10 50:20 50:20 100:30", "each once"),
            ("0:10 60:20 50:20 100:30", "in order"),
            ("0:10 50:40 100:30", "power at 100 % is lower"),
            ("0:-1 100:30", "-1 W is no power"),
            ("0:1 100:NaN", "NaN W is no power"),
            ("0:1 NaN:2 100:3", "NaN"),
        ] {
            let error = text.parse::<LoadPoints>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_was_measured_is_put_in_order_and_never_falls() {
        let found = LoadPoints::of_measured(vec![(50.0, 30.0), (2.0, 10.0), (98.0, 50.0), (2.0, 12.0), (75.0, 28.0)]);
        assert_eq!(found.unwrap().to_string(), "0:11 2:11 50:29 75:29 98:50 100:51.82608695652174");
        assert_eq!(LoadPoints::of_measured(Vec::new()), None);
        assert_eq!(LoadPoints::of_measured(vec![(40.0, 7.0)]).unwrap().to_string(), "0:7 40:7 100:7");
    }

    proptest! {
        #[test]
        fn more_load_never_means_less_power(
            points in prop::collection::vec((0.0..100.0_f64, 0.0..1000.0_f64), 1..30),
            one in 0.0..100.0_f64,
            other in 0.0..100.0_f64,
        ) {
            let found = LoadPoints::of_measured(points).unwrap();
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(found.at(less).0 <= found.at(more).0 + 1e-9);
        }
    }
}
