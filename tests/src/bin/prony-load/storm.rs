//! Many short lives.

use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// More than these at once means that the machine cannot follow; no further one is started until some have ended.
const MOST_AT_ONCE: usize = 64;

pub(crate) fn run(rate: f64, seconds: f64, millis: f64, name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join(name);
    symlink(std::env::current_exe()?, &program)?;
    let start = Instant::now();
    let mut started = 0_u64;
    let mut living: Vec<Child> = Vec::new();
    while start.elapsed().as_secs_f64() < seconds {
        living.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        if started < due && living.len() < MOST_AT_ONCE {
            let life = Command::new(&program).args(["life", &millis.to_string()]).stdin(Stdio::null()).spawn();
            living.push(life.context("starting a life")?);
            started += 1;
        } else {
            // Until the next one is due. Waking more often would be a load of its own.
            std::thread::sleep(Duration::from_secs_f64((1.0 / rate).min(0.01)));
        }
    }
    for mut child in living {
        child.wait()?;
    }
    println!("{}", serde_json::json!({ "started": started, "children_cpu_seconds": children_cpu_seconds()? }));
    Ok(())
}

/// CPU time of all children that have been waited for: fields 16 and 17 of /proc/self/stat, in ticks of 10 ms
/// (`proc_pid_stat(5)`); the kernel adds them up in nanoseconds before it cuts them to ticks.
fn children_cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(") ").context("/proc/self/stat has another form")?.1.split_ascii_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>()? + fields[14].parse::<f64>()?;
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}
