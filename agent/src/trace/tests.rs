//! Traces through the pipeline, as whoever writes or reads one relies on.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::activity::{Comm, Lifecycle, Pid};
use crate::attribute::attribute;
use crate::clock::Timestamp;
use crate::config::{Policy, StaticPower, Weights};
use crate::confine::Confinement;
use crate::fuse::fixtures::{consumer, node, package, reading, topology, window};
use crate::fuse::{Fusion, Limits};
use crate::identity::Names;
use crate::invocation::{By as SeenBy, Observed, Place};
use crate::source::{Counter, CounterRange, Measure};
use crate::units::{Microjoules, Volts, Watts};

use super::*;

const HEADER: &str = r#"{"prony_trace":1,"node":"n1","cpus":[{"cpu":0,"package":0,"core":0,"kind":"performance"},{"cpu":2,"package":1,"core":0,"kind":"efficiency"}]}"#;

fn options(policy: Policy, by: By) -> ReplayOptions {
    ReplayOptions {
        policy,
        weights: Weights::Common,
        static_power: StaticPower::from([("package-0".into(), Watts(2.0)), ("node".into(), Watts(5.0))]),
        volts: Volts(5.0),
        volts_tolerance: 0.05,
        fork_servers: Vec::new(),
        by,
    }
}

fn replayed(trace: &str, options: &ReplayOptions) -> anyhow::Result<(Replayed, String)> {
    let mut out = Vec::new();
    let done = Replay::run(|| Ok(trace.as_bytes()), options, &mut out)?;
    Ok((done, String::from_utf8(out)?))
}

fn lines(result: &str) -> Vec<Value> {
    result.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} of {line}"))
}

fn written(lines: impl IntoIterator<Item = Value>) -> String {
    lines.into_iter().fold(format!("{HEADER}\n"), |trace, line| trace + &line.to_string() + "\n")
}

/// Ten windows of 100 ms with a package counter, in which /a uses three times as much CPU time as /b, and an invocation.
fn trace() -> String {
    let window = |index: u64| {
        let (at, total) = (1_000_000_000 + index * 100_000_000, 7_000_000 + index * 1_000_001);
        let consumers = json!([
            { "cgroup": "/b", "pid": 7, "comm": "b", "cpu_ns": [[0, 20_000_000], [2, 5_000_000]] },
            { "cgroup": "/a", "pid": 5, "comm": "a", "cpu_ns": [[0, 40_000_000]] },
            { "cgroup": "/a", "pid": 6, "comm": "a", "cpu_ns": [[0, 20_000_000]] },
        ]);
        let idle = [[0, 20_000_000], [2, 95_000_000]];
        let reading = json!({ "source": "rapl", "zone": "package", "socket": 0, "cumulative_uj": total });
        let activity = json!({ "from_ns": at - 100_000_000, "to_ns": at, "idle_ns": idle, "consumers": consumers });
        [json!({ "at_ns": at, "reading": reading }), json!({ "at_ns": at, "activity": activity })]
    };
    let at = |tenths: u64| 1_000_000_000 + tenths * 100_000_000;
    let invocation = json!({ "id": "i", "function": "f", "cgroup": "/a", "start_ns": at(3), "end_ns": at(7) });
    written((0..=10).flat_map(window).chain([json!({ "at_ns": at(10), "invocation": invocation })]))
}

#[test]
fn the_parts_of_a_zone_are_what_its_counter_moved() {
    for policy in [Policy::Separate, Policy::Proportional, Policy::Equal] {
        for by in [By::Process, By::Cgroup] {
            let (done, result) = replayed(&trace(), &options(policy, by)).expect("it is good");
            assert_eq!((done.windows, done.readings, done.invocations, done.refused), (11, 11, 1, 0));
            let parts = lines(&result).into_iter().filter(|line| line.get("invocation").is_none());
            let (mut active, mut idle) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
            for line in parts {
                let whose = line["cgroup"].as_str().expect("whose");
                *active.entry(whose.to_owned()).or_default() += number(&line, "active_uj");
                *idle.entry(whose.to_owned()).or_default() += number(&line, "idle_uj");
            }
            assert_eq!(active.values().sum::<u64>() + idle.values().sum::<u64>(), 10_000_010);
            assert!(active["/a"].abs_diff(3 * active["/b"]) <= 60, "{active:?}");
            assert_eq!(idle["idle"], if policy == Policy::Separate { 2_000_000 } else { 0 });
            assert_eq!((active["kernel"], active["unattributed"]), (0, 0));
        }
    }
}

#[test]
fn an_invocation_has_its_part_of_its_cgroup() {
    for (policy, active, idle) in [(Policy::Separate, 2_400_003, 0), (Policy::Proportional, 2_400_003, 600_000)] {
        let (_, result) = replayed(&trace(), &options(policy, By::Cgroup)).expect("it is good");
        let all = lines(&result);
        let found = all.iter().find(|line| line.get("invocation").is_some()).expect("it is told");
        assert_eq!((&found["invocation"], &found["zone"]), (&"i".into(), &"package-0".into()));
        // Of 6 J in ten windows, those of four.
        assert!(number(found, "active_uj").abs_diff(active) <= 10, "{found}");
        assert!(number(found, "idle_uj").abs_diff(idle) <= 10, "{found}");
    }
}

#[test]
fn the_same_trace_gives_the_same_bytes() {
    let result = || replayed(&trace(), &options(Policy::Equal, By::Process)).expect("it is good").1;
    assert_eq!(result(), result());
}

#[test]
fn processes_are_told_by_number_and_cgroups_without() {
    let whose = |by| -> Vec<(String, Option<u64>)> {
        let (_, result) = replayed(&trace(), &options(Policy::Separate, by)).expect("it is good");
        let first = lines(&result).into_iter().take_while(|line| line["cgroup"] != "kernel");
        first.map(|line| (line["cgroup"].as_str().unwrap().to_owned(), line["pid"].as_u64())).collect()
    };
    let named =
        |pairs: &[(&str, Option<u64>)]| pairs.iter().map(|(of, pid)| ((*of).to_owned(), *pid)).collect::<Vec<_>>();
    assert_eq!(whose(By::Process), named(&[("/b", Some(7)), ("/a", Some(5)), ("/a", Some(6))]));
    assert_eq!(whose(By::Cgroup), named(&[("/b", None), ("/a", None)]));
}

#[test]
fn a_meter_of_charge_gives_the_nodes_energy() {
    let second = |number: u64| {
        let (at, charge) = (number * 1_000_000_000, number * 1_600);
        let activity = json!({ "from_ns": at - 1_000_000_000, "to_ns": at, "consumers": [] });
        let esp32 = json!({ "channel": 2, "meter_us": number * 1_000_000, "charge_mas": charge, "current_ma": 1600 });
        [json!({ "at_ns": at, "activity": activity }), json!({ "at_ns": at, "esp32": esp32 })]
    };
    let trace = written((1..=5).flat_map(second));
    let (_, result) = replayed(&trace, &options(Policy::Separate, By::Cgroup)).expect("it is good");
    let node: Vec<Value> = lines(&result).into_iter().filter(|line| line["zone"] == "node").collect();
    // 1.6 A at 5 V: 8 J a second, 5 of them static; nobody ran.
    let sum = |whose: &str, key: &str| -> u64 {
        node.iter().filter(|line| line["cgroup"] == whose).map(|line| number(line, key)).sum()
    };
    assert_eq!((sum("idle", "idle_uj"), sum("unattributed", "active_uj")), (20_000_000, 12_000_000));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let line = |line: Value| written([line]);
    let activity = |activity: Value| line(json!({ "at_ns": 9, "activity": activity }));
    let reading = |reading: Value| format!("{HEADER}\n\n{}\n", json!({ "at_ns": 9, "reading": reading }));
    for (trace, said) in [
        (String::new(), "line 1: a trace begins with"),
        ("{\"other\":1}\n".into(), "line 1: a trace begins with"),
        ("{\"prony_trace\":2,\"cpus\":[]}\n".into(), "line 1: it is of version 2"),
        ("{\"prony_trace\":1,\"cpus\":[{\"cpu\":3},{\"cpu\":3}]}\n".into(), "line 1: it lists CPU 3 twice"),
        (format!("{HEADER}\nnonsense\n"), "line 2: expected ident"),
        (line(json!({ "at_ns": 9 })), "line 2: it has none of activity"),
        (line(json!({ "at_ns": 1_u64 << 62 })), "line 2: 4611686018427387904 is no time"),
        (activity(json!({ "from_ns": 5, "to_ns": 5, "consumers": [] })), "line 2: its activity goes from 5 to 5"),
        (activity(json!({ "from_ns": 0, "to_ns": 5, "idle_ns": [[1, 5]], "consumers": [] })), "line 2: it has CPU 1"),
        (activity(json!({ "from_ns": 0, "to_ns": 5, "idle_ns": [[0, 101]], "consumers": [] })), "line 2: its idle and"),
        (
            activity(json!({ "from_ns": 0, "to_ns": 5, "consumers": [{ "cgroup": "/" }] })),
            "line 2: missing field `cpu_ns`",
        ),
        (reading(json!({ "source": "s", "zone": "node" })), "line 3: a reading has either"),
        (reading(json!({ "source": "s", "zone": "node", "power_uw": -1 })), "line 3: a reading has either"),
        (reading(json!({ "source": "s", "zone": " ", "power_uw": 1 })), "line 3: ' ' is no zone name"),
        (
            reading(json!({ "source": "s", "zone": "node", "power_uw": 1, "uncertainty": -7 })),
            "line 3: \"uncertainty\" is relative",
        ),
        (
            line(json!({ "at_ns": 9, "invocation": { "id": "i", "start_ns": 1, "end_ns": 2 } })),
            "line 2: an invocation has a cgroup",
        ),
    ] {
        let error = replayed(&trace, &options(Policy::Separate, By::Process)).expect_err(&trace).to_string();
        assert!(error.starts_with(said), "{error}\ninstead of\n{said}");
    }
}

#[test]
fn a_line_that_was_cut_off_at_the_end_is_left_out() {
    let whole = replayed(&trace(), &options(Policy::Separate, By::Process)).expect("it is good");
    let cut = trace() + r#"{"at_ns":2100000000,"reading":{"sour"#;
    assert_eq!(replayed(&cut, &options(Policy::Separate, By::Process)).expect("it is good"), whole);
}

#[test]
fn a_process_that_has_ended_is_forgotten_and_its_number_used_again() {
    let window = |index: u64| {
        let (from, to) = (index * 100, index * 100 + 100);
        let comm = if index < 20 { "before" } else { "after" };
        let consumers = json!([{ "cgroup": "/a", "pid": 5, "comm": comm, "cpu_ns": [[0, 100]] }]);
        let activity = json!({ "from_ns": from, "to_ns": to, "consumers": consumers });
        let reading = json!({ "source": "s", "zone": "package", "cumulative_uj": to });
        let mut lines = vec![json!({ "at_ns": to, "activity": activity }), json!({ "at_ns": to, "reading": reading })];
        if index == 19 {
            lines.push(json!({ "at_ns": to, "exec": { "pid": 5, "path": "/bin/after" } }));
            lines.push(json!({ "at_ns": to, "exit": { "pid": 5 } }));
        }
        lines
    };
    let trace = written((0..40).flat_map(window));
    let (done, result) = replayed(&trace, &options(Policy::Separate, By::Process)).expect("it is good");
    let energy: u64 = lines(&result).iter().map(|line| number(line, "active_uj") + number(line, "idle_uj")).sum();
    assert_eq!((done.windows, energy), (40, 3_900));
}

/// A file that a test reads while the recorder has it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn nowhere() -> Observed {
    Observed {
        id: "lost".into(),
        place: Place::Container("unknown".into()),
        by: SeenBy::Report,
        start: Timestamp(1),
        end: Timestamp(2),
        on_cpu: None,
        reporter: None,
    }
}

#[test]
fn what_was_recorded_is_replayed_as_it_was() {
    let out = Shared::default();
    let mut recorder = Recorder::start(Box::new(out.clone()), &Confinement::none()).expect("a thread");
    recorder.machine("n1", &topology(), &[], &[]);
    let options = options(Policy::Proportional, By::Process);
    let mut fusion = Fusion::new(&options.static_power, Limits::default());
    let mut names = Names::default();
    let mut expected = Vec::new();
    for index in 0..50_u64 {
        let (from, to) = (1_000_000 * index, 1_000_000 * (index + 1));
        let ran = window(from, to, &[(1, 0, 900_000), (2, 0, index * 1_000), (2, 1, 300_000), (3, 1, 7 * index)]);
        let ran = crate::activity::ActivityWindow {
            slices: ran.slices.iter().copied().filter(|slice| !slice.cpu_time.is_zero()).collect(),
            ..ran
        };
        let told = ran.slices.iter().map(|slice| Lifecycle::Named {
            consumer: slice.consumer,
            parent: Pid(1),
            comm: Comm::new("some"),
            kernel_thread: slice.consumer == consumer(3),
        });
        for event in told {
            names.apply(&event);
        }
        for pid in 1..=3 {
            names.set_cgroup_path(consumer(pid).cgroup, &format!("/{pid}"));
        }
        let counter = |total| {
            let range = CounterRange::WrapsAfter(Microjoules(1_000_000));
            Measure::Energy(Counter { total: Microjoules(total % 1_000_001), range, epoch: 0, outlives_agent: false })
        };
        for reading in [
            reading("rapl", package(0), to, counter(index * 31_337)),
            reading("rapl", package(1), to, counter(index * 4_242)),
            reading("meter", node(), to.saturating_sub(300_000), Measure::Power(Watts(31.5 + index as f64 / 3.0))),
        ] {
            recorder.reading(&reading, Timestamp(to));
            fusion.reading(reading);
        }
        recorder.window(&ran, &[], &names);
        fusion.window(Arc::new(ran));
        let mut energy = Vec::new();
        fusion.drain(&mut energy);
        for energy in energy {
            let books = attribute(&energy, options.policy);
            let part = |of: Microjoules| of.0;
            let shares = books.shares.iter().filter(|share| share.consumer != consumer(3));
            expected
                .extend(shares.map(|share| (books.to.0, books.zone.to_string(), part(share.active), part(share.idle))));
        }
    }
    // Reported of a container that nobody has seen.
    recorder.invocation(&nowhere(), &names, Timestamp(50_000_000));
    let written = recorder.finish().expect("it is written");
    assert_eq!((written.windows, written.readings), (50, 150));
    let text = String::from_utf8(out.0.lock().expect("nobody panics").clone()).expect("text");
    assert_eq!(text.len() as u64, written.bytes);
    let (_, result) = replayed(&text, &options).expect("it is good");
    let found: Vec<(u64, String, u64, u64)> = lines(&result)
        .iter()
        .filter(|line| line.get("pid").is_some())
        .map(|line| {
            let zone = line["zone"].as_str().expect("a zone").to_owned();
            (number(line, "to_ns"), zone, number(line, "active_uj"), number(line, "idle_uj"))
        })
        .collect();
    assert_eq!(found, expected);
}
