//! What a model leaves unexplained, and for how long it stays so.

use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

use super::learner::MEMORY;

/// Over so long what is left is added up: what lasts for longer is not told from a wrong coefficient.
const BATCH: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
/// How many batches it weighs that noise is taken to be independent, before there is anything.
const USUAL_WEIGHT: f64 = 2.0;
/// A group's power is never taken to be off its mean by more, relative.
const MOST_UNSTEADY: f64 = 0.5;

/// See the module. Functions have phases, packages get warm: what a model leaves is not independent from one observation to
/// the next, and coefficients are less sure than their number says. So it is added up over batches that are longer than most of
/// what lasts (K.-Y. Liang and S. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986,
/// with batches as clusters).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Noise {
    batch: Batch,
    /// Sums with forgetting, of batches: of their number, and of their squared sums over the number of observations.
    batches: f64,
    squares: f64,
    /// The same of observations, and of the squares of what each group takes, together.
    observations: f64,
    of_groups: f64,
    /// Sum over batches of the products of their scores, by place.
    scores: Vec<Vec<f64>>,
}

/// What is being added up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Batch {
    left: f64,
    observations: f64,
    time: Nanoseconds,
    /// By place: what drove times what was left, times the weight.
    scores: Vec<f64>,
}

/// A power that was observed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed<'a> {
    /// By how much it was above what was foretold, watts.
    pub(super) left: f64,
    /// The sum of the squares of what each part takes of it that may be unsteady by itself, watts².
    pub(super) of_groups: f64,
    /// What drove it: by place.
    pub(super) row: &'a [(usize, f64)],
    /// What it counts.
    pub(super) weight: f64,
    /// For how long.
    pub(super) time: Nanoseconds,
}

impl Noise {
    /// Takes the next one.
    pub(super) fn observe(&mut self, observed: Observed<'_>) {
        let Observed { left, of_groups, row, weight, time } = observed;
        let forget = (-(time.0 as f64) / MEMORY.0 as f64).exp();
        self.observations = self.observations * forget + 1.0;
        self.of_groups = self.of_groups * forget + of_groups;
        for (place, driven) in row {
            let scores = &mut self.batch.scores;
            scores.resize(scores.len().max(place + 1), 0.0);
            scores[*place] += weight * driven * left;
        }
        self.batch.left += left;
        self.batch.observations += 1.0;
        self.batch.time += time;
        if self.batch.time >= BATCH {
            self.end_batch();
        }
    }

    fn end_batch(&mut self) {
        let Batch { left, observations, time, scores } = std::mem::take(&mut self.batch);
        let forget = (-(time.0 as f64) / MEMORY.0 as f64).exp();
        self.batches = self.batches * forget + 1.0;
        self.squares = self.squares * forget + left * left / observations;
        let places = scores.len().max(self.scores.len());
        self.scores.resize(places, Vec::new());
        for (row, score) in self.scores.iter_mut().zip(&scores) {
            row.resize(places, 0.0);
            for (sum, other) in row.iter_mut().zip(&scores) {
                *sum += score * other;
            }
        }
    }

    /// Counts everything that came so far by so much more.
    pub(super) fn scale(&mut self, by: f64) {
        self.batch.scores.iter_mut().for_each(|score| *score *= by);
        self.scores.iter_mut().flatten().for_each(|product| *product *= by * by);
    }

    /// Forgets what was at a place.
    pub(super) fn vacate(&mut self, place: usize) {
        if let Some(score) = self.batch.scores.get_mut(place) {
            *score = 0.0;
        }
        if let Some(row) = self.scores.get_mut(place) {
            row.fill(0.0);
        }
        self.scores.iter_mut().filter_map(|row| row.get_mut(place)).for_each(|product| *product = 0.0);
    }

    /// Adds the variance of all scores to a matrix by place.
    pub(super) fn add_scores(&self, to: &mut [Vec<f64>]) {
        for (row, scores) in to.iter_mut().zip(&self.scores) {
            for (sum, score) in row.iter_mut().zip(scores) {
                *sum += score;
            }
        }
    }

    /// How far the power of a group is off its mean, relative, such that together they are off as much as is left over longer
    /// times, where the variance of single observations is `variance`.
    pub(super) fn unsteadiness(&self, variance: f64) -> f64 {
        if self.of_groups <= 0.0 {
            return MOST_UNSTEADY;
        }
        let lasting = (self.squares + USUAL_WEIGHT * variance) / (self.batches + USUAL_WEIGHT);
        (lasting.max(variance) * self.observations / self.of_groups).sqrt().min(MOST_UNSTEADY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of 0.5 W that changes its sign every `period` seconds, of what takes 10 W.
    fn noise(period: u32) -> Noise {
        let mut noise = Noise::default();
        for step in 0..600_u32 {
            let left = if (step / period).is_multiple_of(2) { 0.5 } else { -0.5 };
            let (row, time) = ([(0, 1.0)], Nanoseconds::SECOND);
            noise.observe(Observed { left, of_groups: 100.0, row: &row, weight: 1.0, time });
        }
        noise
    }

    #[test]
    fn what_groups_take_is_as_unsteady_as_what_is_left() {
        assert!((Noise::default().unsteadiness(1.0) - MOST_UNSTEADY).abs() < 1e-9);
        let found = noise(1).unsteadiness(0.25);
        assert!((0.05..0.06).contains(&found), "{found}");
        let found = noise(10).unsteadiness(0.25);
        assert!((0.14..0.16).contains(&found), "what lasts for ten times as long: {found}");
    }

    #[test]
    fn noise_that_lasts_makes_coefficients_less_sure() {
        let variance = |period: u32| {
            let mut to = vec![vec![0.0]];
            noise(period).add_scores(&mut to);
            to[0][0]
        };
        assert!(variance(1) < 1e-9);
        assert!((variance(10) - 60.0 * 25.0).abs() < 1e-6, "{}", variance(10));
    }

    #[test]
    fn a_place_that_is_vacated_is_forgotten() {
        let mut noise = noise(10);
        noise.vacate(0);
        let mut to = vec![vec![0.0]];
        noise.add_scores(&mut to);
        assert!(to[0][0] < 1e-9);
    }
}
