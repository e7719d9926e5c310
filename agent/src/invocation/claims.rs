//! How much of a consumer's CPU time belongs to which invocation.
//!
//! An invocation whose own CPU time is known has that, as far as it fell into these ticks. The others share what is left of
//! each tick in proportion to how much of it they cover: whoever runs in a container while an invocation is under way is
//! taken to run for it.

use crate::activity::ConsumerId;
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::history::Tick;

/// An invocation that may have used a consumer's CPU time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// CPU time that is known to be its own.
    pub(super) on_cpu: Option<Nanoseconds>,
}

/// What an invocation has of a consumer's CPU time, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Claim {
    pub(super) cpu_time: f64,
    /// The part of it that may as well have been used just before or after: in ticks that it covers only in part.
    pub(super) unsure: f64,
}

/// A consumer's CPU time in `ticks`, and what each invocation has of it. Claims together never exceed the whole.
pub(super) fn claims<'a>(
    consumer: &ConsumerId,
    ticks: impl Iterator<Item = &'a Tick>,
    claimants: &[Claimant],
) -> (f64, Vec<Claim>) {
    let mut claims = vec![Claim::default(); claimants.len()];
    let (mut whole, mut spare) = (0.0, Vec::new());
    for tick in ticks {
        let cpu_time = tick.cpu_time(consumer).0 as f64;
        let mut own = 0.0;
        for (claimant, claim) in claimants.iter().zip(&mut claims) {
            let part = own_part(claimant, tick);
            claim.cpu_time += part;
            own += part;
        }
        whole += cpu_time;
        spare.push((tick, (cpu_time - own).max(0.0)));
    }
    let own: f64 = claims.iter().map(|claim| claim.cpu_time).sum();
    // What is known was measured by another clock, and when it was used is not known: it may be a little more than there is.
    if own > whole {
        for claim in &mut claims {
            claim.cpu_time *= whole / own;
        }
    }
    let all_spare: f64 = spare.iter().map(|(_, spare)| spare).sum();
    let left = (whole - own).max(0.0);
    for (tick, spare) in spare.into_iter().filter(|(_, spare)| *spare > 0.0) {
        share(tick, left * (spare / all_spare), claimants, &mut claims);
    }
    (whole, claims)
}

/// Shares CPU time of a tick among the invocations whose own is not known.
fn share(tick: &Tick, cpu_time: f64, claimants: &[Claimant], claims: &mut [Claim]) {
    let sharing = || claimants.iter().map(|it| if it.on_cpu.is_none() { cover(it, tick) } else { 0.0 });
    let covered: f64 = sharing().sum();
    for (cover, claim) in sharing().zip(claims).filter(|(cover, _)| *cover > 0.0) {
        let part = cpu_time * (cover / covered);
        claim.cpu_time += part;
        claim.unsure += part * (1.0 - cover).max(0.0);
    }
}

/// The share of the tick that an invocation covers, 0 to 1.
fn cover(claimant: &Claimant, tick: &Tick) -> f64 {
    let overlap = claimant.end.min(tick.to).since(claimant.start.max(tick.from));
    if tick.length().is_zero() { 0.0 } else { overlap.0 as f64 / tick.length().0 as f64 }
}

/// The part of the known CPU time that falls into the tick, as if it was used evenly.
fn own_part(claimant: &Claimant, tick: &Tick) -> f64 {
    let Some(on_cpu) = claimant.on_cpu else { return 0.0 };
    let length = claimant.end.since(claimant.start).0 as f64;
    if length > 0.0 { on_cpu.0 as f64 * (cover(claimant, tick) * tick.length().0 as f64 / length) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::{consumer, tick};
    use super::super::history::History;
    use super::*;

    fn history(cpu_times: &[u64]) -> History {
        let mut history = History::new(Nanoseconds(u64::MAX));
        for (number, &cpu_time) in (0..).zip(cpu_times) {
            history.add(&tick(number * 10, number * 10 + 10, &[(1, cpu_time)]), |_| true);
        }
        history
    }

    fn claimant(start: u64, end: u64, on_cpu: Option<u64>) -> Claimant {
        Claimant { start: Timestamp(start), end: Timestamp(end), on_cpu: on_cpu.map(Nanoseconds) }
    }

    fn shares(history: &History, claimants: &[Claimant]) -> (f64, Vec<f64>) {
        let ticks = history.within(Timestamp(0), Timestamp(1_000));
        let (whole, claims) = claims(&consumer(1), ticks, claimants);
        (whole, claims.iter().map(|claim| claim.cpu_time).collect())
    }

    #[test]
    fn an_invocation_has_what_ran_while_it_was_under_way() {
        let history = history(&[0, 8, 4, 0]);
        assert_eq!(shares(&history, &[claimant(12, 24, None)]), (12.0, vec![12.0]));
        assert_eq!(shares(&history, &[claimant(0, 10, None)]), (12.0, vec![0.0]));
    }

    #[test]
    fn overlapping_ones_share_by_their_overlap() {
        let history = history(&[10, 10]);
        assert_eq!(shares(&history, &[claimant(0, 20, None), claimant(10, 20, None)]), (20.0, vec![15.0, 5.0]));
        let (_, parts) = shares(&history, &[claimant(0, 10, None), claimant(5, 10, None)]);
        assert!((parts[0] - 2.0 * parts[1]).abs() < 1e-9, "{parts:?}");
    }

    #[test]
    fn known_cpu_time_goes_before_what_is_shared() {
        let history = history(&[10, 10]);
        let claimants = [claimant(0, 20, Some(12)), claimant(0, 20, None)];
        assert_eq!(shares(&history, &claimants), (20.0, vec![12.0, 8.0]));
    }

    #[test]
    fn known_cpu_time_is_whole_wherever_it_was_used() {
        // All of it in the first tick, though it was under way for two.
        let history = history(&[10, 0]);
        assert_eq!(shares(&history, &[claimant(0, 20, Some(8))]), (10.0, vec![8.0]));
        assert_eq!(shares(&history, &[claimant(0, 20, Some(8)), claimant(0, 10, None)]), (10.0, vec![8.0, 2.0]));
        assert_eq!(shares(&history, &[claimant(0, 20, Some(16)), claimant(0, 20, Some(4))]), (10.0, vec![8.0, 2.0]));
    }

    #[test]
    fn what_lies_at_an_edge_is_unsure() {
        let history = history(&[10, 10]);
        let (_, found) = claims(&consumer(1), history.within(Timestamp(0), Timestamp(20)), &[claimant(5, 20, None)]);
        assert!((found[0].unsure - 5.0).abs() < 1e-9 && (found[0].cpu_time - 20.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn claims_never_exceed_the_whole(
            cpu_times in prop::collection::vec(0_u64..=20, 1..20),
            invocations in prop::collection::vec((0_u64..200, 0_u64..100, prop::option::of(0_u64..300)), 0..10),
        ) {
            let claimants: Vec<Claimant> =
                invocations.iter().map(|&(start, length, on_cpu)| claimant(start, start + length, on_cpu)).collect();
            let (whole, parts) = shares(&history(&cpu_times), &claimants);
            prop_assert!(parts.iter().all(|part| *part >= 0.0 && part.is_finite()));
            prop_assert!(parts.iter().sum::<f64>() <= whole * (1.0 + 1e-9) + 1e-9);
        }
    }
}
