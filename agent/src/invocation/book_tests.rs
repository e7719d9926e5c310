//! The books of invocations: nothing is lost between them and the function's total.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::fixtures::{consumer, tick};
use super::*;
use crate::activity::{Comm, Pid};
use crate::attribute::Share;
use crate::fuse::Doubt;
use crate::identity::{ContainerFacts, Labels, MetadataNews};
use crate::source::{Provenance, SourceId, Zone, ZoneName};
use crate::units::RelativeUncertainty;

const MS: u64 = 1_000_000;
const ID: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
const LATENESS: Nanoseconds = Nanoseconds(2_000 * MS);

/// One container with the function `hello`, in cgroup 7.
struct Machine {
    book: InvocationBook,
    names: Names,
    now: u64,
    /// All energy that was charged to the container.
    charged: u64,
    finished: Vec<Finished>,
}

impl Machine {
    fn new(began: u64) -> Self {
        let mut machine = Self::unnamed(began);
        machine.name();
        machine
    }

    fn unnamed(began: u64) -> Self {
        let mut names = Names::default();
        names.set_cgroup_path(CgroupId(7), &format!("/docker/{ID}"));
        let options = BookOptions {
            fork_servers: vec!["fwatchdog".into()],
            history: Nanoseconds(10_000 * MS),
            lateness: LATENESS,
            began: Timestamp(began),
            suspended: Nanoseconds::ZERO,
        };
        Self { book: InvocationBook::new(options), names, now: 0, charged: 0, finished: Vec::new() }
    }

    fn name(&mut self) {
        let labels = Labels::from([("faas_function".into(), "hello".into())]);
        let facts = ContainerFacts { id: ID.into(), labels, ..ContainerFacts::default() };
        self.names.metadata(Timestamp(self.now), vec![MetadataNews::Container(Arc::new(facts))]);
    }

    /// One tick that is a window too; every nanosecond of CPU time costs a thousandth of a microjoule.
    fn tick(&mut self, millis: u64, ran: &[(u32, u64)], events: &[Lifecycle]) {
        let from = self.now;
        self.now += millis * MS;
        for event in events {
            self.names.apply(event);
        }
        let window = tick(from, self.now, ran);
        self.book.record(&[window], events, &self.names);
        let shares: Vec<Share> = ran
            .iter()
            .map(|&(pid, cpu_time)| {
                self.charged += cpu_time / 1_000;
                Share {
                    consumer: consumer(pid),
                    active: Microjoules(cpu_time / 1_000),
                    idle: Microjoules::ZERO,
                    doubt: Doubt::default(),
                }
            })
            .collect();
        let measured = shares.iter().map(|share| share.active).sum();
        let attribution = Attribution {
            zone: Zone { name: ZoneName::Package, socket: None },
            source: SourceId("test".into()),
            from: Timestamp(from),
            to: Timestamp(self.now),
            measured,
            idle: Microjoules::ZERO,
            unattributed: Microjoules::ZERO,
            shares,
            uncertainty: RelativeUncertainty(0.05),
            lasting_uncertainty: RelativeUncertainty(0.05),
            provenance: Provenance::Measured,
        };
        self.book.charge(0, &attribution, &self.names);
        let finished = self.book.settle(Timestamp(self.now), &self.names, WallAnchor::take());
        self.finished.extend(finished);
    }

    fn rest(&mut self) {
        for _ in 0..40 {
            self.tick(100, &[], &[]);
        }
    }

    fn report(&mut self, id: &str, start: u64, end: u64) -> Result<(), Refusal> {
        let (start, end) = (Timestamp(start * MS), Timestamp(end * MS));
        let place = Place::Container(ID.into());
        let observed = Observed { id: id.into(), place, by: By::Report, start, end, on_cpu: None, reporter: None };
        self.book.observe(observed, Timestamp(self.now)).map(|_| ())
    }

    fn phases(&self) -> [u64; 3] {
        let totals: Vec<&FunctionTotals> = self.book.totals().map(|(_, totals)| totals).collect();
        Phase::ALL.map(|phase| totals.iter().map(|totals| totals.phases.get(phase, 0).0).sum())
    }

    fn energies(&self) -> HashMap<&str, u64> {
        self.finished.iter().map(|it| (&*it.id, it.energy.iter().map(|zone| zone.energy.0).sum())).collect()
    }
}

fn named(pid: u32, parent: u32, comm: &str) -> Lifecycle {
    Lifecycle::Named { consumer: consumer(pid), parent: Pid(parent), comm: Comm::new(comm), kernel_thread: false }
}

fn ended(pid: u32, at: u64) -> [Lifecycle; 2] {
    let it = consumer(pid);
    [Lifecycle::Exit { at: Timestamp(at * MS), pid: it.pid, start: it.start }, Lifecycle::Ended { consumer: it }]
}

#[test]
fn a_short_invocation_reported_two_seconds_later_has_its_own_energy() {
    let mut machine = Machine::new(1_000);
    machine.tick(10, &[(1, 2 * MS)], &[named(1, 0, "server")]);
    machine.tick(10, &[(1, 6 * MS)], &[]);
    for _ in 0..190 {
        machine.tick(10, &[(1, MS)], &[]);
    }
    machine.report("late", 11, 18).expect("taken");
    machine.rest();
    assert_eq!(machine.energies(), HashMap::from([("late", 6_000)]));
    let invocation = &machine.finished[0];
    assert_eq!((invocation.cpu_time, &*invocation.function.name), (Nanoseconds(6 * MS), "hello"));
    // All of it lies in a tick that is covered to 70 %.
    let sigma = invocation.energy[0].sigma;
    assert!((sigma - (1_800.0_f64.powi(2) + 300.0_f64.powi(2)).sqrt()).abs() < 1e-6, "{sigma}");
    assert_eq!(machine.phases(), [6_000, 0, machine.charged - 6_000], "an old container is warm");
}

#[test]
fn what_precedes_the_first_invocation_of_a_new_container_is_its_cold_start() {
    let mut machine = Machine::new(0);
    machine.tick(100, &[(1, 50 * MS)], &[named(1, 0, "server")]);
    machine.tick(100, &[(1, 10 * MS)], &[]);
    machine.tick(100, &[(1, 4 * MS)], &[]);
    machine.report("first", 100, 200).expect("taken");
    machine.rest();
    assert_eq!(machine.phases(), [10_000, 50_000, 4_000]);
    let (_, totals) = machine.book.totals().next().expect("a function");
    assert_eq!((totals.cold_starts, totals.counts, totals.seconds.count()), (1, [0, 1, 0], 1));
}

#[test]
fn a_process_for_every_request_is_billed_with_its_children() {
    let mut machine = Machine::new(0);
    machine.tick(100, &[(1, MS)], &[named(1, 0, "fwatchdog")]);
    let events = [named(2, 1, "python3"), named(3, 2, "convert"), named(4, 1, "python3")];
    machine.tick(100, &[(1, MS), (2, 5 * MS), (3, 7 * MS), (4, 9 * MS)], &events);
    let ends: Vec<Lifecycle> = [2, 3, 4].into_iter().flat_map(|pid| ended(pid, 150 + u64::from(pid))).collect();
    machine.tick(100, &[(2, MS)], &ends);
    machine.rest();
    assert_eq!(machine.energies(), HashMap::from([("2-2", 13_000), ("4-4", 9_000)]));
    assert_eq!(machine.phases().iter().sum::<u64>(), machine.charged);
    assert_eq!(machine.phases()[0], 22_000);
    assert_eq!(machine.finished[0].end, Timestamp(153 * MS));
}

#[test]
fn energy_from_before_the_name_is_in_the_phases_too() {
    let mut machine = Machine::unnamed(1_000);
    machine.tick(100, &[(1, 50 * MS)], &[named(1, 0, "server")]);
    machine.rest();
    assert_eq!(machine.phases(), [0, 0, 0]);
    machine.name();
    machine.rest();
    assert_eq!(machine.phases(), [0, 0, 50_000]);
}

#[test]
fn what_cannot_be_is_refused_and_says_why() {
    let mut machine = Machine::new(0);
    machine.now = 10_000 * MS;
    assert_eq!(machine.report("back", 20, 10), Err(Refusal::Impossible));
    assert_eq!(machine.report("long", 0, 100_000_000), Err(Refusal::Impossible));
    assert_eq!(machine.report("future", 11_500, 11_600), Err(Refusal::InTheFuture));
    assert_eq!(machine.report("old", 0, 7_000), Err(Refusal::TooLate));
    assert_eq!(machine.report("good", 9_000, 10_000), Ok(()));
}

proptest! {
    /// Whatever runs and is reported: invocations and phases are the function's total to the microjoule, and no phase
    /// ever falls.
    #[test]
    fn phases_are_the_whole(
        steps in prop::collection::vec((10_u64..200, prop::collection::vec((1_u32..4, 0_u64..50 * MS), 0..3)), 1..40),
        reports in prop::collection::vec((0_u64..3_000, 0_u64..500, 0_usize..40), 0..30),
    ) {
        let mut machine = Machine::new(0);
        let mut before = [0; 3];
        machine.tick(1, &[], &[named(1, 0, "a"), named(2, 0, "b"), named(3, 0, "c")]);
        for (step, (millis, ran)) in steps.iter().enumerate() {
            let mut ran: Vec<(u32, u64)> = ran.clone();
            ran.sort_unstable();
            ran.dedup_by_key(|(pid, _)| *pid);
            machine.tick(*millis, &ran, &[]);
            for (number, (start, length, _)) in reports.iter().enumerate().filter(|(_, report)| report.2 == step) {
                let _ = machine.report(&number.to_string(), *start, start + length);
            }
            let phases = machine.phases();
            prop_assert!(before.iter().zip(&phases).all(|(before, now)| before <= now));
            before = phases;
        }
        machine.rest();
        prop_assert_eq!(machine.phases().iter().sum::<u64>(), machine.charged);
        prop_assert_eq!(machine.energies().values().sum::<u64>(), machine.phases()[0]);
    }
}
