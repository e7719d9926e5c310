//! Bounded loads for tests and benchmarks. Each ends by itself and prints what it has done as one line of JSON.

mod life;
mod pingpong;
mod sleepers;
mod spin;
mod storm;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage:
  prony-load spin SECONDS                    burn one CPU
  prony-load life MILLISECONDS               burn that much CPU time and end
  prony-load life MILLISECONDS CGROUP.PROCS  move into that cgroup, burn that much CPU time there and end
  prony-load storm RATE SECONDS MILLISECONDS NAME
                                             start RATE lives a second, under the command name NAME
  prony-load pingpong SECONDS                one byte back and forth between two processes on one CPU
  prony-load pong                            the other side of pingpong
  prony-load sleepers COUNT SECONDS ACTIVE PERIOD_MS
                                             COUNT processes that sleep, ACTIVE of them waking every PERIOD_MS";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["spin", seconds] => number(seconds).map(|seconds| spin::run(Duration::from_secs_f64(seconds))),
        ["life", millis] => number(millis).map(|millis| life::run(Duration::from_secs_f64(millis / 1e3))),
        ["life", millis, group] => {
            number(millis).and_then(|millis| life::run_in(Path::new(group), Duration::from_secs_f64(millis / 1e3)))
        }
        ["storm", rate, seconds, millis, name] => {
            number(rate).and_then(|rate| storm::run(rate, number(seconds)?, number(millis)?, name))
        }
        ["pingpong", seconds] => number(seconds).and_then(|seconds| pingpong::run(Duration::from_secs_f64(seconds))),
        ["pong"] => pingpong::echo(),
        ["sleepers", count, seconds, active, period] => number(count).and_then(|count| {
            sleepers::run(count as usize, number(seconds)?, number(active)? as usize, number(period)?)
        }),
        ["sleep", seconds] => number(seconds).map(|seconds| std::thread::sleep(Duration::from_secs_f64(seconds))),
        ["wake", seconds, period] => {
            number(seconds).and_then(|seconds| number(period).map(|period| sleepers::wake(seconds, period)))
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prony-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> anyhow::Result<f64> {
    let number: f64 = text.parse().map_err(|_| anyhow::anyhow!("'{text}' is no number"))?;
    anyhow::ensure!((0.0..=1e6).contains(&number), "'{text}' is out of range");
    Ok(number)
}
