//! What `cargo xtask bench accuracy` promises, on one seed: errors within their limits, and intervals that hold the truth. The runs
//! are simulated, and the same on every machine.

use anyhow::{Context as _, Result, ensure};
use prony::config::Weights;
use prony_tests::accuracy::{HeldOut, Meters, SCENARIOS, by_prony, covered, error, simulate};

const SEED: u64 = 1;
/// Of a function's energy over 10 s: by RAPL about packages, and by a meter once a second about the machine.
const LIMITS: [(&str, f64, f64); 3] =
    [("equal intensities", 0.02, 0.03), ("unequal intensities", 0.05, 0.05), ("short invocations", 0.05, 0.10)];
/// How often the truth has to be within what is said to hold it in 95 of 100 cases, over all of these.
const COVERED: f64 = 0.9;

#[test]
fn what_functions_draw_is_said_within_the_limits_and_with_its_error() -> Result<()> {
    let (mut within, mut count) = (0.0, 0.0);
    for (name, by_rapl, by_meter) in LIMITS {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).context(name)?;
        let run = simulate(scenario, SEED);
        for (meters, of_node, limit) in [(Meters::Rapl, false, by_rapl), (Meters::Node, true, by_meter)] {
            let said = by_prony(&HeldOut::of(&run, meters, scenario.counted_from), of_node, Weights::Learned)?;
            let truth = if of_node { &run.truth.node } else { &run.truth.packages };
            let error = error(&said.energies, truth, scenario.counted_from);
            ensure!(error > 0.0 && error <= limit, "{name}, {meters:?}: off by {error:.4}, not {limit} at most");
            within += covered(&said, truth, scenario.counted_from);
            count += 1.0;
        }
    }
    ensure!(within / count >= COVERED, "only {:.3} are within what was said", within / count);
    Ok(())
}
