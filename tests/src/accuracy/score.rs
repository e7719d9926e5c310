//! How far a method is off.

use super::estimate::Energies;
use super::truth::BIN_SECONDS;

/// A function counts in a bin if it used at least this part of what all functions used.
const LEAST_PART: f64 = 0.01;

/// The mean over bins and functions of how far off a function's energy is, relative to its true energy. The last function
/// is the system, which is none.
pub fn error(said: &Energies, truth: &[Vec<f64>], counted_from: f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let from = (counted_from / BIN_SECONDS) as usize;
    for (said, truth) in said.iter().zip(truth).skip(from) {
        let all: f64 = truth.iter().sum();
        let functions = truth.len() - 1;
        for (said, truth) in said.iter().zip(truth).take(functions).filter(|(_, truth)| **truth >= LEAST_PART * all) {
            sum += (said - truth).abs() / truth;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}
