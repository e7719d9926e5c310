//! Pictures made up for the tests.

mod books;
mod follow;
mod once;
mod screen;
mod view;

use prony_proto::energy::v1 as pb;

use super::args::TopArgs;

/// Arguments as they come from a command line.
#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: TopArgs,
}

fn args(line: &[&str]) -> TopArgs {
    let words = std::iter::once("top").chain(line.iter().copied());
    <Command as clap::Parser>::try_parse_from(words).expect("good arguments").args
}

fn process(pid: u32, command: &str, cgroup: &str, package: u64, cpu_milliseconds: u64) -> pb::Line {
    let subject = pb::line::Subject::Process(pb::Process {
        pid,
        cgroup_id: 1,
        cgroup: cgroup.into(),
        command: command.into(),
        ..Default::default()
    });
    let energy = vec![
        pb::ZoneEnergy { zone: 0, active_microjoules: package, idle_microjoules: 0, power_watts: 1.25 },
        pb::ZoneEnergy { zone: 1, active_microjoules: package, idle_microjoules: 0, power_watts: 1.25 },
        pb::ZoneEnergy { zone: 2, active_microjoules: package / 10, idle_microjoules: 0, power_watts: 0.125 },
    ];
    let totals = pb::Totals { cpu_nanoseconds: cpu_milliseconds * 1_000_000, energy };
    pb::Line { subject: Some(subject), state: pb::LineState::Running as i32, totals: Some(totals) }
}

fn zone(name: &str, socket: u32) -> pb::Zone {
    pb::Zone {
        name: name.into(),
        socket: Some(socket),
        source: "rapl-perf".into(),
        provenance: pb::Provenance::Measured as i32,
        uncertainty: 0.01,
        power_watts: 12.5,
        idle_power_watts: 3.25,
        measured_microjoules: 5_000_000,
        ..Default::default()
    }
}

fn time(milliseconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: 1_700_000_000 + milliseconds / 1000,
        nanos: (milliseconds % 1000 * 1_000_000) as i32,
    }
}

/// A message at a time in milliseconds, of two packages and their memory.
fn message(epoch: u64, at_milliseconds: i64, whole: bool, lines: Vec<pb::Line>) -> pb::WatchResponse {
    let at = Some(time(at_milliseconds));
    let picture = pb::Picture {
        epoch,
        generation: 1,
        at,
        node: Some(pb::Node { name: "made-up".into(), cpus: 8 }),
        zones: vec![zone("package", 0), zone("package", 1), zone("dram", 0)]
            .into_iter()
            .map(|zone| pb::Zone {
                until: at,
                measured_microjoules: zone.measured_microjoules + at_milliseconds as u64 * 12_500,
                idle_microjoules: zone.idle_microjoules + at_milliseconds as u64 * 3_250,
                ..zone
            })
            .collect(),
        lines,
        other: Some(pb::Totals::default()),
        idle_cpu_nanoseconds: 0,
    };
    pb::WatchResponse { picture: Some(picture), whole, missed: 0, resolution: None }
}
