//! What the switch program costs, next to programs that do less on the same hook, all in one run.
//!
//! Two figures: the kernel's own statistics of a program's run time (they include what the statistics cost, so only
//! differences count), and how much a pinned pipe ping-pong slows down with the program attached and no statistics.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf};
use prony::activity::{Topology, read_topology};
use prony::kernel::{Attachment, KernelSide, LoadOptions};

const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";
const ROUNDS: usize = 30;
const ROUND_SECONDS: f64 = 0.25;

/// Places of the subjects that others are compared with, and of the one that counts.
const NOTHING: usize = 0;
const EMPTY: usize = 1;
const CLOCK: usize = 2;
const PRONY: usize = 3;

fn main() -> Result<()> {
    let before = std::fs::read_to_string(STATISTICS).context("run as root, on a kernel with bpf statistics (5.1)")?;
    let outcome = measure();
    std::fs::write(STATISTICS, before.trim())?;
    outcome
}

/// A program under test, attached while this lives.
enum Attached {
    Nothing,
    Yardstick(Ebpf, &'static str),
    Prony(Box<KernelSide>),
}

#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Nothing,
    Empty,
    Clock,
    Prony(Attachment),
}

impl Subject {
    fn label(self) -> String {
        match self {
            Self::Nothing => "no program".into(),
            Self::Empty => "empty program".into(),
            Self::Clock => "reads the clock".into(),
            Self::Prony(attachment) => format!("prony ({})", attachment.label()),
        }
    }

    fn attach(self, topology: &Arc<Topology>) -> Result<Attached> {
        Ok(match self {
            Self::Nothing => Attached::Nothing,
            Self::Empty => yardstick("yardstick_empty")?,
            Self::Clock => yardstick("yardstick_clock")?,
            Self::Prony(attachment) => {
                let options = LoadOptions { attachments: vec![attachment], ..LoadOptions::default() };
                Attached::Prony(Box::new(KernelSide::load(topology, &options)?))
            }
        })
    }
}

impl Attached {
    /// Nanoseconds and runs so far.
    fn run_time(&self) -> Result<(f64, f64)> {
        match self {
            Self::Nothing => Ok((0.0, 0.0)),
            Self::Yardstick(object, name) => {
                let program = object.program(name).context("no such program")?;
                let time = prony::kernel::ProgramCost::of(Some(program)).read().unwrap_or_default();
                Ok((time.total.0 as f64, time.runs as f64))
            }
            Self::Prony(side) => {
                let time = side.cost.read().unwrap_or_default();
                Ok((time.total.0 as f64, time.runs as f64))
            }
        }
    }
}

fn yardstick(name: &'static str) -> Result<Attached> {
    let path = std::env::var("PRONY_YARDSTICK_OBJECT")
        .context("PRONY_YARDSTICK_OBJECT names no object; use `cargo xtask bench switch`")?;
    let mut object = Ebpf::load_file(path)?;
    let program: &mut BtfTracePoint = object.program_mut(name).context("no such program")?.try_into()?;
    program.load("sched_switch", &Btf::from_sys_fs()?)?;
    program.attach()?;
    Ok(Attached::Yardstick(object, name))
}

fn measure() -> Result<()> {
    let topology = Arc::new(read_topology(std::path::Path::new("/sys"))?);
    let subjects = [
        Subject::Nothing,
        Subject::Empty,
        Subject::Clock,
        Subject::Prony(Attachment::TpBtf),
        Subject::Prony(Attachment::RawTp),
    ];
    let mut program_ns = vec![Vec::new(); subjects.len()];
    let mut round_ns = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (index, &subject) in subjects.iter().enumerate() {
            let attached = subject.attach(&topology)?;
            std::fs::write(STATISTICS, "1")?;
            let (time_before, runs_before) = attached.run_time()?;
            ping_pong(ROUND_SECONDS)?;
            let (time, runs) = attached.run_time()?;
            program_ns[index].push((time - time_before) / (runs - runs_before));
            std::fs::write(STATISTICS, "0")?;
            round_ns[index].push(ping_pong(ROUND_SECONDS)?);
        }
    }
    println!("| on sched_switch | program ns | above empty | round trip ns | slow-down |");
    println!("|---|---:|---:|---:|---:|");
    for (index, subject) in subjects.iter().enumerate() {
        let figure = |figure: f64| if figure.is_nan() { "-".to_owned() } else { format!("{figure:.1}") };
        println!(
            "| {} | {} | {} | {:.0} | {:.1} % |",
            subject.label(),
            figure(median(program_ns[index].clone())),
            figure(above(&program_ns, index, EMPTY)),
            median(round_ns[index].clone()),
            100.0 * above(&round_ns, index, NOTHING) / median(round_ns[NOTHING].clone()),
        );
    }
    let cost = above(&program_ns, PRONY, EMPTY);
    let ratio = above(&round_ns, PRONY, NOTHING) / above(&round_ns, CLOCK, NOTHING);
    println!(
        "\nprony costs {cost:.1} ns more than an empty program (at most 80 wanted) and slows the ping-pong {ratio:.2} times as much as reading the clock (at most 1.5 wanted)"
    );
    ensure!(cost <= 80.0, "the switch program takes too long");
    ensure!(ratio <= 1.5, "the switch program slows switches down too much");
    Ok(())
}

/// How much more a subject takes than another. Of the differences within each round, since the machine gets faster and
/// slower from one to the next; of these the one in the middle.
fn above(ns: &[Vec<f64>], subject: usize, other: usize) -> f64 {
    median(ns[subject].iter().zip(&ns[other]).map(|(subject, other)| subject - other).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds of one round trip, which is two context switches.
fn ping_pong(seconds: f64) -> Result<f64> {
    let load = std::env::current_exe()?.with_file_name("prony-load");
    let output = Command::new(load).args(["pingpong", &seconds.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let (rounds, seconds) = (done["rounds"].as_f64(), done["seconds"].as_f64());
    Ok(seconds.context("no seconds")? * 1e9 / rounds.context("no rounds")?)
}
