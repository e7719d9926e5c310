//! Which points a series has.

use super::super::intervals::{Interval, Used};
use super::super::series::Series;
use super::super::wall::Wall;
use crate::clock::{Timestamp, WallAnchor};
use crate::units::{Microjoules, Nanoseconds};

fn second(number: u64) -> Timestamp {
    Timestamp(number * Nanoseconds::SECOND.0)
}

/// The points of the interval that ends at this second: when, and how many watts.
fn points(series: &mut Series, to: u64, joules: Option<(u64, bool)>, anew: bool) -> Vec<(u64, f64)> {
    let used = joules.map(|(joules, runs)| ("t".to_owned(), Used { energy: Microjoules(joules * 1_000_000), runs }));
    let interval = Interval { from: second(to - 1), to: second(to), used: used.into_iter().collect() };
    let mut told = Vec::new();
    series.points(&interval, anew, |point| told.push((point.at.0 / Nanoseconds::SECOND.0, point.power.0)));
    told
}

#[test]
fn a_series_begins_and_ends_with_nothing_and_goes_on_in_between() {
    let mut series = Series::default();
    assert_eq!(points(&mut series, 1, Some((0, true)), false), [], "what has used nothing has no series");
    assert_eq!(points(&mut series, 2, Some((3, true)), false), [(1, 0.0), (2, 3.0)]);
    assert_eq!(points(&mut series, 3, Some((4, true)), false), [(3, 4.0)]);
    assert_eq!(points(&mut series, 4, None, false), [(4, 0.0)], "it is there, and uses nothing");
    assert_eq!(points(&mut series, 5, Some((1, false)), false), [(5, 1.0)]);
    assert_eq!(points(&mut series, 6, None, false), [(6, 0.0)]);
    assert_eq!(points(&mut series, 7, None, false), [], "it has ended");
    assert_eq!(points(&mut series, 8, Some((1, false)), false), [(7, 0.0), (8, 1.0)], "energy that came late");
}

#[test]
fn what_uses_nothing_for_a_minute_falls_silent() {
    let mut series = Series::default();
    points(&mut series, 1, Some((1, true)), false);
    let told: usize = (2..200).map(|to| points(&mut series, to, None, false).len()).sum();
    assert_eq!(told, 60);
    assert_eq!(points(&mut series, 200, Some((1, true)), false), [(199, 0.0), (200, 1.0)]);
}

#[test]
fn when_the_clock_was_set_every_series_begins_anew() {
    let mut series = Series::default();
    points(&mut series, 1, Some((1, true)), false);
    assert_eq!(points(&mut series, 2, Some((2, true)), true), [(1, 0.0), (2, 2.0)]);
    assert_eq!(points(&mut series, 3, Some((3, true)), false), [(3, 3.0)]);
}

#[test]
fn times_follow_the_clock_when_it_was_set_and_else_do_not_jitter() {
    let (before, now, at) = (WallAnchor::unix_time(), WallAnchor::take(), Timestamp::now());
    let mut wall = Wall::new(before);
    assert!(!wall.follow(before, at));
    assert_eq!(wall.unix(at), before.unix(at));
    assert!(wall.follow(now, at), "decades have passed");
    assert!(!wall.follow(now, at));
    assert_eq!(wall.unix(at), now.unix(at));
}
