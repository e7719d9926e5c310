//! Many processes that do nothing, and a few that do little.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Result;

pub(crate) fn run(count: usize, seconds: f64, active: usize, period_ms: f64) -> Result<()> {
    let program = std::env::current_exe()?;
    let children: Vec<Child> = (0..count)
        .map(|index| {
            let mut command = Command::new(&program);
            if index < active {
                command.args(["wake", &seconds.to_string(), &period_ms.to_string()]);
            } else {
                command.args(["sleep", &seconds.to_string()]);
            }
            command.spawn()
        })
        .collect::<Result<_, _>>()?;
    for mut child in children {
        child.wait()?;
    }
    println!("{}", serde_json::json!({ "processes": count }));
    Ok(())
}

/// Wakes every `period_ms` and goes back to sleep.
pub(crate) fn wake(seconds: f64, period_ms: f64) {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs_f64(period_ms / 1e3));
    }
}
