//! The policy `proportional` against the attribution of the 2022 notebook (`OpenFaaS` on an Odroid,
//! `tests/fixtures/notebook_run1.csv`): charge of the node times the function's part of all containers' CPU time.

use crate::apportion::proportional_quota;
use crate::config::Policy;
use crate::fuse::fixtures::{consumer, energy_window, node, window};

use super::attribute;

const RUN: &str = include_str!("../../../tests/fixtures/notebook_run1.csv");

struct Row {
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
    let wanted = ["fn_cores", "node_cores", "node_As", "share", "fn_As"].map(column);
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [function_cores, node_cores, node_charge, share, function_charge] =
                wanted.map(|place| fields[place].parse().expect("a number"));
            Row { function_cores, node_cores, node_charge, share, function_charge }
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
