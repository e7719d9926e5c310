//! How late a meter is: its power against what is known to have moved it.
//!
//! A meter's own clock and the arrival of its readings cannot tell a delay that is always there (averaging inside the meter,
//! a queue on the way). Its power can: it follows the energy of packages, or CPU time, and the delay is the shift at which a
//! straight line from these explains it best, in the sense of least squares. The error of that is the one of any parameter of
//! a least squares fit, `σ² = 2 s² / S''`, with S the sum of squares by delay and s² the variance that is left.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::units::{Microjoules, Nanoseconds};

/// Meters that are quicker are not looked at: within a window or two there is nothing to align.
const SHORTEST: Nanoseconds = Nanoseconds::from_millis(200);
/// How much of what a meter said is looked at.
const LOOKED_AT: Nanoseconds = Nanoseconds(120 * Nanoseconds::SECOND.0);
/// How often it is looked at: until a delay has been confirmed, and after that.
const LOOK_EVERY: [Nanoseconds; 2] = [Nanoseconds(10 * Nanoseconds::SECOND.0), Nanoseconds(60 * Nanoseconds::SECOND.0)];
const CONFIRMED: u32 = 6;
const LEAST_INTERVALS: usize = 15;
/// Delays that are considered, nanoseconds: readings can also be stamped too early, by their arrival.
const EARLIEST: i64 = -600_000_000;
const LATEST: i64 = 3_000_000_000;
const COARSE: i64 = 100_000_000;
const FINE: i64 = 12_000_000;
/// Means over a longer time than this are not considered.
const LONGEST_MEAN: i64 = 4_000_000_000;
const MEAN_STEP: i64 = 250_000_000;
/// How much more likely a mean over a longer time than a reading's has to make what was seen to be believed (the logarithm),
/// and after how long what was seen counts for 1/e.
const BELIEVED: f64 = 8.0;
const REMEMBERED: Nanoseconds = Nanoseconds(600 * Nanoseconds::SECOND.0);
/// What part of the meter's variance has to be explained, and how sure the delay has to be (one sigma), to be believed.
const LEAST_EXPLAINED: f64 = 0.5;
const LEAST_SURE: f64 = 0.15;
/// How far a delay may wander between two looks, seconds (one sigma).
const WANDER: f64 = 0.005;
/// By how many sigmas a delay has to differ to be a step.
const STEP: f64 = 5.0;
/// From how many seconds on it matters for what was learned before.
const MATTERS: f64 = 0.05;
/// The part of an interval by which readings may be shifted against each other: a delay is not put right at once.
const SLEW: u64 = 4;

/// How late a meter is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Seconds; negative where readings are stamped too early.
    pub delay: f64,
    /// One sigma of it, seconds.
    pub sigma: f64,
    /// Over how many seconds around then the meter's power is a mean.
    pub mean_over: f64,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alignment {
    intervals: VecDeque<Interval>,
    since_looked: Nanoseconds,
    /// How many have come since.
    unseen: usize,
    /// By mean, in steps of [`MEAN_STEP`]: how much more likely than a reading's it makes what was seen (the logarithm).
    likelihoods: Vec<f64>,
    lag: Option<Lag>,
    /// How many looks in a row have found about the same.
    confirmed: u32,
    /// By how many nanoseconds readings are shifted now.
    shift: i64,
    newest: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Interval {
    from: Timestamp,
    to: Timestamp,
    energy: f64,
}

/// What explains a meter's power: how much of it there was between two instants, where that is known.
pub(super) type Explains<'a> = &'a dyn Fn(Timestamp, Timestamp) -> Option<f64>;

impl Alignment {
    /// How late the meter is, as far as is known.
    pub(super) fn lag(&self) -> Option<Lag> {
        self.lag
    }

    /// Whether readings are shifted by as much as is known.
    pub(super) fn is_settled(&self) -> bool {
        self.wanted().abs_diff(self.shift) as f64 <= MATTERS / 4.0 * 1e9
    }

    fn wanted(&self) -> i64 {
        self.lag.map_or(0, |lag| (lag.delay * 1e9) as i64)
    }

    /// As of when a reading is that the meter gives for `at`; readings come in order.
    pub(super) fn aligned(&mut self, at: Timestamp) -> Timestamp {
        let before = self.newest.map_or(Timestamp::default(), |newest| newest);
        let most = (at.since(before).0 / SLEW).min(LATEST.unsigned_abs()).cast_signed();
        self.shift += (self.wanted() - self.shift).clamp(-most, most);
        self.newest = Some(at.max(before));
        moved(at, -self.shift)
    }

    /// Takes what the meter counted between two instants by its own account. Says whether its delay is another now than it was
    /// taken to be, so that what was learned of it is of no use.
    pub(super) fn observe(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        energy: Microjoules,
        explains: Explains<'_>,
    ) -> bool {
        let time = to.since(from);
        if time < SHORTEST {
            return false;
        }
        self.intervals.push_back(Interval { from, to, energy: energy.0 as f64 });
        while self.intervals.front().is_some_and(|oldest| to.since(oldest.from) > LOOKED_AT) {
            self.intervals.pop_front();
        }
        self.since_looked += time;
        self.unseen += 1;
        if self.since_looked < LOOK_EVERY[usize::from(self.confirmed >= CONFIRMED)] {
            return false;
        }
        let time = std::mem::take(&mut self.since_looked);
        let Some(found) = self.look(time, explains) else { return false };
        let (lag, is_step) = match self.lag {
            Some(known) => known.followed_by(found),
            None => (found, found.delay.abs() > MATTERS),
        };
        self.lag = Some(lag);
        self.confirmed = if is_step { 0 } else { self.confirmed + 1 };
        is_step
    }

    /// Looks after some more time.
    fn look(&mut self, more: Nanoseconds, explains: Explains<'_>) -> Option<Lag> {
        // With room for all delays and means.
        let room = LONGEST_MEAN / 2;
        let is_known = |it: &&Interval| {
            explains(moved(it.from, -LATEST - COARSE - room), moved(it.to, COARSE - EARLIEST + room)).is_some()
        };
        let intervals: Vec<Interval> = self.intervals.iter().filter(is_known).copied().collect();
        if intervals.len() < LEAST_INTERVALS {
            return None;
        }
        let best = |delays: &mut dyn Iterator<Item = i64>, mean: Option<i64>| {
            let fits = delays.filter_map(|delay| Some((delay, fit(&intervals, delay, mean, explains)?)));
            fits.min_by(|left, right| left.1.left.total_cmp(&right.1.left))
        };
        let (coarse, of_coarse) = best(&mut (EARLIEST..=LATEST).step_by(COARSE as usize), None)?;
        let mut times: Vec<u64> = intervals.iter().map(|it| it.to.since(it.from).0).collect();
        times.sort_unstable();
        let time = times[times.len() / 2].cast_signed();
        let near = |around: i64, step: i64| (around - 3 * step..=around + 3 * step).step_by(step as usize);
        let longer = (time..=LONGEST_MEAN).step_by(MEAN_STEP as usize).skip(1);
        let means = longer.filter_map(|mean| Some((mean, best(&mut near(coarse, COARSE), Some(mean))?)));
        let means: Vec<(i64, (i64, Fit))> = means.collect();
        // Of normal errors; those of earlier looks are in it already.
        let unseen = std::mem::take(&mut self.unseen).min(intervals.len()) as f64;
        let forget = (-(more.0 as f64) / REMEMBERED.0 as f64).exp();
        self.likelihoods.resize(means.len(), 0.0);
        for (likelihood, (_, (_, fit))) in self.likelihoods.iter_mut().zip(&means) {
            *likelihood = *likelihood * forget + unseen / 2.0 * (of_coarse.left / fit.left).ln();
        }
        let smoothed = means.iter().zip(&self.likelihoods).max_by(|left, right| left.1.total_cmp(right.1));
        let smoothed = smoothed.filter(|(_, likelihood)| **likelihood >= BELIEVED);
        let (mean, around) = smoothed.map_or((None, coarse), |((mean, (delay, _)), _)| (Some(*mean), *delay));
        let (delay, _) = best(&mut near(around, COARSE / 3), mean)?;
        let (delay, at) = best(&mut near(delay, FINE), mean)?;
        // A parabola through the neighbours.
        let (before, after) =
            (fit(&intervals, delay - FINE, mean, explains)?, fit(&intervals, delay + FINE, mean, explains)?);
        let width = FINE as f64 / 1e9;
        let curvature = (before.left - 2.0 * at.left + after.left) / (width * width);
        let lowest = ((before.left - after.left) / (2.0 * width * curvature)).clamp(-width, width);
        let variance = at.left / (intervals.len() - 2) as f64;
        let sigma = (2.0 * variance / curvature).sqrt();
        let is_sure = sigma.is_finite() && sigma < LEAST_SURE && at.explained >= LEAST_EXPLAINED;
        let mean_over = mean.unwrap_or(time) as f64 / 1e9;
        is_sure.then(|| Lag { delay: delay as f64 / 1e9 + lowest, sigma, mean_over })
    }
}

impl Lag {
    /// What is known after another look, and whether that was a step.
    fn followed_by(self, found: Self) -> (Self, bool) {
        let variance = self.sigma.powi(2) + WANDER.powi(2);
        let of_difference = variance + found.sigma.powi(2);
        let difference = (found.delay - self.delay).abs();
        if difference > STEP * of_difference.sqrt() {
            return (found, difference > MATTERS);
        }
        let gain = variance / of_difference;
        let delay = self.delay + gain * (found.delay - self.delay);
        (Self { delay, sigma: (variance * (1.0 - gain)).sqrt(), mean_over: found.mean_over }, false)
    }
}

/// How well a straight line explains power.
struct Fit {
    /// The sum of the squares that are left.
    left: f64,
    /// What part of the variance is not.
    explained: f64,
}

/// Fits what the meter said to what there was `delay` before; where its power is a mean, over so long around that. `None` where
/// the line does not rise.
fn fit(intervals: &[Interval], delay: i64, mean: Option<i64>, explains: Explains<'_>) -> Option<Fit> {
    let (mut count, mut x_sum, mut y_sum, mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for it in intervals {
        let time = it.to.since(it.from).0.cast_signed();
        let longer = mean.map_or(0, |mean| mean - time) / 2;
        let (from, to) = (moved(it.from, -delay - longer), moved(it.to, -delay + longer));
        let (x, y) = (explains(from, to)? / to.since(from).0 as f64, it.energy / time as f64);
        count += 1.0;
        x_sum += x;
        y_sum += y;
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    let (x_spread, y_spread) = (xx - x_sum * x_sum / count, yy - y_sum * y_sum / count);
    let together = xy - x_sum * y_sum / count;
    let rises = together > 0.0 && x_spread > 0.0 && y_spread > 0.0;
    let explained = together * together / x_spread;
    rises.then(|| Fit { left: (y_spread - explained).max(0.0), explained: explained / y_spread })
}

fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_add_signed(by))
}

#[cfg(test)]
mod tests {
    use super::super::series::Series;
    use super::*;

    const MILLI: u64 = 1_000_000;

    /// Power that moves without a pattern, by steps of 100 ms, as energy up to each.
    fn energy(seconds: u64) -> Series {
        let (mut series, mut state, mut power) = (Series::default(), 7_u64, 20.0);
        for step in 0..seconds * 10 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(4) {
                power = 10.0 + (state % 97) as f64 / 2.0;
            }
            series.push(Timestamp(step * 100 * MILLI), Timestamp((step + 1) * 100 * MILLI), power * 1e5);
        }
        series
    }

    /// A meter that says each second what was `delay` before, as a mean over so many seconds.
    fn aligned(delay: f64, mean_over: f64) -> (Alignment, u32) {
        let series = energy(120);
        let explains = |from: Timestamp, to: Timestamp| series.amount(from, to);
        let (mut alignment, mut steps) = (Alignment::default(), 0);
        for second in 6..118_u64 {
            let to = moved(Timestamp(second * 1_000 * MILLI), (-delay * 1e9) as i64);
            let from = moved(to, (-mean_over * 1e9) as i64);
            let power = series.amount(from, to).expect("it is there") / mean_over;
            let energy = Microjoules((1.15 * power + 8e6) as u64);
            let at = |second: u64| Timestamp(second * 1_000 * MILLI);
            steps += u32::from(alignment.observe(at(second - 1), at(second), energy, &explains));
        }
        (alignment, steps)
    }

    #[test]
    fn a_delay_is_found_within_milliseconds() {
        for delay in [-0.3, 0.0, 0.137, 1.5, 2.7] {
            let (alignment, steps) = aligned(delay, 1.0);
            let lag = alignment.lag().expect("it is found");
            assert!((lag.delay - delay).abs() < 0.005, "{lag:?} for {delay}");
            assert!((lag.mean_over - 1.0).abs() < 1e-6, "{lag:?}");
            assert_eq!(steps, u32::from(delay != 0.0), "told once");
        }
    }

    #[test]
    fn what_a_meter_has_smoothed_is_found() {
        let (alignment, _) = aligned(-0.2, 2.0);
        let lag = alignment.lag().expect("it is found");
        assert!((lag.mean_over - 2.0).abs() < 1e-6, "{lag:?}");
        // The middle of its two seconds is 0.3 s before the middle of the second that it is told for.
        assert!((lag.delay - 0.3).abs() < 0.02, "{lag:?}");
    }

    #[test]
    fn a_power_that_does_not_move_tells_nothing() {
        let mut alignment = Alignment::default();
        for second in 1..100_u64 {
            let at = |second: u64| Timestamp(second * 1_000 * MILLI);
            let even = |from: Timestamp, to: Timestamp| Some(to.since(from).0 as f64);
            assert!(!alignment.observe(at(second), at(second + 1), Microjoules(5_000_000), &even));
        }
        assert_eq!(alignment.lag(), None);
    }

    #[test]
    fn readings_keep_their_order_while_they_are_shifted() {
        let lag = Some(Lag { delay: 1.5, sigma: 0.01, mean_over: 1.0 });
        let mut alignment = Alignment { lag, newest: Some(Timestamp(9_000 * MILLI)), ..Alignment::default() };
        let mut before = Timestamp(9_000 * MILLI);
        for second in 10..30_u64 {
            let at = alignment.aligned(Timestamp(second * 1_000 * MILLI));
            assert!(at > before, "{at:?} after {before:?}");
            before = at;
        }
        assert_eq!(before, Timestamp(27_500 * MILLI));
    }
}
