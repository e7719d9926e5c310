//! The books over random lives: exact at every picture, and no counter falls.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::test_books::{
    Counters, LineKey, TestBooks, attribution, consumer, counters, lines, made, named, package, removed, share,
};
use super::{Generation, Snapshot};
use crate::activity::{ConsumerId, Lifecycle};
use crate::clock::Timestamp;
use crate::config::LedgerConfig;
use crate::units::Nanoseconds;

const COMMS: [&str; 5] = ["sh", "python3", "nginx", "fwatchdog", "kworker"];

#[derive(Clone, Debug)]
enum Step {
    Start { cgroup: u8, comm: u8, named: bool },
    Run { who: Vec<(u8, u32)>, millis: u16 },
    Charge { zone: u8, who: Vec<(u16, u32, u32)> },
    Rename { who: u8, comm: u8 },
    End { who: u8 },
    RemoveCgroup { cgroup: u8 },
    Picture,
    Changes { back: u8 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let runners = prop::collection::vec((any::<u8>(), 1..1_000_000_u32), 0..6);
    let charged = prop::collection::vec((any::<u16>(), 0..100_000_u32, 0..100_u32), 0..6);
    prop_oneof![
        4 => (0..6_u8, 0..5_u8, prop::bool::weighted(0.9)).prop_map(|(cgroup, comm, named)| Step::Start { cgroup, comm, named }),
        8 => (runners, prop_oneof![Just(10_u16), Just(1_000), Just(11_000)]).prop_map(|(who, millis)| Step::Run { who, millis }),
        6 => (0..3_u8, charged).prop_map(|(zone, who)| Step::Charge { zone, who }),
        1 => (any::<u8>(), 0..5_u8).prop_map(|(who, comm)| Step::Rename { who, comm }),
        3 => any::<u8>().prop_map(|who| Step::End { who }),
        1 => (0..6_u8).prop_map(|cgroup| Step::RemoveCgroup { cgroup }),
        3 => Just(Step::Picture),
        2 => (0..10_u8).prop_map(|back| Step::Changes { back }),
        1 => Just(Step::Restart),
    ]
}

fn config() -> impl Strategy<Value = LedgerConfig> {
    (0..6_usize, 0..6_usize, 0..6_usize, 0..4_usize, 0..3_u64).prop_map(
        |(processes, cgroups, commands, ended, seconds)| LedgerConfig {
            max_processes: processes,
            max_cgroups: cgroups,
            max_commands: commands,
            max_functions: commands,
            max_ended: ended,
            ended_retention: Duration::from_secs(seconds),
        },
    )
}

/// What a reader of pictures has seen, and what was put into the books.
struct World {
    books: TestBooks,
    config: LedgerConfig,
    alive: Vec<ConsumerId>,
    ever: Vec<ConsumerId>,
    next_pid: u32,
    /// Cgroups are made anew under the same name with another number.
    cgroups: [u64; 6],
    next_cgroup: u64,
    events: Vec<Lifecycle>,
    shown: Option<Snapshot>,
    measured: HashMap<String, u64>,
    cpu_time: u64,
}

impl World {
    fn new(config: LedgerConfig) -> Self {
        Self {
            books: TestBooks::new(&config),
            config,
            alive: Vec::new(),
            ever: Vec::new(),
            next_pid: 10,
            cgroups: [100, 101, 102, 103, 104, 105],
            next_cgroup: 106,
            events: Vec::new(),
            shown: None,
            measured: HashMap::new(),
            cpu_time: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start { cgroup, comm, named: has_name } => self.start(cgroup, comm, has_name),
            Step::Run { who, millis } => self.run(&who, millis),
            Step::Charge { zone, who } => self.charge(zone, &who),
            Step::Rename { who, comm } => {
                if let Some(consumer) = pick(&self.alive, who.into()) {
                    self.events.push(named(consumer, COMMS[usize::from(comm)]));
                }
            }
            Step::End { who } => {
                if let Some(consumer) = pick(&self.alive, who.into()) {
                    self.end(consumer);
                }
            }
            Step::RemoveCgroup { cgroup } => self.remove_cgroup(cgroup),
            Step::Picture => self.picture(),
            Step::Changes { back } => self.changes(back),
            Step::Restart => {
                // What is charged after the window that was written last is charged again by the next agent.
                self.run(&[], 10);
                self.books.restart(&self.config);
            }
        }
    }

    fn start(&mut self, cgroup: u8, comm: u8, has_name: bool) {
        let fresh = consumer(self.cgroups[usize::from(cgroup)], self.next_pid);
        self.next_pid += 1;
        self.alive.push(fresh);
        self.ever.push(fresh);
        if has_name {
            self.events.push(named(fresh, COMMS[usize::from(comm)]));
        }
    }

    fn run(&mut self, who: &[(u8, u32)], millis: u16) {
        let mut ran: HashMap<ConsumerId, u64> = HashMap::new();
        for (index, cpu_time) in who {
            if let Some(consumer) = pick(&self.alive, (*index).into()) {
                ran.insert(consumer, u64::from(*cpu_time));
            }
        }
        self.cpu_time += ran.values().sum::<u64>();
        let ran: Vec<_> = ran.into_iter().collect();
        // Half of the events come with the window in which what they speak of ran.
        let events = std::mem::take(&mut self.events);
        self.books.window(Nanoseconds::from_millis(millis.into()), &ran, &events, &[]);
    }

    fn charge(&mut self, zone: u8, who: &[(u16, u32, u32)]) {
        let mut shares = HashMap::new();
        for (index, active, idle) in who {
            let consumer = pick(&self.ever, usize::from(*index)).unwrap_or(ConsumerId::OVERFLOW);
            shares.insert(consumer, share(consumer, u64::from(*active), u64::from(*idle)));
        }
        let from = Timestamp(self.books.now.0 - 300_000_000);
        let energy = attribution(package(zone.into()), from, self.books.now, shares.into_values().collect());
        *self.measured.entry(energy.zone.to_string()).or_default() += energy.measured.0;
        self.books.ledger.charge(&energy, &self.books.names);
    }

    fn end(&mut self, consumer: ConsumerId) {
        self.alive.retain(|alive| *alive != consumer);
        self.events.push(Lifecycle::Ended { consumer });
    }

    fn remove_cgroup(&mut self, cgroup: u8) {
        let number = self.cgroups[usize::from(cgroup)];
        let inside: Vec<ConsumerId> =
            self.alive.iter().copied().filter(|consumer| consumer.cgroup.0 == number).collect();
        for consumer in inside {
            self.end(consumer);
        }
        self.events.push(removed(number));
        self.cgroups[usize::from(cgroup)] = self.next_cgroup;
        self.events.push(made(self.next_cgroup, "/made/again"));
        self.next_cgroup += 1;
    }

    fn picture(&mut self) {
        let snapshot = self.books.picture();
        assert_eq!(snapshot.busy_cpu_time.0, self.cpu_time);
        for zone in &snapshot.zones {
            assert_eq!(zone.measured.0, self.measured[&zone.zone.to_string()]);
        }
        assert!(snapshot.processes.len() <= self.config.max_processes);
        assert!(snapshot.commands.len() <= self.config.max_commands);
        assert!(snapshot.cgroups.len() <= self.config.max_cgroups);
        if let Some(before) = &self.shown {
            assert_nothing_fell(before, &snapshot);
        }
        self.shown = Some(snapshot);
    }

    /// A reader who has a whole picture and all changes since knows every line.
    fn changes(&mut self, back: u8) {
        let Some(before) = &self.shown else { return };
        let since = Generation(before.generation.0.saturating_sub(back.into()));
        let changes = self.books.changes(since);
        let mut known = lines(before);
        known.extend(lines(&changes));
        let whole = self.books.picture();
        for (key, counters) in lines(&whole) {
            let known = known.get_mut(&key).unwrap_or_else(|| panic!("{key:?} is missing"));
            // A zone that nobody has used yet need not be told again.
            known.resize(counters.len(), 0);
            assert_eq!(*known, counters, "{key:?}");
        }
        self.picture();
    }
}

fn pick<T: Copy>(from: &[T], index: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[index % from.len()])
}

fn assert_nothing_fell(before: &Snapshot, after: &Snapshot) {
    let assert_grown = |what: &dyn std::fmt::Debug, before: &Counters, after: &Counters| {
        assert!(before.iter().zip(after).all(|(before, after)| before <= after), "{what:?}: {before:?} -> {after:?}");
    };
    let later: HashMap<LineKey, Counters> = lines(after);
    for (key, before) in lines(before) {
        if let Some(after) = later.get(&key) {
            assert_grown(&key, &before, after);
        }
    }
    for (before, after) in [
        (&before.other_processes, &after.other_processes),
        (&before.other_commands, &after.other_commands),
        (&before.other_cgroups, &after.other_cgroups),
    ] {
        assert_grown(&"other", &counters(before.cpu_time, &before.energy), &counters(after.cpu_time, &after.energy));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn books_are_exact_and_no_counter_falls(config in config(), steps in prop::collection::vec(step(), 1..250)) {
        let mut world = World::new(config);
        for step in steps {
            world.take(step);
        }
        world.picture();
    }
}
