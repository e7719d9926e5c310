//! Functions: names that come late, containers that change their function, and containers that come and go.

use std::collections::HashMap;
use std::sync::Arc;

use super::test_books::{TestBooks, attribution, consumer, counters, made, named, package, removed, share};
use super::{FunctionLine, Snapshot};
use crate::activity::{ConsumerId, Lifecycle};
use crate::config::LedgerConfig;
use crate::identity::{Labels, MetadataNews, PodFacts};
use crate::units::{Microjoules, Nanoseconds};

const WINDOW: u64 = 100;

fn uid(number: u64) -> String {
    format!("{number:08x}-1111-2222-3333-444455556666")
}

/// The cgroup of the container of a pod.
fn container(number: u64) -> Lifecycle {
    made(number, &format!("/kubepods/burstable/pod{}/{number:064x}", uid(number)))
}

fn pod(number: u64, function: &str) -> MetadataNews {
    let labels = Labels::from([("faas_function".into(), function.into())]);
    let (uid, namespace) = (uid(number).into(), "fn".into());
    MetadataNews::Pod(Arc::new(PodFacts { uid, namespace, labels, ..PodFacts::default() }))
}

impl TestBooks {
    fn tell(&mut self, news: Vec<MetadataNews>) {
        self.names.metadata(self.now, news);
    }
}

fn function<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a FunctionLine> {
    snapshot.functions.iter().find(|line| &*line.function.name == name)
}

fn joules(snapshot: &Snapshot, name: &str) -> u64 {
    function(snapshot, name).map_or(0, |line| line.energy[0].active.0)
}

fn used(line: &super::OtherLine) -> u64 {
    line.energy.iter().map(|energy| energy.active.0).sum()
}

#[test]
fn a_name_that_comes_after_the_energy_is_applied_to_it() {
    let mut books = TestBooks::new(&LedgerConfig::default());
    let (inside, outside) = (consumer(10, 1), consumer(11, 2));
    let events = [container(10), made(11, "/system.slice"), named(inside, "fn"), named(outside, "sshd")];
    books.charged_window(WINDOW, &[(inside, 1_000_000), (outside, 500_000)], &events);
    let early = books.picture();
    assert_eq!((used(&early.pending_functions), used(&early.other_functions)), (10_000, 5_000));
    assert!(early.functions.is_empty());

    books.tell(vec![pod(10, "hello")]);
    books.charged_window(WINDOW, &[(inside, 1_000_000)], &[]);
    let named = books.picture();
    assert_eq!((joules(&named, "hello"), used(&named.pending_functions)), (20_000, 0));
    let line = function(&named, "hello").expect("a line");
    assert_eq!((line.cpu_time, line.containers), (Nanoseconds(2_000_000), 1));
}

#[test]
fn the_container_is_gone_when_its_name_and_its_last_energy_come() {
    let mut books = TestBooks::new(&LedgerConfig::default());
    let brief = consumer(10, 1);
    books.window(Nanoseconds::from_millis(WINDOW), &[(brief, 1_000)], &[container(10), named(brief, "fn")], &[]);
    let ends = [Lifecycle::Ended { consumer: brief }, removed(10)];
    books.window(Nanoseconds::from_millis(WINDOW), &[], &ends, &[]);
    books.tell(vec![pod(10, "hello"), MetadataNews::PodGone(uid(10).into())]);
    let (from, to) = (books.now - Nanoseconds::from_millis(2 * WINDOW), books.now - Nanoseconds::from_millis(WINDOW));
    let late = attribution(package(0), from, to, vec![share(brief, 77, 0)]);
    books.window(Nanoseconds::from_millis(WINDOW), &[], &[], &[late]);
    let picture = books.picture();
    assert_eq!((joules(&picture, "hello"), used(&picture.pending_functions)), (77, 0));
    assert_eq!(function(&picture, "hello").map(|line| line.containers), Some(0));
}

#[test]
fn a_container_that_is_given_another_function_splits_at_that_moment() {
    let mut books = TestBooks::new(&LedgerConfig::default());
    let pooled = consumer(10, 1);
    books.tell(vec![pod(10, "one")]);
    books.charged_window(WINDOW, &[(pooled, 1_000_000)], &[container(10), named(pooled, "fn")]);
    // A quarter into the next window.
    let start = books.now;
    books.now = start + Nanoseconds::from_millis(25);
    books.tell(vec![pod(10, "two")]);
    books.now = start;
    books.charged_window(WINDOW, &[(pooled, 1_000_000)], &[]);
    books.charged_window(WINDOW, &[(pooled, 1_000_000)], &[]);
    let picture = books.picture();
    assert_eq!((joules(&picture, "one"), joules(&picture, "two")), (12_500, 17_500));
    assert_eq!(function(&picture, "two").map(|line| line.cpu_time), Some(Nanoseconds(1_750_000)));
}

#[test]
fn what_is_never_told_is_in_no_function_in_the_end() {
    let mut books = TestBooks::new(&LedgerConfig::default());
    let nameless = consumer(10, 1);
    books.charged_window(WINDOW, &[(nameless, 1_000_000)], &[container(10), named(nameless, "fn")]);
    books.charged_window(WINDOW, &[], &[Lifecycle::Ended { consumer: nameless }, removed(10)]);
    for _ in 0..301 {
        books.charged_window(1_000, &[], &[]);
    }
    let picture = books.picture();
    assert_eq!((used(&picture.pending_functions), used(&picture.other_functions)), (0, 10_000));
}

/// 500 containers a second, each for two windows, named up to two seconds late, over a minute: to the microjoule.
#[test]
fn nothing_is_lost_when_containers_come_and_go() {
    const PER_WINDOW: u64 = 50;
    const WINDOWS: u64 = 600;
    let mut books = TestBooks::new(&LedgerConfig { max_cgroups: 100, max_processes: 100, ..LedgerConfig::default() });
    let mut expected: HashMap<String, u64> = HashMap::new();
    let mut before: HashMap<String, Vec<u64>> = HashMap::new();
    let who = |number: u64| consumer(number, number as u32);
    let name = |number: u64| format!("fn-{}", number % 7);
    for window in 0..WINDOWS + 30 {
        let mut events = Vec::new();
        let mut ran: Vec<(ConsumerId, u64)> = Vec::new();
        let range = |window: u64| (window * PER_WINDOW + 100)..((window + 1) * PER_WINDOW + 100);
        if window < WINDOWS {
            for number in range(window) {
                events.extend([container(number), named(who(number), "fn")]);
                ran.push((who(number), 10_000 + number));
            }
        }
        if let Some(last) = window.checked_sub(1).filter(|last| *last < WINDOWS) {
            for number in range(last) {
                ran.push((who(number), 5_000 + number));
                events.extend([Lifecycle::Ended { consumer: who(number) }, removed(number)]);
            }
        }
        for (consumer, cpu_time) in &ran {
            *expected.entry(name(consumer.cgroup.0)).or_default() += cpu_time / 100;
        }
        if let Some(named) = window.checked_sub(20).filter(|named| *named < WINDOWS) {
            let gone = |number| MetadataNews::PodGone(uid(number).into());
            books.tell(range(named).flat_map(|number| [pod(number, &name(number)), gone(number)]).collect());
        }
        books.charged_window(WINDOW, &ran, &events);
        if window % 10 == 0 {
            let picture = books.picture();
            for line in &picture.functions {
                let now = counters(line.cpu_time, &line.energy);
                let then = before.insert(line.function.name.to_string(), now.clone()).unwrap_or_default();
                assert!(then.iter().zip(&now).all(|(then, now)| then <= now), "{then:?} {now:?}");
            }
        }
    }
    let picture = books.picture();
    assert_eq!(used(&picture.pending_functions), 0);
    for (name, microjoules) in &expected {
        assert_eq!(joules(&picture, name), *microjoules, "{name}");
    }
    let zone = &picture.zones[0];
    let functions: u64 = picture.functions.iter().map(|line| line.energy[0].active.0).sum();
    assert_eq!(Microjoules(functions + used(&picture.other_functions)), zone.active);
    assert_eq!(expected.len(), 7);
}
