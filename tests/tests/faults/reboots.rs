//! A meter of protocol v2 that reboots three times a second.

use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony::source::meter::wire::encode_report;
use prony_proto::meter::v2;
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, assert_books, assert_nothing_fell, free_udp_address, needs_agent, needs_bpf,
    skip, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(30);
const STORM: Duration = Duration::from_secs(10);
const REBOOT: Duration = Duration::from_millis(300);
const NODE: [(&str, &str); 1] = [("zone", "node")];
/// Microjoules that it counts from one report to the next.
const STEP: u64 = 300_000;
/// Reports of each boot.
const REPORTS: u64 = 2;

#[test]
fn every_reboot_is_counted_and_every_microjoule_between_them_is_booked() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("reboots::every_reboot_is_counted_and_every_microjoule_between_them_is_booked", &reason);
    }
    storm().unwrap();
}

fn report(boot: u64, sequence: u64, up: Duration) -> Vec<u8> {
    let channel = v2::Channel { channel: 1, energy_uj: Some(sequence.min(REPORTS) * STEP), ..v2::Channel::default() };
    let report = v2::Report {
        device: "storm".into(),
        boot_id: boot,
        sequence,
        uptime_us: up.as_micros() as u64,
        channels: vec![channel],
        ..v2::Report::default()
    };
    encode_report(&report, None)
}

fn measured(samples: &Samples) -> u64 {
    samples.millionths("prony_zone_measured_joules_total", &NODE).unwrap_or(0)
}

fn storm() -> Result<()> {
    let (address, rapl) = (free_udp_address()?, FakeRapl::new()?);
    let config = format!("[[source.meter]]\nlisten = '{address}'\ndevice = 'storm'\nchannel = 1\n");
    let agent = Agent::builder().config(&config).arguments(rapl.arguments()).start()?;
    let has_begun = |samples: &Samples| samples.sum("prony_windows_total", &[]) > 10.0;
    let mut before = wait_until(PATIENCE, || agent.samples().ok().filter(has_begun)).context("no windows")?;
    let footprint = Footprint::of(agent.pid())?;
    let meter = UdpSocket::bind("127.0.0.1:0")?;
    meter.connect(address)?;

    let (began, mut boots) = (Instant::now(), 0);
    let mut booted = began;
    while began.elapsed() < STORM {
        boots += 1;
        booted = Instant::now();
        for sequence in 1..=REPORTS {
            sleep(REBOOT / 3);
            meter.send(&report(boots, sequence, booted.elapsed()))?;
        }
        sleep(REBOOT.saturating_sub(booted.elapsed()));
        let samples = agent.samples()?;
        assert_books(&samples)?;
        assert_nothing_fell(&before, &samples);
        before = samples;
    }
    // The last one stays, and tells of no more, so that all windows are complete.
    let (all, mut sequence) = ((boots * REPORTS - 1) * STEP, REPORTS);
    let is_all = wait_until(PATIENCE, || {
        sequence += 1;
        meter.send(&report(boots, sequence, booted.elapsed())).ok()?;
        agent.samples().ok().filter(|samples| measured(samples) >= all)
    });
    let samples = is_all.with_context(|| format!("not all of {all} µJ; the log:\n{}", agent.log()))?;
    println!("{boots} boots, {} J", measured(&samples) as f64 / 1e6);
    assert_eq!(measured(&samples), all, "what was counted since the first reading");
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples);
    let reboots = samples.sum("prony_meter_reboots_total", &[]);
    ensure!((reboots - (boots - 1) as f64).abs() < 0.5, "{reboots} of {} reboots are counted", boots - 1);
    ensure!(samples.sum("prony_problems_total", &[("kind", "meter_reboot")]) >= reboots - 0.5, "not all are told");
    let told = agent.log().lines().filter(|line| line.contains("meter_reboot")).count();
    assert_eq!(told, 1, "{}", agent.log());
    footprint.is_returned_to(agent.pid())?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
