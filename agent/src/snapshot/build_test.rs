use std::time::Duration;

use super::test_books::{TestBooks, attribution, consumer, made, named, package, removed, share};
use super::{LineState, ProcessLine, Snapshot};
use crate::activity::{ConsumerId, Lifecycle};
use crate::clock::Timestamp;
use crate::config::LedgerConfig;
use crate::units::{Microjoules, Nanoseconds};

fn process(snapshot: &Snapshot, consumer: ConsumerId) -> Option<&ProcessLine> {
    snapshot.processes.iter().find(|line| line.consumer == consumer)
}

fn books() -> TestBooks {
    TestBooks::new(&LedgerConfig { ended_retention: Duration::from_secs(5), ..LedgerConfig::default() })
}

const CPU: u64 = 10_000_000;

#[test]
fn names_that_come_late_are_applied_to_what_was_counted() {
    let mut books = books();
    let id = "3f4a1c0e5b6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708";
    let nameless = consumer(70, 7);
    books.charged_window(100, &[(nameless, CPU)], &[]);
    let before = books.picture();
    let line = process(&before, nameless).unwrap();
    assert_eq!((&*line.comm, &*line.cgroup_path, line.container.is_none()), ("", "?70", true));

    let start = nameless.start;
    let exec = Lifecycle::Exec { at: Timestamp(0), pid: nameless.pid, start, path: "/bin/app".into() };
    let events = [named(nameless, "app"), exec, made(70, &format!("/docker/{id}"))];
    books.charged_window(100, &[], &events);
    let after = books.picture();
    let line = process(&after, nameless).unwrap();
    assert_eq!((&*line.comm, &*line.exe), ("app", "/bin/app"));
    assert_eq!(&*line.container.as_ref().unwrap().id, id);
    assert_eq!(line.energy[0].active, Microjoules(CPU / 100));
    assert_eq!(&*after.cgroups[0].path, format!("/docker/{id}"));
}

#[test]
fn an_ended_process_is_shown_until_it_was_exported_for_long_enough() {
    let mut books = books();
    let short = consumer(70, 7);
    let events = [made(70, "/a"), named(short, "short"), Lifecycle::Ended { consumer: short }];
    books.charged_window(100, &[(short, CPU)], &events);
    for _ in 0..100 {
        books.charged_window(1_000, &[], &[]);
    }
    let first = books.picture();
    let line = process(&first, short).unwrap();
    assert_eq!((line.state, &*line.comm, &*line.cgroup_path), (LineState::Terminated, "short", "/a"));
    for _ in 0..4 {
        books.charged_window(1_000, &[], &[]);
        assert!(process(&books.picture(), short).is_some());
    }
    books.charged_window(1_000, &[], &[]);
    let last = books.picture();
    assert!(process(&last, short).is_none());
    assert_eq!(last.other_processes.energy[0].active, Microjoules(CPU / 100));
    assert_eq!(last.cgroups[0].energy[0].active, Microjoules(CPU / 100));
    assert_eq!(last.commands[0].energy[0].active, Microjoules(CPU / 100));
}

#[test]
fn an_ended_process_that_nobody_asks_for_goes_in_the_end() {
    let mut books = books();
    let short = consumer(70, 7);
    books.charged_window(100, &[(short, CPU)], &[named(short, "short"), Lifecycle::Ended { consumer: short }]);
    for _ in 0..400 {
        books.charged_window(1_000, &[], &[]);
    }
    assert!(process(&books.picture(), short).is_none());
}

#[test]
fn a_removed_cgroup_and_its_commands_are_shown_once_more_and_then_go() {
    let mut books = books();
    let inside = consumer(70, 7);
    books.charged_window(100, &[(inside, CPU)], &[made(70, "/gone"), named(inside, "app")]);
    books.charged_window(100, &[], &[Lifecycle::Ended { consumer: inside }, removed(70)]);
    let picture = books.picture();
    assert_eq!((&*picture.cgroups[0].path, picture.cgroups[0].state), ("/gone", LineState::Terminated));
    assert_eq!(&*picture.commands[0].cgroup_path, "/gone");
    books.charged_window(6_000, &[], &[]);
    let later = books.picture();
    assert_eq!((later.cgroups.len(), later.commands.len(), later.processes.len()), (0, 0, 0));
    assert_eq!(later.other_cgroups.energy[0].active, Microjoules(CPU / 100));
}

#[test]
fn energy_that_comes_after_the_end_goes_to_the_command_and_the_cgroup() {
    let mut books = TestBooks::new(&LedgerConfig { max_ended: 0, ..LedgerConfig::default() });
    let short = consumer(70, 7);
    let events = [made(70, "/a"), named(short, "short"), Lifecycle::Ended { consumer: short }];
    books.window(Nanoseconds::SECOND, &[(short, CPU)], &events, &[]);
    let late = attribution(package(0), Timestamp(0), books.now, vec![share(short, 500, 20)]);
    books.window(Nanoseconds::SECOND, &[], &[], &[late]);
    let picture = books.picture();
    assert!(picture.processes.is_empty());
    assert_eq!(picture.other_processes.energy[0].active, Microjoules(500));
    assert_eq!((picture.commands[0].energy[0].active, &*picture.commands[0].comm), (Microjoules(500), "short"));
    assert_eq!(picture.cgroups[0].energy[0].idle, Microjoules(20));
}

#[test]
fn time_without_a_slot_is_a_line_of_its_own() {
    let mut books = books();
    books.charged_window(100, &[(ConsumerId::OVERFLOW, CPU)], &[]);
    let picture = books.picture();
    assert_eq!(&*picture.processes[0].comm, "?overflow");
    assert_eq!(&*picture.cgroups[0].path, "?overflow");
}

#[test]
fn under_a_tight_budget_the_largest_get_the_lines() {
    let config = LedgerConfig { max_processes: 2, max_cgroups: 1, max_commands: 1, ..LedgerConfig::default() };
    let mut books = TestBooks::new(&config);
    let small: Vec<ConsumerId> = (0..4).map(|number| consumer(70, 10 + number)).collect();
    let large = consumer(71, 99);
    for round in 0..30 {
        let mut ran: Vec<_> = small.iter().map(|small| (*small, 1_000)).collect();
        let mut events: Vec<_> = small.iter().map(|small| named(*small, "small")).collect();
        if round > 0 {
            ran.push((large, CPU));
            events.push(named(large, "large"));
        }
        books.charged_window(1_000, &ran, &events);
    }
    let picture = books.picture();
    assert_eq!(picture.processes.len(), 2);
    assert!(process(&picture, large).is_some());
    assert_eq!(picture.cgroups[0].id, large.cgroup);
    assert_eq!(&*picture.commands[0].comm, "large");
}

#[test]
fn a_smaller_budget_takes_effect_without_a_restart() {
    let mut books = books();
    let ran: Vec<_> = (0..20).map(|number| (consumer(70, 10 + number), CPU)).collect();
    books.charged_window(1_000, &ran, &[]);
    assert_eq!(books.picture().processes.len(), 20);
    books.ledger.reconfigure(&LedgerConfig { max_processes: 5, ..LedgerConfig::default() });
    books.charged_window(11_000, &ran, &[]);
    assert_eq!(books.picture().processes.len(), 5);
}
