//! A window of activity as a line, and back.

use std::borrow::Cow;
use std::sync::Arc;

use crate::activity::{ActivityWindow, Counts, Lifecycle, ShardId, Slice};
use crate::apportion::divide_count;
use crate::clock::Timestamp;
use crate::identity::Names;
use crate::units::Nanoseconds;

use super::consumers::Consumers;
use super::line::{Activity, Consumer, CountersOf};
use super::machine::Machine;
use super::problem::Problem;

/// How many times more CPU time than there is no window can have: some may be handed out late, but not that much.
const TOO_MANY_TIMES: u128 = 10;
/// More cycles, or instructions, in a nanosecond than any processor has.
const TOO_MANY_COUNTS: u128 = 1_000;

/// The line of a window.
pub(super) fn activity<'a>(window: &ActivityWindow, names: &'a Names) -> Activity<'a> {
    // A shard of several CPUs stands under its first.
    let cpu = |shard| window.topology.places_in(shard).first().map_or(0, |&place| window.topology.cpus()[place].cpu);
    let idle = (0..).zip(&window.idle).filter(|(_, time)| !time.is_zero());
    let counted = window.has_counts();
    let mut consumers: Vec<Consumer<'_>> = Vec::with_capacity(window.slices.len());
    let mut last = None;
    for (index, slice) in window.slices.iter().enumerate() {
        if last.replace(slice.consumer) != Some(slice.consumer) {
            let name = names.consumer(&slice.consumer);
            let path = names.cgroup(names.cgroup_of(&slice.consumer)).map_or("?", |known| &known.path);
            consumers.push(Consumer {
                cgroup: Cow::Borrowed(path),
                pid: slice.consumer.pid.0,
                start_ns: slice.consumer.start.0,
                parent: name.map_or(0, |name| name.parent.0),
                comm: name.map_or(Cow::Borrowed(""), |name| Cow::Borrowed(&name.comm_text)),
                kernel_thread: name.is_some_and(|name| name.kernel_thread),
                cpu_ns: Vec::with_capacity(1),
                counters: counted.then(CountersOf::default),
            });
        }
        if let Some(consumer) = consumers.last_mut() {
            consumer.cpu_ns.push((cpu(slice.shard), slice.cpu_time.0));
            if let Some(counters) = &mut consumer.counters {
                let mut sum = Counts { cycles: counters.cycles, instructions: counters.instructions };
                sum += window.counts[index];
                *counters = CountersOf { cycles: sum.cycles, instructions: sum.instructions };
            }
        }
    }
    Activity {
        from_ns: window.from.0,
        to_ns: window.to.0,
        idle_ns: idle.map(|(shard, time)| (cpu(ShardId(shard)), time.0)).collect(),
        consumers,
    }
}

/// The window of a line that goes from `from` to `to`. What is new of who ran is appended to `events`.
pub(super) fn window(
    line: &Activity<'_>,
    (from, to): (Timestamp, Timestamp),
    machine: &Machine,
    consumers: &mut Consumers,
    names: &mut Names,
    events: &mut Vec<Lifecycle>,
) -> Result<ActivityWindow, Problem> {
    check(line, machine.topology.cpus().len() as u128 * u128::from(to.since(from).0))?;
    let mut idle = vec![Nanoseconds::ZERO; machine.topology.shards()];
    for &(cpu, time) in &line.idle_ns {
        idle[usize::from(machine.shard(cpu)?.0)] += Nanoseconds(time);
    }
    let mut ran: Vec<(Slice, Option<Counts>)> = Vec::with_capacity(line.consumers.len() * 2);
    for consumer in &line.consumers {
        let id = consumers.consumer(consumer, names, events);
        let counts = counts_by_cpu(consumer);
        for (index, &(cpu, time)) in consumer.cpu_ns.iter().enumerate().filter(|(_, (_, time))| *time > 0) {
            let slice = Slice { consumer: id, shard: machine.shard(cpu)?, cpu_time: Nanoseconds(time) };
            ran.push((slice, counts.as_ref().map(|counts| counts[index])));
        }
    }
    // A consumer's slices follow each other, each shard once, whatever the order in the trace.
    ran.sort_by_key(|(slice, _)| (slice.consumer, slice.shard));
    ran.dedup_by(|(next, next_counts), (kept, kept_counts)| {
        let same = (next.consumer, next.shard) == (kept.consumer, kept.shard);
        if same {
            kept.cpu_time += next.cpu_time;
            *kept_counts = kept_counts.zip(*next_counts).map(|(mut sum, next)| {
                sum += next;
                sum
            });
        }
        same
    });
    let slices = ran.iter().map(|(slice, _)| *slice).collect();
    let counts = ran.iter().map(|(_, counts)| *counts).collect::<Option<Vec<_>>>().unwrap_or_default();
    let topology = Arc::clone(&machine.topology);
    Ok(ActivityWindow { from, to, slices, counts, idle, topology, kinds: Arc::default() })
}

/// What a consumer's counters counted on each of its CPUs: nobody knows, so it goes by CPU time.
fn counts_by_cpu(consumer: &Consumer<'_>) -> Option<Vec<Counts>> {
    let CountersOf { cycles, instructions } = consumer.counters?;
    let times: Vec<Nanoseconds> = consumer.cpu_ns.iter().map(|&(_, time)| Nanoseconds(time)).collect();
    let parts = divide_count(cycles, &times).into_iter().zip(divide_count(instructions, &times));
    Some(parts.map(|(cycles, instructions)| Counts { cycles, instructions }).collect())
}

/// Whether a line can be of CPUs that have `most` nanoseconds together.
fn check(line: &Activity<'_>, most: u128) -> Result<(), Problem> {
    let times = line.consumers.iter().flat_map(|consumer| &consumer.cpu_ns).chain(&line.idle_ns);
    let told = times.map(|(_, time)| u128::from(*time)).sum();
    if told > most * TOO_MANY_TIMES {
        return Err(Problem::TooMuchTime { told, most });
    }
    let counters = || line.consumers.iter().filter_map(|consumer| consumer.counters);
    for (name, told) in [
        ("cycles", counters().map(|of| u128::from(of.cycles)).sum::<u128>()),
        ("instructions", counters().map(|of| u128::from(of.instructions)).sum()),
    ] {
        if told > most * TOO_MANY_COUNTS {
            return Err(Problem::TooManyCounts { name, told, most });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::activity::{CgroupId, ConsumerId, Pid};

    use super::super::line::Line;
    use super::*;

    fn machine() -> Machine {
        let cpus = json!({ "prony_trace": 1, "cpus": [{ "cpu": 0 }, { "cpu": 1 }, { "cpu": 2 }] });
        Machine::of(&serde_json::from_value(cpus).unwrap()).unwrap()
    }

    /// The window from 100 to 200 ns with these consumers.
    fn read(consumers: &serde_json::Value) -> Result<ActivityWindow, Problem> {
        let activity = json!({ "from_ns": 100, "to_ns": 200, "consumers": consumers });
        let text = json!({ "at_ns": 200, "activity": activity }).to_string();
        let line: Line<'_> = serde_json::from_str(&text)?;
        let (mut who, mut names, mut events) = (Consumers::new(<_>::default()), Names::default(), Vec::new());
        let bounds = (Timestamp(100), Timestamp(200));
        window(&line.activity.unwrap(), bounds, &machine(), &mut who, &mut names, &mut events)
    }

    fn counts(of: &[(u64, u64)]) -> Vec<Counts> {
        of.iter().map(|&(cycles, instructions)| Counts { cycles, instructions }).collect()
    }

    #[test]
    fn counters_go_to_a_consumers_cpus_by_time() {
        let window = read(&json!([
            { "cgroup": "/b", "pid": 9, "cpu_ns": [[2, 10], [0, 20], [1, 0]], "counters": { "cycles": 31, "instructions": 2 } },
            { "cgroup": "/a", "pid": 5, "cpu_ns": [[1, 7]], "counters": { "cycles": 0, "instructions": 8 } },
            { "cgroup": "/idle", "pid": 6, "cpu_ns": [] },
        ]))
        .unwrap();
        let places: Vec<_> = window.slices.iter().map(|slice| (slice.consumer.pid.0, slice.shard.0)).collect();
        assert_eq!(places, [(9, 0), (9, 2), (5, 1)]);
        assert_eq!(window.counts, counts(&[(21, 1), (10, 1), (0, 8)]));
    }

    #[test]
    fn one_that_ran_without_counters_leaves_the_window_without() {
        let window = read(&json!([
            { "cgroup": "/a", "pid": 5, "cpu_ns": [[1, 7]], "counters": { "cycles": 1, "instructions": 8 } },
            { "cgroup": "/b", "pid": 6, "cpu_ns": [[1, 7]] },
        ]))
        .unwrap();
        assert_eq!((window.slices.len(), window.counts.len()), (2, 0));
    }

    #[test]
    fn counters_that_are_none_are_refused() {
        for (counters, said) in [
            (json!({ "cycles": 1 }), "missing field `instructions`"),
            (json!({ "cycles": -1, "instructions": 1 }), "invalid value: integer `-1`, expected u64"),
            (json!({ "cycles": 1.5, "instructions": 1 }), "invalid type: floating point `1.5`, expected u64"),
            (json!({ "cycles": 1, "instructions": 300_001 }), "the instructions under \"counters\" add up to 300001"),
            (
                json!({ "cycles": u64::MAX, "instructions": 1 }),
                "the cycles under \"counters\" add up to 1844674407370955",
            ),
        ] {
            let consumers = json!([{ "cgroup": "/a", "cpu_ns": [[1, 7]], "counters": counters }]);
            let error = read(&consumers).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}\ninstead of\n{said}");
        }
    }

    #[test]
    fn a_window_is_read_as_it_was_written() {
        let slice = |pid, shard, time| {
            let consumer = ConsumerId { cgroup: CgroupId(pid), pid: Pid(pid as u32), start: Nanoseconds(3) };
            Slice { consumer, shard: ShardId(shard), cpu_time: Nanoseconds(time) }
        };
        let slices = vec![slice(5, 0, 10), slice(5, 2, 30), slice(6, 1, 60)];
        let mut names = Names::default();
        for pid in [5, 6] {
            names.set_cgroup_path(CgroupId(pid), &format!("/{pid}"));
        }
        for (of, told) in [
            (counts(&[(100, 10), (300, 30), (5, 70)]), vec![Some((400, 40)), Some((5, 70))]),
            (Vec::new(), vec![None, None]),
        ] {
            let (from, to, idle) = (Timestamp(100), Timestamp(200), vec![Nanoseconds::ZERO; 3]);
            let (topology, slices) = (machine().topology, slices.clone());
            let recorded = ActivityWindow { from, to, slices, counts: of, idle, topology, kinds: Arc::default() };
            let line = activity(&recorded, &names);
            let found: Vec<_> = line.consumers.iter().map(|consumer| consumer.counters).collect();
            assert_eq!(found.iter().map(|of| of.map(|of| (of.cycles, of.instructions))).collect::<Vec<_>>(), told);
            let replayed = read(&serde_json::to_value(&line.consumers).unwrap()).unwrap();
            let times = |window: &ActivityWindow| -> Vec<_> {
                window.slices.iter().map(|slice| (slice.consumer.pid, slice.shard, slice.cpu_time)).collect()
            };
            assert_eq!((times(&replayed), &replayed.counts), (times(&recorded), &recorded.counts));
        }
    }
}
