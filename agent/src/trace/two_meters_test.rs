//! RAPL and a meter of the whole machine, which is late and has a clock of its own, through the pipeline.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::config::{Policy, StaticPower, Weights};
use crate::fuse::fixtures::Random;
use crate::units::Volts;

use super::{By, Replay, ReplayOptions};

/// How the machine's power follows from its package's: `(package + BOARD) / EFFICIENCY`.
const EFFICIENCY: f64 = 0.86;
const BOARD: f64 = 9.0;
/// Over what time errors count, seconds.
const COUNTED: (f64, f64) = (60.0, 115.0);
/// The largest current that the meter shows, milliamperes.
const FULL_SCALE: f64 = 1638.0;
const CPUS: usize = 4;
const WINDOW: f64 = 0.1;

/// What is wrong with the meter.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// How late its datagrams are, seconds.
    late: f64,
    /// How fast its clock is, relative.
    fast: f64,
    /// From when on it shows nothing, seconds.
    dies: Option<f64>,
    /// From when on it shows what it showed then, seconds.
    sticks: Option<f64>,
    /// The supply's volts: the lower, the more current is there.
    volts: f64,
}

impl Default for Fault {
    fn default() -> Self {
        Self { late: 0.0, fast: 0.0, dies: None, sticks: None, volts: 48.0 }
    }
}

/// A trace of so many seconds, and the joules of the node that count.
fn trace(seconds: f64, fault: Fault) -> (String, f64) {
    let mut random = Random(3);
    let cpus: Vec<Value> = (0..CPUS).map(|cpu| json!({ "cpu": cpu, "package": 0, "core": cpu })).collect();
    let mut lines = vec![(0, json!({ "prony_trace": 1, "node": "n", "cpus": cpus }))];
    let (mut busy, mut package, mut charge, mut node) = ([0.0_f64; CPUS], 0.0, 0.0, 0.0);
    let (mut phase, mut next_phase) = ([1.0; 2], 0.0);
    let (mut next, mut at) = (1.0, 0.0);
    let (mut next_datagram, mut current) = (1.0, 0.0);
    while at < seconds {
        if at >= next {
            next = at + 0.2 + random.next();
            for share in &mut busy {
                *share = if random.next() < 0.5 { random.next() } else { 0.0 };
            }
        }
        // What a CPU second takes goes up and down, and the first busy core takes more.
        if at >= next_phase {
            next_phase = at + 2.0 + random.next();
            phase = [0.8 + 0.4 * random.next(), 0.8 + 0.4 * random.next()];
        }
        let awake = 1.0 - busy.iter().map(|busy| 1.0 - busy).product::<f64>();
        let [of_a, of_b] = [busy[0] + busy[1], busy[2] + busy[3]];
        let power = 6.0 + 5.0 * awake + 9.0 * phase[0] * of_a + 4.0 * phase[1] * of_b;
        let of_node = (power + BOARD) / EFFICIENCY;
        // The meter integrates by milliseconds.
        for step in 0..100 {
            let now = at + 1e-3 * f64::from(step + 1);
            let after = |at: Option<f64>| at.is_some_and(|at| now >= at);
            if !after(fault.sticks) {
                current = (of_node / fault.volts * 1e3).min(FULL_SCALE);
            }
            let current = if after(fault.dies) { 0.0 } else { current };
            charge += current * 1e-3;
            if now >= next_datagram {
                next_datagram += 1.0;
                let arrives = ((now + fault.late + 0.004 * random.next()) * 1e9) as u64;
                let uptime = (now * (1.0 + fault.fast) * 1e6) as u64;
                let esp32 = json!({ "channel": 1, "meter_us": uptime, "charge_mas": charge, "current_ma": current });
                lines.push((arrives, json!({ "at_ns": arrives, "esp32": esp32 })));
            }
        }
        package += power * WINDOW;
        node += if (COUNTED.0..COUNTED.1).contains(&at) { of_node * WINDOW } else { 0.0 };
        at += WINDOW;
        let to = (at * 1e9).round() as u64;
        let nanoseconds = |share: f64| (share * WINDOW * 1e9) as u64;
        let consumer = |name: &str, pid: u32, cpus: [usize; 2]| json!({ "cgroup": name, "pid": pid, "comm": "x", "cpu_ns": cpus.map(|cpu| json!([cpu, nanoseconds(busy[cpu])])) });
        let consumers = [consumer("/a", 1, [0, 1]), consumer("/b", 2, [2, 3])];
        let idle: Vec<Value> = (0..CPUS).map(|cpu| json!([cpu, nanoseconds(1.0 - busy[cpu])])).collect();
        let from = to - (WINDOW * 1e9) as u64;
        let reading =
            json!({ "source": "rapl", "zone": "package", "socket": 0, "cumulative_uj": (package * 1e6) as u64 });
        lines.push((to, json!({ "at_ns": to, "reading": reading })));
        lines.push((to, json!({ "at_ns": to, "activity": { "from_ns": from, "to_ns": to, "idle_ns": idle, "consumers": consumers } })));
    }
    lines.sort_by_key(|(arrives, _)| *arrives);
    let mut text = String::new();
    for (_, line) in lines {
        writeln!(text, "{line}").expect("a text grows");
    }
    (text, node)
}

fn replayed(trace: &str, fault: Fault) -> Vec<Value> {
    let options = ReplayOptions {
        policy: Policy::Separate,
        weights: Weights::Learned,
        static_power: StaticPower::default(),
        volts: Volts(fault.volts),
        volts_tolerance: 0.0,
        fork_servers: Vec::new(),
        by: By::Cgroup,
    };
    let mut out = Vec::new();
    Replay::run(|| Ok(trace.as_bytes()), &options, &mut out).expect("it is good");
    std::str::from_utf8(&out).expect("a text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn meter(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["meter"] == "esp32/1").expect("something is known of it")
}

/// Joules of a zone between two times, as handed out.
fn joules(lines: &[Value], zone: &str, (from, to): (f64, f64)) -> f64 {
    let at = |line: &Value, key: &str| line[key].as_f64().unwrap_or_default() / 1e9;
    let inside = |line: &&Value| line["zone"] == zone && at(line, "from_ns") >= from && at(line, "to_ns") <= to;
    let energy = |line: &Value| {
        ["active_uj", "idle_uj"].map(|key| line[key].as_f64().unwrap_or_default()).iter().sum::<f64>() / 1e6
    };
    lines.iter().filter(inside).map(energy).sum()
}

fn is_near(found: &Value, expected: f64, part: f64) -> bool {
    (found.as_f64().unwrap_or(f64::NAN) - expected).abs() <= part * expected
}

#[test]
fn the_supply_and_the_rest_are_found_within_two_minutes() {
    for fault in [Fault::default(), Fault { late: 1.5, fast: 200e-6, ..Fault::default() }] {
        let (trace, _) = trace(125.0, fault);
        let lines = replayed(&trace, fault);
        let meter = meter(&lines);
        assert!(is_near(&meter["gain"], 1.0 / EFFICIENCY, 0.03), "{meter}");
        assert!(is_near(&meter["offset_w"], BOARD / EFFICIENCY, 0.03), "{meter}");
        assert_eq!(meter["disagrees"], false);
        let late = meter["delay_s"].as_f64().expect("it is known");
        assert!((late - fault.late).abs() < 0.02, "{meter}");
        assert!(meter["delay_sigma_s"].as_f64().expect("it is known") < 0.02, "{meter}");
        // Over the second minute: what the node used beside the package.
        let (node, package, rest) = (
            joules(&lines, "node", (60.0, 120.0)),
            joules(&lines, "package-0", (60.0, 120.0)),
            joules(&lines, "rest", (60.0, 120.0)),
        );
        assert!((node - package - rest).abs() < 1e-4 * node, "{node} J is not {package} + {rest}");
        let expected = 60.0 * BOARD / EFFICIENCY + package * (1.0 / EFFICIENCY - 1.0);
        assert!((rest - expected).abs() < 0.03 * expected, "{rest} J, not {expected}");
    }
}

#[test]
fn a_dead_shunt_is_noticed() {
    let fault = Fault { dies: Some(80.0), ..Fault::default() };
    let lines = replayed(&trace(120.0, fault).0, fault);
    let meter = meter(&lines);
    assert_eq!(meter["disagrees"], true, "{meter}");
    assert!(is_near(&meter["gain"], 1.0 / EFFICIENCY, 0.05), "nothing is learned from it: {meter}");
}

#[test]
fn what_a_meter_does_not_measure_is_reckoned_from_what_ran_and_said_to_be() {
    let (of_rapl, without_rapl) = (true, false);
    let sticks = Fault { sticks: Some(80.0), ..Fault::default() };
    // Its full scale is 33 W of up to 68.
    let clips = Fault { volts: 20.0, ..Fault::default() };
    for (fault, with_rapl) in [(sticks, of_rapl), (sticks, without_rapl), (clips, of_rapl), (clips, without_rapl)] {
        let (mut trace, truth) = trace(120.0, fault);
        if !with_rapl {
            let lines = trace.lines().filter(|line| !line.contains("\"rapl\""));
            trace = lines.fold(String::new(), |text, line| text + line + "\n");
        }
        let lines = replayed(&trace, fault);
        let said = joules(&lines, "node", COUNTED);
        // For some seconds a meter that is stuck is believed, and what CPU time takes goes up and down.
        let tolerance = if with_rapl { 0.05 } else { 0.1 };
        assert!((said - truth).abs() < tolerance * truth, "{said} J, not {truth}, {fault:?}, RAPL: {with_rapl}");
        let meter = meter(&lines);
        assert!(meter["reckoned_uj"].as_f64().is_some_and(|reckoned| reckoned > 0.1 * truth * 1e6), "{meter}");
        assert!(fault.sticks.is_none() || meter["disagrees"] == true, "{meter}");
        let is_sure = |line: &&Value| line["provenance"] == "measured" && line["zone"] == "node";
        assert_eq!(lines.iter().filter(is_sure).count(), 0, "a second's reading is never all of a window");
    }
}
