//! What a table tells of books that change.

use std::sync::Arc;

use prony_proto::energy::v1 as pb;
use prost::Message;

use super::books::Books;
use super::mirror::{Mirror, name};
use crate::export::grpc::selection::Selection;
use crate::export::grpc::table::Table;

fn busy_books() -> Books {
    let books = Books::new();
    books.start(10, "worker", "/web.slice/abc1.scope");
    books.start(11, "worker", "/web.slice/abc1.scope/inner");
    books.start(12, "cron", "/system.slice/cron.service");
    books.start(13, "shell", "/web.slice/def2.scope");
    books.close_window(&[(10, 5), (11, 7), (12, 11), (13, 13)]);
    books
}

fn table(books: &Books, granularity: pb::Granularity, filter: pb::Filter) -> Table {
    let selection = Selection::new(granularity as i32, Some(filter)).expect("a good filter");
    Table::new(selection, 1, Arc::new(books.snapshot(None)))
}

/// Brings a table up to date as a hub does, and gives the message.
fn step(table: &mut Table, books: &Books) -> pb::WatchResponse {
    let mut picture = books.snapshot(Some(table.generation()));
    if table.wants_whole(&picture) {
        picture = books.snapshot(None);
    }
    let lines = table.apply(Arc::new(picture));
    pb::WatchResponse::decode(table.change(lines)).expect("what we encode can be decoded")
}

fn names(picture: &pb::Picture) -> Vec<String> {
    let mut names: Vec<String> = picture.lines.iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn granularity_and_filter_choose_the_lines_and_other_is_the_rest() {
    use pb::Granularity::{Cgroup, Command, Container, Process, Zone};
    let books = busy_books();
    let none = pb::Filter::default;
    let cgroup = |path: &str| pb::Filter { cgroup: path.into(), ..none() };
    let command = |name: &str| pb::Filter { command: name.into(), ..none() };
    let container = |id: &str| pb::Filter { container: id.into(), ..none() };
    let inner = "/web.slice/abc1.scope/inner";
    let (worker, def2) = ("/web.slice/abc1.scope", "/web.slice/def2.scope");
    for (granularity, filter, expected, other) in [
        (Zone, none(), vec![], 36),
        (Process, pb::Filter { pid: Some(12), ..none() }, vec!["12@/system.slice/cron.service".into()], 25),
        (Process, command("work*"), vec![format!("10@{worker}"), format!("11@{inner}")], 24),
        (
            Command,
            cgroup("/web.slice"),
            vec![format!("shell@{def2}"), format!("worker@{worker}"), format!("worker@{inner}")],
            11,
        ),
        (Command, container("def"), vec![format!("shell@{def2}")], 23),
        (Cgroup, cgroup("*.scope"), vec![worker.into(), def2.into()], 18),
        (Cgroup, cgroup("/web"), vec![], 36),
        (Container, none(), vec!["abc1".into(), "def2".into()], 18),
        (Container, container("abc"), vec!["abc1".into()], 31),
    ] {
        let picture = table(&books, granularity, filter.clone()).whole_picture();
        assert_eq!(names(&picture), expected, "{granularity:?} {filter:?}");
        let mirror = Mirror::of_snapshot(picture);
        assert_eq!(mirror.other().cpu_nanoseconds, other * 1000, "{granularity:?} {filter:?}");
    }
}

#[test]
fn only_what_changed_is_told_and_an_end_once() {
    let books = busy_books();
    let mut table = table(&books, pb::Granularity::Process, pb::Filter::default());
    books.close_window(&[(12, 1)]);
    let message = step(&mut table, &books);
    assert!(!message.whole);
    assert_eq!(names(message.picture.as_ref().expect("a picture")), ["12@/system.slice/cron.service"]);

    books.end(12);
    let lines = step(&mut table, &books).picture.expect("a picture").lines;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].state(), pb::LineState::Ended);
    books.close_window(&[]);
    assert!(step(&mut table, &books).picture.expect("a picture").lines.is_empty());
}

#[test]
fn a_line_that_leaves_the_books_is_closed_and_the_books_stay_exact_meanwhile() {
    for granularity in [pb::Granularity::Process, pb::Granularity::Command, pb::Granularity::Cgroup] {
        let books = busy_books();
        let mut table = table(&books, granularity, pb::Filter::default());
        let mut mirror = Mirror::of_snapshot(table.whole_picture());
        books.fold(12);
        for _ in 0..30 {
            books.close_window(&[(10, 1)]);
            mirror.apply(&step(&mut table, &books));
        }
        assert_eq!(mirror, Mirror::of_snapshot(table.whole_picture()));
        assert!(!mirror.lines.keys().any(|name| name.contains("cron")), "{:?}", mirror.lines);
        assert_eq!(mirror.other().cpu_nanoseconds, 11_000);
    }
}

#[test]
fn a_container_does_not_lose_what_its_lost_cgroups_used() {
    let books = Books::new();
    books.start(1, "a", "/x/abc.scope");
    books.start(2, "b", "/y/abc.scope");
    books.close_window(&[(1, 10), (2, 20)]);
    let mut table = table(&books, pb::Granularity::Container, pb::Filter::default());
    let mut mirror = Mirror::of_snapshot(table.whole_picture());
    books.fold(1);
    for _ in 0..30 {
        books.close_window(&[(2, 1)]);
        mirror.apply(&step(&mut table, &books));
    }
    assert_eq!(mirror.lines["abc"].cpu_nanoseconds, 60_000);
    books.fold(2);
    for _ in 0..30 {
        books.close_window(&[]);
        mirror.apply(&step(&mut table, &books));
    }
    assert!(mirror.lines.is_empty());
    assert_eq!(mirror.other().cpu_nanoseconds, 60_000);
}

#[test]
fn a_cgroup_that_comes_back_adds_to_what_its_container_used_before() {
    let books = Books::new();
    books.start(1, "a", "/x/abc.scope");
    books.start(2, "b", "/y/abc.scope");
    books.close_window(&[(1, 10), (2, 20)]);
    let mut table = table(&books, pb::Granularity::Container, pb::Filter::default());
    let mut mirror = Mirror::of_snapshot(table.whole_picture());
    for seen_without in [0, 30] {
        books.fold(1);
        for _ in 0..seen_without {
            books.close_window(&[(2, 0)]);
            mirror.apply(&step(&mut table, &books));
        }
        books.start(1, "a", "/x/abc.scope");
        books.close_window(&[(1, 3)]);
        mirror.apply(&step(&mut table, &books));
        assert_eq!(mirror, Mirror::of_snapshot(table.whole_picture()));
    }
    assert_eq!(mirror.lines["abc"].cpu_nanoseconds, 36_000);
}

#[test]
fn zones_that_change_places_outdate_the_table() {
    let books = busy_books();
    let table = table(&books, pb::Granularity::Process, pb::Filter::default());
    books.close_window(&[(10, 1)]);
    assert!(!table.is_outdated_by(&books.snapshot(Some(table.generation()))));
    books.add_zone();
    assert!(table.is_outdated_by(&books.snapshot(Some(table.generation()))));
}
