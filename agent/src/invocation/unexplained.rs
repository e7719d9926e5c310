//! The offset of a reporter's clock to a small part of a tick.
//!
//! While one invocation is under way its process uses CPU time at its rate, and while none is, next to none: at the right
//! offset that explains nearly every tick, at others only those in which nothing begins or ends. So the sum of what is left
//! has a sharp minimum there (least absolute deviations), which the few ticks in which an invocation has to wait for a CPU
//! do not move, as they move the peak of a correlation.

use crate::units::Nanoseconds;

use super::alignment::{Ran, Span, changes};

/// Into how many parts a tick is divided in one round of the search, and each part in the next.
const PARTS: i64 = 8;
const ROUNDS: u32 = 2;

/// Of the offsets within a tick, which is about `step` long, from `about`: the one that leaves the least CPU time
/// unexplained, to a 64th of a tick. Nanoseconds.
pub(super) fn least_unexplained(ticks: &[Ran], spans: &[Span], about: i64, step: Nanoseconds) -> i64 {
    let changes = changes(spans);
    let (mut best, mut part) = (about, step.0.cast_signed());
    for _ in 0..ROUNDS {
        part = (part / PARTS).max(1);
        let tried = (-PARTS..=PARTS).map(|parts| best + parts * part);
        let left = tried.map(|offset| (offset, unexplained(ticks, &changes, offset)));
        best = left.min_by(|one, other| one.1.total_cmp(&other.1)).map_or(best, |(offset, _)| offset);
    }
    best
}

/// The CPU time that invocations do not explain, when each uses as much as in half of the ticks.
fn unexplained(ticks: &[Ran], changes: &[(i64, f64)], offset: i64) -> f64 {
    let mut changes = changes.iter().map(|(at, by)| (at + offset, by)).peekable();
    let (mut running, mut since) = (0.0, i64::MIN);
    let under_way = ticks.iter().map(|tick| {
        let mut under_way = 0.0;
        while let Some((at, by)) = changes.next_if(|(at, _)| *at < tick.to) {
            under_way += running * at.saturating_sub(since.max(tick.from)).max(0) as f64;
            (running, since) = (running + by, at);
        }
        under_way + running * tick.to.saturating_sub(since.max(tick.from)) as f64
    });
    let under_way: Vec<f64> = under_way.collect();
    let both = || ticks.iter().map(|tick| tick.cpu_time).zip(under_way.iter().copied());
    let mut rates: Vec<f64> =
        both().filter(|it| it.1 > 0.0).map(|(cpu_time, under_way)| cpu_time / under_way).collect();
    let middle = rates.len() / 2;
    if rates.is_empty() {
        return f64::INFINITY;
    }
    let rate = *rates.select_nth_unstable_by(middle, f64::total_cmp).1;
    both().map(|(cpu_time, under_way)| (cpu_time - rate * under_way).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn waiting_for_a_cpu_does_not_move_the_offset() {
        // Every third invocation of 3 ms waits for 2 ms before it ends.
        let waits = |number: i64| if number % 3 == 0 { 2 * MS } else { 0 };
        let runs: Vec<Span> = (0..300)
            .map(|number| 47 * number * MS + 731_000 * (number % 13))
            .map(|start| Span { start, end: start + 3 * MS })
            .collect();
        let told = |(number, run): (i64, &Span)| Span { start: run.start, end: run.end + waits(number) };
        let spans: Vec<Span> = (0..).zip(&runs).map(told).collect();
        let cpu_time = |from: i64, to: i64| {
            runs.iter().map(|run| (run.end.min(to) - run.start.max(from)).max(0)).sum::<i64>() as f64 * 0.8
        };
        let ticks: Vec<Ran> = (0..2_900)
            .map(|it| (it * 5 * MS, (it + 1) * 5 * MS))
            .map(|(from, to)| Ran { from, to, cpu_time: cpu_time(from, to) })
            .collect();
        for offset in [0, 1_200_000, -3_456_789] {
            let spans: Vec<Span> =
                spans.iter().map(|span| Span { start: span.start - offset, end: span.end - offset }).collect();
            let found = least_unexplained(&ticks, &spans, 0, Nanoseconds(5_000_000));
            assert!((found - offset).abs() <= 5 * MS / 64, "{found} instead of {offset}");
        }
    }
}
