//! The agent under real load for as long as it takes to see what grows: mixed loads, storms of short lives, cgroups that
//! come and go, subscribers, scrapes, and a meter that loses datagrams and reboots. Ends with a table and a verdict.

mod clients;
mod loads;
mod meter;
mod table;
mod verdict;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{Agent, FakeRapl, free_udp_address, needs_agent, needs_bpf, needs_root};

const MINUTES: f64 = 60.0;
const USAGE: &str = "usage: soak [--minutes N]; N is 60 where it is not given, and at least 1";

/// What all that goes on looks at.
#[derive(Clone, Debug, Default)]
struct GoesOn(Arc<AtomicBool>);

impl GoesOn {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends all when it is dropped.
struct EndsAll<'a>(&'a GoesOn);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Does a part of all that goes on. When it ends, by a failure or a panic too, all ends.
fn until_it_is_over<T>(going: &GoesOn, part: impl FnOnce(&GoesOn) -> Result<T>) -> Result<T> {
    let _end = EndsAll(going);
    part(going)
}

fn length(arguments: &[String]) -> Result<Duration> {
    let minutes = match arguments {
        [] => MINUTES,
        [option, minutes] if option == "--minutes" => minutes.parse().ok().context(USAGE)?,
        _ => anyhow::bail!(USAGE),
    };
    ensure!((1.0..=10_000.0).contains(&minutes), USAGE);
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

fn main() -> Result<ExitCode> {
    let length = length(&std::env::args().skip(1).collect::<Vec<_>>())?;
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        anyhow::bail!("{reason}");
    }
    let (rapl, address) = (FakeRapl::new()?, free_udp_address()?);
    let folder = tempfile::tempdir()?;
    let meter = meter::start(address, folder.path())?;
    let agent = Agent::builder().config(&meter::config(address)).arguments(rapl.arguments()).start()?;
    let going = GoesOn::default();
    let states = thread::scope(|scope| {
        let going = &going;
        let mut busy = vec![
            scope.spawn(|| until_it_is_over(going, |going| meter::move_counters(&rapl, going))),
            scope.spawn(|| until_it_is_over(going, |going| clients::subscribe(agent.grpc_address(), going))),
            scope.spawn(|| until_it_is_over(going, |going| clients::scrape(agent.metrics_address(), going))),
        ];
        busy.extend(loads::ALL.map(|load| scope.spawn(move || until_it_is_over(going, load))));
        let watched = until_it_is_over(going, |going| watch::watch(&agent, length, going));
        for part in busy {
            part.join().map_err(|_| anyhow::anyhow!("a part of the load has panicked"))??;
        }
        watched
    })?;
    drop(meter);
    table::print(&states);
    let stopped = agent.stop()?;
    ensure!(stopped.status.success(), "the agent has failed at its end:\n{}", stopped.log);
    let verdict = verdict::of(&states, &stopped.log);
    for finding in &verdict {
        println!("{finding}");
    }
    println!("Warnings of the agent:");
    for warning in stopped.log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")) {
        println!("  {warning}");
    }
    Ok(if verdict.iter().all(verdict::Finding::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_unless_told_otherwise() {
        let length = |words: &[&str]| length(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(length(&[]).unwrap(), Duration::from_hours(1));
        assert_eq!(length(&["--minutes", "1.5"]).unwrap(), Duration::from_secs(90));
        for wrong in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "NaN"], &["8"]] {
            assert!(length(wrong).is_err(), "{wrong:?}");
        }
    }
}
