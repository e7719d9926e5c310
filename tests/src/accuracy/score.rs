//! How far a method is off.

use super::estimate::{Energies, Said};
use super::truth::BIN_SECONDS;

/// A function counts in a bin if it used at least this part of what all functions used.
const LEAST_PART: f64 = 0.01;
/// How many sigmas of a normal distribution hold 95 of 100 values.
const TWO_SIDED_95: f64 = 1.96;

/// The mean over bins and functions of how far off a function's energy is, relative to its true energy. The last function
/// is the system, which is none.
pub fn error(said: &Energies, truth: &[Vec<f64>], counted_from: f64) -> f64 {
    mean(counted(truth, counted_from).map(|(bin, function, truth)| (said[bin][function] - truth).abs() / truth))
}

/// For how many of them the truth lies within the interval that is said to hold it in 95 of 100 cases.
pub fn covered(said: &Said, truth: &[Vec<f64>], counted_from: f64) -> f64 {
    let off = |(bin, function, truth): (usize, usize, f64)| (said.energies[bin][function] - truth).abs();
    let is_within = |at: (usize, usize, f64)| f64::from(u8::from(off(at) <= TWO_SIDED_95 * said.sigmas[at.0][at.1]));
    mean(counted(truth, counted_from).map(is_within))
}

/// Bins, functions and the true energies that count.
fn counted(truth: &[Vec<f64>], from: f64) -> impl Iterator<Item = (usize, usize, f64)> {
    truth.iter().enumerate().skip((from / BIN_SECONDS) as usize).flat_map(|(bin, truth)| {
        let least = LEAST_PART * truth.iter().sum::<f64>();
        let functions = truth.iter().copied().enumerate().take(truth.len() - 1);
        functions
            .filter(move |(_, truth)| *truth >= least && *truth > 0.0)
            .map(move |(function, truth)| (bin, function, truth))
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
