//! The integral of what is written is what the books say, over random lives in a real ledger.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::intervals::Intervals;
use super::super::series::Series;
use crate::activity::ConsumerId;
use crate::clock::Timestamp;
use crate::config::LedgerConfig;
use crate::snapshot::test_books::{TestBooks, attribution, consumer, made, named, package, removed, share};
use crate::snapshot::{Generation, Snapshot};
use crate::units::Nanoseconds;

#[derive(Clone, Debug)]
enum Step {
    Start {
        cgroup: u64,
    },
    /// Energy of a socket in a window: active and idle of whoever.
    Window {
        millis: u64,
        socket: u32,
        who: Vec<(usize, u64, u64)>,
    },
    RemoveCgroup {
        cgroup: u64,
    },
    Picture {
        whole: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop::collection::vec((any::<usize>(), 0..1_000_000_u64, 0..1_000_u64), 0..6);
    prop_oneof![
        2 => (100..106_u64).prop_map(|cgroup| Step::Start { cgroup }),
        8 => (1..2_000_u64, 0..2_u32, who).prop_map(|(millis, socket, who)| Step::Window { millis, socket, who }),
        1 => (100..106_u64).prop_map(|cgroup| Step::RemoveCgroup { cgroup }),
        4 => prop::bool::weighted(0.2).prop_map(|whole| Step::Picture { whole }),
    ]
}

/// What a reader of the database makes of it: every power counts since the point before it in its series.
#[derive(Default)]
struct Reader {
    series: BTreeMap<String, (Timestamp, f64)>,
}

impl Reader {
    fn read(&mut self, tags: &str, at: Timestamp, watts: f64) {
        let (before, joules) = self.series.entry(tags.to_owned()).or_insert((at, 0.0));
        *joules += watts * (at.0 - before.0) as f64 / 1e9;
        *before = at;
    }

    fn joules(&self, socket: usize, wanted: impl Fn(&str) -> bool) -> f64 {
        let of_socket = format!(",socket={socket},");
        let fits = |tags: &str| tags.contains(&of_socket) && wanted(tags);
        self.series.iter().filter(|(tags, _)| fits(tags)).map(|(_, (_, joules))| joules).sum()
    }
}

struct World {
    books: TestBooks,
    alive: Vec<ConsumerId>,
    made: Vec<u64>,
    first: Snapshot,
    latest: Generation,
    intervals: Intervals,
    series: Series,
    reader: Reader,
}

impl World {
    fn new(max_cgroups: usize) -> Self {
        let config =
            LedgerConfig { max_cgroups, ended_retention: std::time::Duration::ZERO, ..LedgerConfig::default() };
        let mut books = TestBooks::new(&config);
        // Something before the first picture, which is not written.
        books.charged_window(10, &[(consumer(1, 1), 5_000_000)], &[]);
        let first = books.picture();
        let mut intervals = Intervals::new("node-1", true);
        assert_eq!(intervals.next(&first), None);
        let latest = first.generation;
        Self {
            books,
            alive: vec![consumer(1, 1)],
            made: Vec::new(),
            first,
            latest,
            intervals,
            series: Series::default(),
            reader: Reader::default(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start { cgroup } => {
                let one = consumer(cgroup, 10 + self.alive.len() as u32);
                let mut events = vec![named(one, "sh")];
                if !self.made.contains(&cgroup) {
                    let path =
                        if cgroup % 2 == 0 { format!("/c{cgroup}") } else { format!("/docker-{cgroup:064x}.scope") };
                    events.insert(0, made(cgroup, &path));
                    self.made.push(cgroup);
                }
                self.alive.push(one);
                self.books.window(Nanoseconds::from_millis(10), &[(one, 1_000)], &events, &[]);
            }
            Step::Window { millis, socket, who } => {
                let shares = who.into_iter().filter_map(|(who, active, idle)| {
                    let one = *self.alive.get(who % self.alive.len().max(1))?;
                    Some(share(one, active, idle))
                });
                let mut by_consumer = BTreeMap::new();
                by_consumer.extend(shares.map(|one| (one.consumer, one)));
                let length = Nanoseconds::from_millis(millis);
                let shares: Vec<_> = by_consumer.into_values().collect();
                let ran: Vec<_> = shares.iter().map(|share| (share.consumer, 1_000_000)).collect();
                let now = self.books.now;
                let energy = attribution(package(socket), now, now + length, shares);
                self.books.window(length, &ran, &[], &[energy]);
            }
            Step::RemoveCgroup { cgroup } => {
                self.alive.retain(|one| one.cgroup.0 != cgroup);
                self.made.retain(|made| *made != cgroup);
                self.books.window(Nanoseconds::from_millis(10), &[], &[removed(cgroup)], &[]);
            }
            Step::Picture { whole } => self.picture(whole),
        }
    }

    fn picture(&mut self, whole: bool) {
        let picture = if whole { self.books.picture() } else { self.books.changes(self.latest) };
        if picture.generation == self.latest {
            return;
        }
        self.latest = picture.generation;
        let interval = self.intervals.next(&picture).expect("there was one before");
        let reader = &mut self.reader;
        self.series.points(&interval, false, |point| reader.read(point.tags, point.at, point.power.0));
    }

    fn check(&mut self) {
        self.books.charged_window(10, &[], &[]);
        self.picture(false);
        let last = self.books.picture();
        for (socket, line) in last.zones.iter().enumerate() {
            let before = self.first.zones.get(socket);
            let since =
                |total: u64, of: fn(&crate::snapshot::ZoneLine) -> u64| (total - before.map_or(0, of)) as f64 / 1e6;
            let number = line.zone.socket.expect("a package") as usize;
            let measured = since(line.measured.0, |line| line.measured.0);
            let explained = since(line.active.0 + line.idle.0, |line| line.active.0 + line.idle.0);
            let charged = since(line.active.0 + line.idle_shared.0, |line| line.active.0 + line.idle_shared.0);
            let consumers = ["kind=container", "kind=cgroup", "kind=other"];
            for (what, wrote, books) in [
                ("measured", self.reader.joules(number, |tags| tags.ends_with(",target=meter")), measured),
                ("global", self.reader.joules(number, |tags| tags.ends_with(",target=global")), explained),
                (
                    "consumers",
                    self.reader.joules(number, |tags| consumers.iter().any(|kind| tags.contains(kind))),
                    charged,
                ),
            ] {
                assert!((wrote - books).abs() < 1e-7, "{what} of {number}: {wrote} J were written of {books} J");
            }
            for group in last.cgroups.iter().filter(|group| group.container.is_none()) {
                let total: u64 = group
                    .energy
                    .iter()
                    .filter(|part| part.zone == socket)
                    .map(|part| part.active.0 + part.idle.0)
                    .sum();
                let total = total as f64 / 1e6;
                let of_path = format!(",target={}", group.path);
                let wrote = self.reader.joules(number, |tags| tags.ends_with(&of_path));
                assert!(
                    wrote + 1e-7 >= total || group.id.0 == 1,
                    "{}: {wrote} J were written of {total} J",
                    group.path
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_integral_of_what_is_written_is_the_books(
        max_cgroups in prop_oneof![Just(2_usize), Just(100)],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(max_cgroups);
        for step in steps {
            world.take(step);
        }
        world.check();
    }
}
