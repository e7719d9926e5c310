//! What scripts read.

use super::{args, message, process};
use crate::cli::top::books::Books;
use crate::cli::top::render::render;

fn books() -> Books {
    let lines = |factor: u64| {
        vec![
            process(1, "a", "/a", 1_000_000 * factor, 100 * factor),
            process(2, "b,\"c", "/b", 2_000_000 * factor, 50 * factor),
            process(3, "d", "/d", 500_000 * factor, 10 * factor),
        ]
    };
    let mut books = Books::default();
    books.apply(message(1, 0, true, lines(1)));
    books.apply(message(1, 1000, false, lines(2)));
    books
}

fn printed(line: &[&str]) -> String {
    render(&books(), &args(line)).expect("it can be printed")
}

#[test]
fn json_is_complete_and_what_is_not_listed_is_in_others() {
    let text = printed(&["--once", "--output", "json", "--lines", "2"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("good JSON");
    assert_eq!(json["node"], "made-up");
    assert_eq!(json["at"], "2023-11-14T22:13:21.000000000Z");
    assert_eq!(json["zone"], "package");
    assert_eq!(json["zones"][2]["zone"], "dram-0");
    assert_eq!(json["zones"][0]["provenance"], "measured");
    assert_eq!(json["lines"].as_array().expect("an array").len(), 2);
    assert_eq!(json["lines"][0]["name"], "b,\"c");
    assert_eq!(json["lines"][0]["watts"], 4.0);
    assert_eq!(json["others"]["watts"], 1.0);
}

#[test]
fn csv_has_a_header_and_quotes() {
    let text = printed(&["--once", "--output", "csv", "--zone", "dram"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "zone,watts,joules,cpu_percent,pid,name,place,ended");
    assert_eq!(lines[1], "dram,0.200000,0.400000,5.000,2,\"b,\"\"c\",/b,false");
    assert_eq!(lines.len(), 5);
}

#[test]
fn a_table_is_for_people() {
    let text = printed(&["--once"]);
    assert!(text.contains("package-0       12.50 W  ±1.0 %    measured   rapl-perf\n"), "{text}");
    assert!(text.contains("    4.000     8.000     5.0        2  b,\"c"), "{text}");
    assert!(text.ends_with("(others)\n"), "{text}");
}

#[test]
fn an_unknown_zone_is_told_with_those_that_are_there() {
    let error = render(&books(), &args(&["--once", "--zone", "gpu"])).expect_err("no such zone");
    assert!(error.to_string().contains("package, dram"), "{error}");
}

#[test]
fn the_help_has_examples_and_bad_intervals_are_refused() {
    use clap::{Args, Command};

    let mut command = crate::cli::top::TopArgs::augment_args(Command::new("top"));
    let help = command.render_long_help().to_string();
    assert!(help.contains("prony top --once --output json"), "{help}");
    let refused = command.try_get_matches_from(["top", "--interval", "0s"]).expect_err("too short");
    assert!(refused.to_string().contains("between 1ms and 1h"), "{refused}");
}
