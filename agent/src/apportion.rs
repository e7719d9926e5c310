//! Divides a whole number, mostly of microjoules, into whole parts that follow real-valued quotas and lose nothing.

use std::cmp::Ordering;

use crate::units::{Microjoules, Nanoseconds};

/// The part of `energy` (in microjoules) that falls to somebody with `part` of the `whole` activity:
/// `(part / whole) x energy`, in this order of operations. Zero where there is no whole.
pub fn proportional_quota(part: f64, whole: f64, energy: f64) -> f64 {
    if whole > 0.0 { part / whole * energy } else { 0.0 }
}

/// Rounds `quotas` (in microjoules) to whole numbers that sum to `total`, by the method of the largest remainder
/// (Hamilton's method of apportionment): each gets its quota rounded down, and what is left goes, one microjoule each,
/// to those whose quotas lost most by that. Equal remainders: the first in order. Takes linear time.
///
/// Where the quotas sum to `total` but for floating-point error, every part is within 1 µJ of its quota. Whatever they
/// sum to, the parts sum to `total`; negative and non-finite quotas count as zero. Without quotas there are no parts,
/// and `total` stays with the caller.
pub fn largest_remainder(quotas: &[f64], total: Microjoules) -> Vec<Microjoules> {
    let mut parts: Vec<Microjoules> = quotas.iter().map(|&quota| floor(quota)).collect();
    if parts.is_empty() {
        return parts;
    }
    let sum: u128 = parts.iter().map(|part| u128::from(part.0)).sum();
    match sum.cmp(&u128::from(total.0)) {
        Ordering::Equal => {}
        Ordering::Less => hand_out(&mut parts, quotas, (u128::from(total.0) - sum) as u64),
        Ordering::Greater => take_back(&mut parts, quotas, sum - u128::from(total.0)),
    }
    parts
}

/// Divides `total` into `count` parts that differ by 1 µJ at most; the larger ones come first.
pub fn equal_parts(total: Microjoules, count: usize) -> impl Iterator<Item = Microjoules> {
    let count = count as u64;
    (0..count).map(move |index| Microjoules(total.0 / count + u64::from(index < total.0 % count)))
}

/// Divides a count of events in proportion to CPU times, by [`largest_remainder`]. Without any time there are only zeros.
pub fn divide_count(total: u64, times: &[Nanoseconds]) -> Vec<u64> {
    let whole: f64 = times.iter().map(|time| time.0 as f64).sum();
    if whole == 0.0 {
        return vec![0; times.len()];
    }
    let quotas: Vec<f64> = times.iter().map(|time| proportional_quota(time.0 as f64, whole, total as f64)).collect();
    largest_remainder(&quotas, Microjoules(total)).into_iter().map(|part| part.0).collect()
}

/// Adds `missing` to `parts`: equally as often as it goes round, the rest by largest remainder.
fn hand_out(parts: &mut [Microjoules], quotas: &[f64], missing: u64) {
    let count = parts.len() as u64;
    let (each, rest) = (missing / count, (missing % count) as usize);
    if each > 0 {
        for part in &mut *parts {
            part.0 += each;
        }
    }
    for index in first_by(quotas, rest, |left, right| right.total_cmp(left)) {
        parts[index].0 += 1;
    }
}

/// Takes `surplus` back: one from each of the smallest remainders, and where that is not enough, what there is from the
/// last ones.
fn take_back(parts: &mut [Microjoules], quotas: &[f64], mut surplus: u128) {
    let donors = usize::try_from(surplus).unwrap_or(usize::MAX).min(parts.len());
    for index in first_by(quotas, donors, f64::total_cmp) {
        if parts[index].0 > 0 {
            parts[index].0 -= 1;
            surplus -= 1;
        }
    }
    for part in parts.iter_mut().rev() {
        let taken = surplus.min(u128::from(part.0));
        part.0 -= taken as u64;
        surplus -= taken;
    }
}

/// The indices of the `count` quotas whose remainders come first in `order`; equal ones by index.
fn first_by(quotas: &[f64], count: usize, order: impl Fn(&f64, &f64) -> Ordering) -> impl Iterator<Item = usize> {
    let mut remainders: Vec<(f64, usize)> = Vec::new();
    if count > 0 {
        remainders.extend(quotas.iter().map(|&quota| remainder(quota)).zip(0..));
    }
    if count > 0 && count < remainders.len() {
        remainders.select_nth_unstable_by(count - 1, |left, right| order(&left.0, &right.0).then(left.1.cmp(&right.1)));
        remainders.truncate(count);
    }
    remainders.into_iter().map(|(_, index)| index)
}

/// The whole microjoules of a quota. The cast cuts towards zero and makes 0 of negative quotas and NaN.
fn floor(quota: f64) -> Microjoules {
    Microjoules(if quota < f64::INFINITY { quota as u64 } else { 0 })
}

/// What a quota loses by [`floor`]; at least zero.
fn remainder(quota: f64) -> f64 {
    if quota > 0.0 && quota < f64::INFINITY { (quota - floor(quota).0 as f64).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(parts: &[Microjoules]) -> u128 {
        parts.iter().map(|part| u128::from(part.0)).sum()
    }

    #[test]
    fn the_largest_remainders_get_what_is_left_and_ties_go_by_index() {
        let parts = largest_remainder(&[1.2, 2.7, 3.1, 2.0], Microjoules(9));
        assert_eq!(parts, [1, 3, 3, 2].map(Microjoules));
        assert_eq!(largest_remainder(&[0.5; 4], Microjoules(2)), [1, 1, 0, 0].map(Microjoules));
    }

    #[test]
    fn quotas_that_are_no_numbers_count_as_zero_and_the_sum_still_holds() {
        let parts = largest_remainder(&[f64::NAN, f64::INFINITY, -5.0, 7.0], Microjoules(7));
        assert_eq!(parts, [0, 0, 0, 7].map(Microjoules));
        assert_eq!(largest_remainder(&[0.0, 0.0, 0.0], Microjoules(5)), [2, 2, 1].map(Microjoules));
        assert_eq!(largest_remainder(&[], Microjoules(5)), []);
    }

    #[test]
    fn counts_go_by_time_and_add_up() {
        let times = [30, 0, 60].map(Nanoseconds);
        assert_eq!(divide_count(100, &times), [33, 0, 67]);
        assert_eq!(divide_count(u64::MAX, &times).iter().sum::<u64>(), u64::MAX);
        assert_eq!(divide_count(7, &[Nanoseconds::ZERO; 2]), [0, 0]);
    }

    #[test]
    fn floors_that_overshoot_are_taken_back() {
        assert_eq!(sum(&largest_remainder(&[3.0, 3.0, 3.0], Microjoules(8))), 8);
        assert_eq!(sum(&largest_remainder(&[1e300, 5.0], Microjoules(2))), 2);
        assert_eq!(sum(&largest_remainder(&[4.0, 0.0], Microjoules(0))), 0);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_whatever_the_quotas(
            quotas in prop::collection::vec(prop::num::f64::ANY, 1..200),
            total in any::<u64>(),
        ) {
            prop_assert_eq!(sum(&largest_remainder(&quotas, Microjoules(total))), u128::from(total));
        }

        #[test]
        fn parts_stay_within_a_microjoule_of_proportional_quotas(
            activity in prop::collection::vec(0_u64..1 << 40, 1..2000),
            total in 0_u64..1 << 45,
        ) {
            let whole = activity.iter().sum::<u64>() as f64;
            prop_assume!(whole > 0.0);
            let quotas: Vec<f64> =
                activity.iter().map(|&part| proportional_quota(part as f64, whole, total as f64)).collect();
            let parts = largest_remainder(&quotas, Microjoules(total));
            prop_assert_eq!(sum(&parts), u128::from(total));
            for (part, quota) in parts.iter().zip(&quotas) {
                prop_assert!((part.0 as f64 - quota).abs() <= 1.0, "{} for a quota of {}", part, quota);
            }
        }

        #[test]
        fn the_order_matters_only_for_ties(
            mut quotas in prop::collection::vec(0.0_f64..1e6, 1..100),
            seed in any::<prop::sample::Index>(),
        ) {
            let total = Microjoules(quotas.iter().sum::<f64>() as u64);
            let mut before = largest_remainder(&quotas, total);
            let turn = seed.index(quotas.len());
            quotas.rotate_left(turn);
            before.rotate_left(turn);
            for (left, right) in before.iter().zip(largest_remainder(&quotas, total)) {
                prop_assert!(left.0.abs_diff(right.0) <= 1);
            }
        }
    }
}
