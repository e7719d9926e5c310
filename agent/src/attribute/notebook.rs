//! The policy `proportional` against the attribution of the 2022 notebook (`OpenFaaS` on an Odroid,
//! `tests/fixtures/notebook_run1.csv`): charge of the node times the function's part of all containers' CPU time.

use std::sync::Arc;

use crate::apportion::proportional_quota;
use crate::config::{Policy, StaticPower};
use crate::fuse::fixtures::{consumer, energy_window, node, reading, window};
use crate::fuse::{Fusion, Limits};
use crate::source::{Counter, CounterRange, Measure};
use crate::units::Microjoules;

use super::attribute;

const RUN: &str = include_str!("../../../tests/fixtures/notebook_run1.csv");

struct Row {
    round: f64,
    function_cores: f64,
    node_cores: f64,
    node_charge: f64,
    share: f64,
    function_charge: f64,
}

fn rows() -> Vec<Row> {
    let mut lines = RUN.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |name| header.iter().position(|&title| title == name).expect(name);
    let wanted = ["round", "fn_cores", "node_cores", "node_As", "share", "fn_As"].map(column);
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [round, function_cores, node_cores, node_charge, share, function_charge] =
                wanted.map(|place| fields[place].parse().expect("a number"));
            Row { round, function_cores, node_cores, node_charge, share, function_charge }
        })
        .collect()
}

#[test]
fn quotas_are_the_notebooks_to_the_last_bit() {
    let rows = rows();
    assert_eq!(rows.len(), 51);
    for row in rows {
        let share = proportional_quota(row.function_cores, row.node_cores, 1.0);
        let charge = proportional_quota(row.function_cores, row.node_cores, row.node_charge);
        assert_eq!(share.to_bits(), row.share.to_bits());
        assert_eq!(charge.to_bits(), row.function_charge.to_bits());
    }
}

#[test]
fn whole_microjoules_are_the_notebooks_within_one() {
    // One volt, so that a microampere-second is a microjoule; 10^6 s of CPU time, so that rounding it does not show.
    let cpu_time = |cores: f64| (cores * 1e15).round() as u64;
    for row in rows() {
        let others = cpu_time(row.node_cores) - cpu_time(row.function_cores);
        let activity = window(0, u64::MAX / 2, &[(1, 0, cpu_time(row.function_cores)), (2, 0, others)]);
        let measured = (row.node_charge * 1e6).round();
        for static_energy in [0.0, 0.7, 1.0] {
            let window = energy_window(node(), activity.clone(), measured as u64, (measured * static_energy) as u64);
            let books = attribute(&window, Policy::Proportional);
            assert_eq!(books.books_error(), 0);
            let function = books.shares[0];
            assert_eq!(function.consumer, consumer(1));
            let charged = (function.active.0 + function.idle.0) as f64;
            assert!((charged - row.function_charge * 1e6).abs() <= 1.0, "{charged} for {}", row.function_charge);
        }
    }
}

/// In round 17 the notebook charges one function with 7.68 As, while the board draws 9.50 As: what it draws when it is idle.
/// Under `separate` that cannot be: static power is learned from the rounds before, and nobody is charged for it.
#[test]
fn nobody_is_charged_for_an_idle_board() {
    let rows = rows();
    let rounds: Vec<&[Row]> = rows.chunk_by(|one, next| (one.round - next.round).abs() < 0.5).collect();
    // A round is a minute. One volt, so that a microampere-second is a microjoule.
    let minute = 60_000_000_000_u64;
    let mut fusion = Fusion::new(&StaticPower::new(), Limits::default());
    let (mut total, mut windows) = (Microjoules(0), Vec::new());
    let read = |fusion: &mut Fusion, at: u64, total: Microjoules| {
        let counter = Counter { total, range: CounterRange::Unbounded, epoch: 0, outlives_agent: false };
        fusion.reading(reading("meter", node(), at, Measure::Energy(counter)));
    };
    read(&mut fusion, 0, total);
    for (round, rows) in (0..).zip(&rounds) {
        let cpu_time = |cores: f64| (cores * minute as f64) as u64;
        let mut slices: Vec<(u32, u16, u64)> =
            (1..).zip(*rows).map(|(pid, row)| (pid, 0, cpu_time(row.function_cores))).collect();
        let functions: u64 = slices.iter().map(|slice| slice.2).sum();
        slices.push((100, 0, cpu_time(rows[0].node_cores).saturating_sub(functions)));
        fusion.window(Arc::new(window(round * minute, (round + 1) * minute, &slices)));
        total += Microjoules((rows[0].node_charge * 1e6) as u64);
        read(&mut fusion, (round + 1) * minute, total);
        fusion.drain(&mut windows);
    }
    assert_eq!(windows.len(), rounds.len());
    let at = rounds.iter().position(|rows| (rows[0].round - 17.0).abs() < 0.5).expect("round 17");
    let row = rounds[at].iter().max_by(|one, other| one.share.total_cmp(&other.share)).expect("a function");
    assert!(row.function_charge > 7.6 && row.node_charge < 9.6);
    let books = attribute(&windows[at], Policy::Separate);
    assert_eq!(books.books_error(), 0);
    let charged = books.shares.iter().map(|share| share.active + share.idle).max().expect("a share");
    assert!(charged.0 < 1_000_000, "{} As of {} are charged to one", charged.joules(), row.node_charge);
    assert!(books.shares.iter().all(|share| share.idle.is_zero()));
}
