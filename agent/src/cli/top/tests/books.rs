//! Powers and shares are what was used between two messages, whatever happens between them.

use prony_proto::energy::v1 as pb;

use super::{args, message, process, time};
use crate::cli::top::args::Sort;
use crate::cli::top::books::Books;
use crate::cli::top::render::render;
use crate::cli::top::rows::{Order, Row, rows};
use crate::cli::top::zones::{default_group, groups};

fn shown(books: &Books, sort: Sort, filter: &str) -> Vec<Row> {
    let groups = groups(&books.picture.zones);
    rows(books, &groups[default_group(&groups)], &Order { sort, reverse: false, filter })
}

fn watts(books: &Books, pid: u32) -> f64 {
    let rows = shown(books, Sort::Name, "");
    rows.iter().find(|row| row.pid == Some(pid)).expect("it has a line").watts
}

#[test]
fn power_is_energy_over_the_interval_summed_over_sockets() {
    let mut books = Books::default();
    books.apply(message(1, 0, true, vec![process(1, "a", "/a", 1_000_000, 100)]));
    assert!((watts(&books, 1) - 2.5).abs() < 1e-9, "at first what the agent tells");
    assert_eq!(shown(&books, Sort::Watts, "")[0].cpu_percent, None);
    books.apply(message(1, 500, false, vec![process(1, "a", "/a", 2_000_000, 350)]));
    let rows = shown(&books, Sort::Watts, "");
    assert!((rows[0].watts - 4.0).abs() < 1e-9, "1 J in each of two packages in 0.5 s");
    assert!((rows[0].joules - 4.0).abs() < 1e-9);
    assert!((rows[0].cpu_percent.expect("an interval") - 50.0).abs() < 1e-9);
}

#[test]
fn figures_that_no_agent_sends_are_survived() {
    let mut line = process(1, "a", "/a", u64::MAX / 2, 1);
    let absurd = |zone| pb::ZoneEnergy { zone, active_microjoules: u64::MAX, idle_microjoules: 1, power_watts: 1.0 };
    line.totals.as_mut().expect("totals").energy.extend([absurd(0), absurd(u32::MAX)]);
    let mut books = Books::default();
    for at in [0, 1_000] {
        let mut message = message(1, at, true, vec![line.clone()]);
        let picture = message.picture.as_mut().expect("a picture");
        picture.other = Some(pb::Totals { cpu_nanoseconds: u64::MAX, energy: vec![absurd(0), absurd(7)] });
        books.apply(message);
    }
    assert!(shown(&books, Sort::Joules, "")[0].joules >= u64::MAX as f64 / 1e6);
    books.picture.at = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: i32::MAX });
    assert!(render(&books, &args(&["--once", "--output", "json"])).expect("JSON").contains("9999-12-31"));
}

#[test]
fn a_line_that_is_left_out_rests_and_a_closed_one_goes() {
    let mut books = Books::default();
    let lines = vec![process(1, "a", "/a", 1_000_000, 1), process(2, "b", "/b", 1_000_000, 1)];
    books.apply(message(1, 0, true, lines));
    books.apply(message(1, 1000, false, vec![process(2, "b", "/b", 2_000_000, 2)]));
    assert!(watts(&books, 1).abs() < 1e-9);
    assert!((watts(&books, 2) - 2.0).abs() < 1e-9);
    let mut closed = process(1, "a", "/a", 0, 0);
    (closed.state, closed.totals) = (pb::LineState::Closed as i32, None);
    books.apply(message(1, 2000, false, vec![closed]));
    assert_eq!(shown(&books, Sort::Name, "").len(), 1);
}

#[test]
fn missed_messages_cost_no_energy() {
    let mut books = Books::default();
    books.apply(message(1, 0, true, vec![process(1, "a", "/a", 1_000_000, 1)]));
    let mut late = message(1, 4000, true, vec![process(1, "a", "/a", 9_000_000, 1)]);
    late.missed = 3;
    books.apply(late);
    assert!((watts(&books, 1) - 4.0).abs() < 1e-9, "16 J in 4 s");
    assert_eq!(books.missed, 3);
}

/// The same message, of zones whose meters have told of what was used up to then only.
fn known_until(mut message: pb::WatchResponse, milliseconds: i64) -> pb::WatchResponse {
    for zone in &mut message.picture.as_mut().expect("a picture").zones {
        zone.until = Some(time(milliseconds));
    }
    message
}

#[test]
fn energy_that_comes_late_is_power_over_the_time_that_it_was_used_in() {
    let mut books = Books::default();
    let used = |joules: u64, milliseconds| vec![process(1, "a", "/a", joules * 1_000_000, milliseconds)];
    books.apply(known_until(message(1, 0, true, used(1, 0)), -900));
    books.apply(known_until(message(1, 1000, false, used(3, 500)), 1100 - 1000));
    assert!((watts(&books, 1) - 4.0).abs() < 1e-9, "2 J in each of two packages in the second up to then");
    books.apply(known_until(message(1, 1500, false, used(3, 900)), 100));
    assert!((watts(&books, 1) - 4.0).abs() < 1e-9, "no news is no change");
    books.apply(known_until(message(1, 2000, false, vec![]), 1100));
    assert!(watts(&books, 1).abs() < 1e-9, "it rested while others did not");
}

#[test]
fn a_restarted_agent_begins_anew_instead_of_giving_negative_or_huge_powers() {
    let mut books = Books::default();
    books.apply(message(1, 0, true, vec![process(1, "a", "/a", 90_000_000, 1)]));
    books.apply(message(2, 1000, true, vec![process(1, "a", "/a", 1_000, 1)]));
    assert!((watts(&books, 1) - 2.5).abs() < 1e-9, "what the agent tells");
    assert_eq!(books.interval, None);
}

#[test]
fn a_new_line_counts_from_zero_unless_it_used_more_than_the_interval_can_hold() {
    let mut books = Books::default();
    books.apply(message(1, 0, true, vec![]));
    let born = process(1, "born", "/a", 500_000, 400);
    let emerged = process(2, "emerged", "/a", 500_000_000, 9_000_000);
    books.apply(message(1, 1000, false, vec![born, emerged]));
    assert!((watts(&books, 1) - 1.0).abs() < 1e-9);
    assert!((watts(&books, 2) - 2.5).abs() < 1e-9);
}

#[test]
fn rows_are_sorted_and_filtered() {
    let mut books = Books::default();
    let first = [("bee", 1), ("Ant", 3), ("cow", 2)];
    let lines = |factor: u64| {
        let line = |&(name, amount): &(&str, u64)| {
            process(amount as u32, name, "/zoo.slice", amount * 1_000_000 * factor, 100 * factor * (4 - amount))
        };
        first.iter().map(line).collect::<Vec<_>>()
    };
    books.apply(message(1, 0, true, lines(1)));
    books.apply(message(1, 1000, false, lines(3)));
    for (sort, filter, expected) in [
        (Sort::Watts, "", vec!["Ant", "cow", "bee"]),
        (Sort::Joules, "", vec!["Ant", "cow", "bee"]),
        (Sort::Cpu, "", vec!["bee", "cow", "Ant"]),
        (Sort::Name, "", vec!["Ant", "bee", "cow"]),
        (Sort::Name, "AN", vec!["Ant"]),
        (Sort::Name, "zoo", vec!["Ant", "bee", "cow"]),
        (Sort::Name, "2", vec!["cow"]),
        (Sort::Name, "nobody", vec![]),
    ] {
        let names: Vec<String> = shown(&books, sort, filter).into_iter().map(|row| row.name).collect();
        assert_eq!(names, expected, "{sort:?} {filter}");
    }
}

#[test]
fn zones_are_grouped_over_sockets_and_the_widest_comes_first() {
    let mut zones = message(1, 0, true, vec![]).picture.expect("a picture").zones;
    zones.push(pb::Zone { name: "node".into(), source: "esp32".into(), ..Default::default() });
    zones.push(pb::Zone { name: "package".into(), source: "estimate".into(), ..Default::default() });
    let groups = groups(&zones);
    let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
    assert_eq!(labels, ["package (rapl-perf)", "dram", "node", "package (estimate)"]);
    assert_eq!(groups[0].members, [0, 1]);
    assert_eq!(default_group(&groups), 2);
}
