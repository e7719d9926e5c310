//! What benchmarks of kernel programs share.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf};

const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel's statistics of programs' run times; set as they were before when this is dropped.
#[derive(Debug)]
pub struct Statistics(String);

impl Statistics {
    /// Remembers how they are set.
    ///
    /// # Errors
    /// When this process may not set them.
    pub fn take() -> Result<Self> {
        let before = fs::read_to_string(STATISTICS).context("run as root, on a kernel with bpf statistics (5.1)")?;
        Ok(Self(before.trim().to_owned()))
    }

    /// Switches them on or off.
    ///
    /// # Errors
    /// When this process may not.
    pub fn switch(&self, on: bool) -> Result<()> {
        fs::write(STATISTICS, if on { "1" } else { "0" }).with_context(|| format!("cannot write {STATISTICS}"))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = fs::write(STATISTICS, &self.0) {
            eprintln!("{STATISTICS} is not set back to {}: {error}", self.0);
        }
    }
}

/// A program of the yardstick object on `sched_switch`, attached while this lives.
///
/// # Errors
/// When there is no such object or program, or the kernel refuses it.
pub fn yardstick(name: &str) -> Result<Ebpf> {
    let path = std::env::var("PRONY_YARDSTICK_OBJECT")
        .context("PRONY_YARDSTICK_OBJECT names no object; use `cargo xtask bench`")?;
    let mut object = Ebpf::load_file(path)?;
    let program: &mut BtfTracePoint = object.program_mut(name).context("no such program")?.try_into()?;
    program.load("sched_switch", &Btf::from_sys_fs()?)?;
    program.attach()?;
    Ok(object)
}

/// How much more a subject takes than another. Of the differences within each round, since the machine gets faster and
/// slower from one to the next; of these the one in the middle.
pub fn above(ns: &[Vec<f64>], subject: usize, other: usize) -> f64 {
    median(ns[subject].iter().zip(&ns[other]).map(|(subject, other)| subject - other).collect())
}

/// The one in the middle; no number where there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure for a table.
pub fn figure(figure: f64) -> String {
    if figure.is_nan() { "-".to_owned() } else { format!("{figure:.1}") }
}

/// Nanoseconds of one round trip through a pipe on one CPU, which is two context switches.
///
/// # Errors
/// When the load, which lies beside this program, cannot be run.
pub fn ping_pong(seconds: f64) -> Result<f64> {
    let load = std::env::current_exe()?.with_file_name("prony-load");
    let output = Command::new(load).args(["pingpong", &seconds.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let (rounds, seconds) = (done["rounds"].as_f64(), done["seconds"].as_f64());
    Ok(seconds.context("no seconds")? * 1e9 / rounds.context("no rounds")?)
}
