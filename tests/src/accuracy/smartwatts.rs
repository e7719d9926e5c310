//! `SmartWatts` (Fieni et al., 2020), written from its documented method, with cycles and instructions as its counters.
//!
//! Every second, by package frequency in steps of 100 MHz: a linear model without negative coefficients from the counters of all to
//! RAPL's power, learned anew from the last seconds at that frequency whenever it is off by more than 2 W. Each function gets the
//! part of what the model says, its intercept included, that its own counters give of it. (The original's elastic net is least
//! squares here, and packages are one.)

use std::collections::BTreeMap;

use super::estimate::Energies;
use super::machine::Counted;
use super::run::{Run, Window};
use super::truth::BIN_SECONDS;

/// How many windows a second has.
const SECOND: usize = 10;
/// How far a model may be off, watts.
const THRESHOLD: f64 = 2.0;
/// How many samples it is learned from, at least and at most.
const SAMPLES: std::ops::RangeInclusive<usize> = 3..=60;

/// What was counted in a second, and the power meanwhile.
#[derive(Clone, Copy, Debug)]
struct Sample {
    counted: [f64; 2],
    power: f64,
}

/// Intercept, and watts for each billion a second.
#[derive(Clone, Copy, Debug)]
struct Model {
    intercept: f64,
    slopes: [f64; 2],
}

#[derive(Debug, Default)]
struct Layer {
    samples: Vec<Sample>,
    model: Option<Model>,
}

pub(super) fn smartwatts(run: &Run) -> Energies {
    let bins = (run.windows.len() as f64 / SECOND as f64 / BIN_SECONDS).ceil() as usize;
    let mut energies = vec![vec![0.0; run.functions.len()]; bins];
    let mut layers = BTreeMap::<usize, Layer>::new();
    for (second, windows) in run.windows.chunks(SECOND).enumerate() {
        let (counted, frequency) = counted(run, windows);
        let all = counted.iter().fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
        let sample = Sample { counted: all, power: windows.iter().map(|window| window.rapl).sum() };
        let layer = layers.entry((frequency * 10.0).round() as usize).or_default();
        layer.observe(sample);
        let Some(model) = layer.model else { continue };
        let above = model.above(all);
        for (function, own) in counted.into_iter().enumerate().filter(|_| above > 0.0) {
            energies[(second as f64 / BIN_SECONDS) as usize][function] +=
                model.above(own) / above * (model.intercept + above);
        }
    }
    energies
}

/// Billions of cycles and of instructions of each function, and the frequency in GHz.
fn counted(run: &Run, windows: &[Window]) -> (Vec<[f64; 2]>, f64) {
    let mut of_functions = vec![[0.0; 2]; run.functions.len()];
    let (mut cycles, mut seconds) = (0.0, 0.0);
    for usage in windows.iter().flat_map(|window| &window.usages) {
        let Counted { cycles: own, instructions } = usage.counted;
        of_functions[usage.function][0] += own;
        of_functions[usage.function][1] += instructions;
        cycles += own;
        seconds += usage.seconds;
    }
    (of_functions, if seconds > 0.0 { cycles / seconds } else { 0.0 })
}

impl Layer {
    fn observe(&mut self, sample: Sample) {
        self.samples.push(sample);
        if self.samples.len() > *SAMPLES.end() {
            self.samples.remove(0);
        }
        let is_off = |model: &Model| (model.intercept + model.above(sample.counted) - sample.power).abs() > THRESHOLD;
        if self.samples.len() >= *SAMPLES.start() && self.model.as_ref().is_none_or(is_off) {
            self.model = Some(Model::of(&self.samples));
        }
    }
}

impl Model {
    /// Of all with some of the slopes at zero and none negative, the one that fits best.
    fn of(samples: &[Sample]) -> Self {
        let count = samples.len() as f64;
        let mean = |value: &dyn Fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / count;
        let (x, y, power) = (mean(&|it| it.counted[0]), mean(&|it| it.counted[1]), mean(&|it| it.power));
        let moment = |one: &dyn Fn(&Sample) -> f64, other: &dyn Fn(&Sample) -> f64| mean(&|it| one(it) * other(it));
        let (cycles, instructions) = (|it: &Sample| it.counted[0] - x, |it: &Sample| it.counted[1] - y);
        let above = |it: &Sample| it.power - power;
        let (xx, xy, yy) =
            (moment(&cycles, &cycles), moment(&cycles, &instructions), moment(&instructions, &instructions));
        let (xp, yp) = (moment(&cycles, &above), moment(&instructions, &above));
        let determinant = xx * yy - xy * xy;
        let both = [(xp * yy - yp * xy) / determinant, (yp * xx - xp * xy) / determinant];
        let candidates = [both, [xp / xx, 0.0], [0.0, yp / yy], [0.0, 0.0]];
        let models =
            candidates.into_iter().filter(|slopes| slopes.iter().all(|slope| *slope >= 0.0 && slope.is_finite()));
        let models = models.map(|slopes| Self { intercept: power - slopes[0] * x - slopes[1] * y, slopes });
        let left = |model: &Self| -> f64 {
            samples.iter().map(|it| (model.intercept + model.above(it.counted) - it.power).powi(2)).sum()
        };
        models
            .filter(|model| model.intercept >= 0.0)
            .min_by(|one, other| left(one).total_cmp(&left(other)))
            .unwrap_or(Self { intercept: power, slopes: [0.0; 2] })
    }

    fn above(&self, counted: [f64; 2]) -> f64 {
        self.slopes[0] * counted[0] + self.slopes[1] * counted[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_without_negative_slopes() {
        let sample = |cycles: f64, instructions: f64, power: f64| Sample { counted: [cycles, instructions], power };
        let of = |power: fn(f64, f64) -> f64| {
            let points = [(1.0, 1.0), (2.0, 1.0), (3.0, 4.0), (4.0, 2.0), (2.0, 5.0)];
            Model::of(&points.map(|(cycles, instructions)| sample(cycles, instructions, power(cycles, instructions))))
        };
        let near = |model: Model, expected: [f64; 3]| {
            let found = [model.intercept, model.slopes[0], model.slopes[1]];
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9)
        };
        assert!(near(of(|cycles, instructions| 5.0 + 3.0 * cycles + 0.5 * instructions), [5.0, 3.0, 0.5]));
        let found = of(|cycles, instructions| 9.0 + 3.0 * cycles - 0.5 * instructions);
        assert!(found.slopes[0] > 2.0 && found.slopes[1].abs() < 1e-9, "{found:?}");
    }
}
