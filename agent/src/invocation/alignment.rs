//! How far a reporter's clock is off, as told by what ran.
//!
//! Whoever reports invocations without saying what time it is there may still be asked: while an invocation is under way its
//! process runs, so the number of invocations under way and the CPU time of the process rise and fall together once the
//! clocks agree. The offset is about where their correlation is largest (time delay estimation by cross-correlation, Knapp
//! and Carter 1976), and there where the least CPU time is left unexplained. Where several offsets fit as well, because all
//! the time is alike or repeats itself, there is no answer.

use crate::units::Nanoseconds;

use super::unexplained::least_unexplained;

/// The largest offset that is looked for, nanoseconds.
const REACH: i64 = 1_000_000_000;
/// Offsets are told apart in steps of this part of an interval of activity.
const PARTS: i64 = 4;
/// The least correlation that is one.
const LEAST: f64 = 0.3;
/// How many standard deviations of the correlation of unrelated signals, `1 / sqrt(intervals)`, it has to be.
const DEVIATIONS: f64 = 6.0;
/// Offsets whose correlation is so near to the largest fit as well.
const AS_GOOD: f64 = 0.95;
/// Another offset, far away, whose correlation is so near to the largest leaves the answer open.
const NEARLY_AS_GOOD: f64 = 0.8;

/// What ran between two instants of the node's clock, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ran {
    pub(super) from: i64,
    pub(super) to: i64,
    /// CPU time, in any unit.
    pub(super) cpu_time: f64,
}

/// When an invocation began and ended by the reporter's clock, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// An offset that has been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aligned {
    /// What has to be added to the reporter's times, nanoseconds.
    pub(super) offset: i64,
    /// By how much that may be wrong.
    pub(super) error: Nanoseconds,
}

/// The offset, 0 rather than another, by which `spans` fit best what ran in the time between two instants, at most `most`
/// nanoseconds; `None` if that is not plain. `ticks` follow each other and are about `step` long.
pub(super) fn align(ticks: &[Ran], step: Nanoseconds, spans: &[Span], most: i64) -> Option<Aligned> {
    let activity = Activity::new(ticks, step)?;
    let fit = Fit::new(&activity, spans)?;
    let (first, last) = (-fit.reach, fit.reach.min(most.div_euclid(fit.part)));
    let rough: Vec<(i64, f64)> =
        (first..=last).step_by(PARTS as usize).map(|shift| (shift, fit.correlation(shift))).collect();
    let about = rough.iter().max_by(|one, other| one.1.total_cmp(&other.1))?.0;
    let near = (about - PARTS).max(first)..=(about + PARTS).min(last);
    let (best, peak) =
        near.map(|shift| (shift, fit.correlation(shift))).max_by(|one, other| one.1.total_cmp(&other.1))?;
    if peak < LEAST || peak < DEVIATIONS / (activity.cpu_time.len() as f64).sqrt() {
        return None;
    }
    let fits = |shift: &i64| fit.correlation(*shift) >= AS_GOOD * peak;
    let low = (-fit.reach..best).rev().take_while(fits).last().unwrap_or(best);
    let high = (best + 1..=fit.reach).take_while(fits).last().unwrap_or(best);
    let lengths: i64 = spans.iter().map(|span| span.end - span.start).sum();
    let around = 2 * (lengths / spans.len().cast_signed() as i64) / fit.part + 4 * PARTS;
    let is_elsewhere = |shift: i64| shift < low - around || shift > high + around;
    if rough.iter().any(|&(shift, correlation)| is_elsewhere(shift) && correlation >= NEARLY_AS_GOOD * peak) {
        return None;
    }
    // Where within its interval something ran is not known.
    let (low, high) = (low - PARTS, high + PARTS);
    let refined = || least_unexplained(ticks, spans, best * fit.part, step).min(most);
    let offset = if (low..=high).contains(&0) { 0 } else { refined() };
    let error = Nanoseconds((high - low).unsigned_abs() * fit.part.unsigned_abs() / 2);
    Some(Aligned { offset, error })
}

/// When the number of invocations under way changes, and by how many.
pub(super) fn changes(spans: &[Span]) -> Vec<(i64, f64)> {
    let mut changes: Vec<(i64, f64)> = spans.iter().flat_map(|span| [(span.start, 1.0), (span.end, -1.0)]).collect();
    changes.sort_unstable_by_key(|(at, _)| *at);
    changes
}

/// CPU time in intervals that are alike and follow each other.
struct Activity {
    /// When the first begins, nanoseconds of the node's clock.
    from: i64,
    /// How long each is.
    step: i64,
    cpu_time: Vec<f64>,
}

impl Activity {
    /// That of ticks within each of which it is taken to be even.
    fn new(ticks: &[Ran], step: Nanoseconds) -> Option<Self> {
        let step = i64::try_from(step.0).ok().filter(|step| *step > 0)?;
        let (from, to) = (ticks.first()?.from, ticks.last()?.to);
        let mut cpu_time = vec![0.0; ((to - from) / step) as usize];
        for tick in ticks.iter().filter(|tick| tick.cpu_time > 0.0 && tick.to > tick.from) {
            let rate = tick.cpu_time / (tick.to - tick.from) as f64;
            let mut at = tick.from;
            while at < tick.to {
                let interval = (at - from) / step;
                let next = tick.to.min(from + (interval + 1) * step);
                if let Some(cpu_time) = cpu_time.get_mut(interval as usize) {
                    *cpu_time += rate * (next - at) as f64;
                }
                at = next;
            }
        }
        Some(Self { from, step, cpu_time })
    }
}

/// Activity beside the invocations under way.
struct Fit<'a> {
    cpu_time: &'a [f64],
    mean: f64,
    deviation: f64,
    /// How long all invocations had been under way together at instants that are `part` apart, the first of them `reach`
    /// parts before the activity begins, nanoseconds.
    under_way: Vec<f64>,
    part: i64,
    reach: i64,
}

impl<'a> Fit<'a> {
    fn new(activity: &'a Activity, spans: &[Span]) -> Option<Self> {
        let part = activity.step / PARTS;
        if part == 0 || spans.is_empty() || activity.cpu_time.is_empty() {
            return None;
        }
        let reach = REACH / part;
        let instants = activity.cpu_time.len().cast_signed() as i64 * PARTS + 2 * reach + 1;
        let mut changes = changes(spans).into_iter().peekable();
        let (mut total, mut running, mut since) = (0.0, 0.0, i64::MIN);
        let under_way = (0..instants).map(|index| {
            let at = activity.from + (index - reach) * part;
            while let Some((changed, by)) = changes.next_if(|(changed, _)| *changed <= at) {
                total += running * changed.saturating_sub(since) as f64;
                (running, since) = (running + by, changed);
            }
            total += running * at.saturating_sub(since) as f64;
            since = at;
            total
        });
        let under_way = under_way.collect();
        let (mean, deviation) = mean_and_deviation(activity.cpu_time.iter().copied());
        (deviation > 0.0).then_some(Self { cpu_time: &activity.cpu_time, mean, deviation, under_way, part, reach })
    }

    /// Pearson's correlation when `shift` parts are added to the reporter's times.
    fn correlation(&self, shift: i64) -> f64 {
        let first = (self.reach - shift) as usize;
        let points = self.under_way[first..].iter().step_by(PARTS as usize);
        let invocations = points.clone().zip(points.skip(1)).map(|(before, after)| after - before);
        let invocations = invocations.take(self.cpu_time.len());
        let (mean, deviation) = mean_and_deviation(invocations.clone());
        if deviation == 0.0 {
            return 0.0;
        }
        let products = invocations.zip(self.cpu_time).map(|(one, other)| (one - mean) * (other - self.mean));
        products.sum::<f64>() / self.cpu_time.len() as f64 / (deviation * self.deviation)
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0.0_f64, 0.0, 0.0);
    for value in values {
        (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
    }
    let mean = sum / count.max(1.0);
    (mean, (squares / count.max(1.0) - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Numbers without a pattern (xorshift64).
    fn numbers() -> impl Iterator<Item = i64> {
        std::iter::successors(Some(0x2545_f491_4f6c_dd1d_u64), |&it| {
            let it = it ^ (it << 13);
            let it = it ^ (it >> 7);
            Some(it ^ (it << 17))
        })
        .map(|it| (it >> 33).cast_signed())
    }

    /// Invocations of 2 to 12 ms, up to 60 ms apart, that begin 1 s after 0.
    fn busy() -> Vec<Span> {
        let mut numbers = numbers();
        let mut at = 1_000 * MS;
        std::iter::repeat_with(|| {
            at += numbers.next().unwrap() % (60 * MS);
            let span = Span { start: at, end: at + 2 * MS + numbers.next().unwrap() % (10 * MS) };
            at = span.end;
            span
        })
        .take(150)
        .collect()
    }

    /// What their process runs meanwhile, in ticks of `step`.
    fn ticks(spans: &[Span], step: i64) -> Vec<Ran> {
        let ticks = spans.iter().map(|span| span.end).max().unwrap() / step + 1_000 * MS / step;
        let overlap = |from: i64, span: &Span| (span.end.min(from + step) - span.start.max(from)).max(0) as f64;
        let cpu_time = |from: i64| spans.iter().map(|span| overlap(from, span)).sum();
        (0..ticks).map(|it| it * step).map(|from| Ran { from, to: from + step, cpu_time: cpu_time(from) }).collect()
    }

    fn aligned(ticks: &[Ran], spans: &[Span], most: i64) -> Option<Aligned> {
        let step = ticks.first().map_or(5 * MS, |tick| tick.to - tick.from);
        align(ticks, Nanoseconds(step.unsigned_abs()), spans, most)
    }

    fn told_by_a_clock(spans: &[Span], behind: i64) -> Vec<Span> {
        spans.iter().map(|span| Span { start: span.start - behind, end: span.end - behind }).collect()
    }

    #[test]
    fn an_offset_is_found_in_both_directions() {
        let spans = busy();
        for step in [5 * MS, 20 * MS] {
            let ticks = ticks(&spans, step);
            for behind in [-931 * MS, -400 * MS, -33 * MS, 27 * MS, 401 * MS, 970 * MS] {
                let found = aligned(&ticks, &told_by_a_clock(&spans, behind), i64::MAX).expect("it is plain");
                let wrong = (found.offset - behind).abs();
                assert!(wrong <= step / 40 && found.error.0 <= 2 * step as u64, "{behind}: {found:?}");
            }
        }
    }

    #[test]
    fn clocks_in_step_stay_so() {
        // Each waits for something before it runs.
        let spans = busy();
        let waited: Vec<Span> = spans.iter().map(|span| Span { start: span.start - 15 * MS, ..*span }).collect();
        assert_eq!(aligned(&ticks(&spans, 5 * MS), &waited, i64::MAX).map(|found| found.offset), Some(0));
    }

    #[test]
    fn what_repeats_itself_or_never_changes_tells_nothing() {
        let every_50_ms = (20..220).map(|it| Span { start: it * 50 * MS, end: it * 50 * MS + 10 * MS });
        let spans: Vec<Span> = every_50_ms.collect();
        assert_eq!(aligned(&ticks(&spans, 5 * MS), &told_by_a_clock(&spans, 400 * MS), i64::MAX), None);
        let always: Vec<Ran> = ticks(&spans, 5 * MS).into_iter().map(|it| Ran { cpu_time: 1.0, ..it }).collect();
        assert_eq!(aligned(&always, &busy(), i64::MAX), None);
        assert_eq!(aligned(&[], &spans, i64::MAX), None);
        assert_eq!(aligned(&ticks(&spans, 5 * MS), &[], i64::MAX), None);
    }

    #[test]
    fn what_others_do_tells_nothing() {
        let others: Vec<Span> =
            busy().iter().rev().map(|span| Span { start: 9_000 * MS - span.start, ..*span }).collect();
        let others: Vec<Span> = others.iter().map(|it| Span { end: it.start + 7 * MS, ..*it }).collect();
        assert_eq!(aligned(&ticks(&others, 5 * MS), &busy(), i64::MAX), None);
    }

    #[test]
    fn nothing_ends_after_it_has_arrived() {
        let spans = busy();
        let told = told_by_a_clock(&spans, 400 * MS);
        assert_eq!(aligned(&ticks(&spans, 5 * MS), &told, 300 * MS), None);
    }
}
