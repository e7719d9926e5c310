//! What the switch program costs, next to programs that do less on the same hook, all in one run.
//!
//! Two figures: the kernel's own statistics of a program's run time (they include what the statistics cost, so only
//! differences count), and how much a pinned pipe ping-pong slows down with the program attached and no statistics.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use aya::Ebpf;
use prony::activity::{Topology, read_topology};
use prony::kernel::{Attachment, CounterEvents, CounterState, KernelSide, LoadOptions};
use prony_tests::bench::{Statistics, above, figure, median, ping_pong, yardstick};

const ROUNDS: usize = 30;
const ROUND_SECONDS: f64 = 0.25;

/// Software events that are there on every machine: how often tasks have moved between CPUs, and page faults
/// (`PERF_TYPE_SOFTWARE`, `include/uapi/linux/perf_event.h`). Reading them is only a load, where a PMU's counter takes an
/// instruction of its own.
const STAND_INS: (u32, u64, u64) = (1, 4, 2);

/// Places of the subjects that others are compared with, and of the one that counts.
const NOTHING: usize = 0;
const EMPTY: usize = 1;
const CLOCK: usize = 2;
const PRONY: usize = 3;
const COUNTING: usize = 5;

fn main() -> Result<()> {
    measure(&Statistics::take()?)
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
    /// With cycles and instructions.
    Counting(Attachment),
}

impl Subject {
    fn label(self) -> String {
        match self {
            Self::Nothing => "no program".into(),
            Self::Empty => "empty program".into(),
            Self::Clock => "reads the clock".into(),
            Self::Prony(attachment) => format!("prony ({})", attachment.label()),
            Self::Counting(attachment) => format!("prony ({}), counting", attachment.label()),
        }
    }

    fn attach(self, topology: &Arc<Topology>) -> Result<Attached> {
        Ok(match self {
            Self::Nothing => Attached::Nothing,
            Self::Empty => Attached::Yardstick(yardstick("yardstick_empty")?, "yardstick_empty"),
            Self::Clock => Attached::Yardstick(yardstick("yardstick_clock")?, "yardstick_clock"),
            Self::Prony(attachment) => {
                let options = LoadOptions { attachments: vec![attachment], ..LoadOptions::default() };
                Attached::Prony(Box::new(KernelSide::load(topology, &options)?))
            }
            Self::Counting(attachment) => {
                let options = LoadOptions { attachments: vec![attachment], ..LoadOptions::default() };
                let of_processor = CounterEvents::of_processor(Path::new("/sys"));
                let side =
                    KernelSide::load(topology, &LoadOptions { counters: Some(of_processor), ..options.clone() })?;
                if side.counters == CounterState::Open {
                    return Ok(Attached::Prony(Box::new(side)));
                }
                let (pmu, cycles, instructions) = STAND_INS;
                let counters = Some(CounterEvents::instead(pmu, cycles, instructions));
                Attached::Prony(Box::new(KernelSide::load(topology, &LoadOptions { counters, ..options })?))
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

fn measure(statistics: &Statistics) -> Result<()> {
    let topology = Arc::new(read_topology(Path::new("/sys"))?);
    let subjects = [
        Subject::Nothing,
        Subject::Empty,
        Subject::Clock,
        Subject::Prony(Attachment::TpBtf),
        Subject::Prony(Attachment::RawTp),
        Subject::Counting(Attachment::TpBtf),
    ];
    let mut program_ns = vec![Vec::new(); subjects.len()];
    let mut round_ns = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (index, &subject) in subjects.iter().enumerate() {
            let attached = subject.attach(&topology)?;
            statistics.switch(true)?;
            let (time_before, runs_before) = attached.run_time()?;
            ping_pong(ROUND_SECONDS)?;
            let (time, runs) = attached.run_time()?;
            program_ns[index].push((time - time_before) / (runs - runs_before));
            statistics.switch(false)?;
            round_ns[index].push(ping_pong(ROUND_SECONDS)?);
        }
    }
    println!("| on sched_switch | program ns | above empty | round trip ns | slow-down |");
    println!("|---|---:|---:|---:|---:|");
    for (index, subject) in subjects.iter().enumerate() {
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
    println!("counting cycles and instructions takes {:.1} ns more", above(&program_ns, COUNTING, PRONY));
    ensure!(cost <= 80.0, "the switch program takes too long");
    ensure!(ratio <= 1.5, "the switch program slows switches down too much");
    Ok(())
}
