//! Power meters on the network, as processes: `prony meter-sim` that is lossy and is restarted, and meters that send
//! what no meter should.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_proto::meter::v1;
use prony_tests::{
    Agent, FakeRapl, Running, Samples, assert_books, assert_nothing_fell, free_udp_address, needs_agent, needs_bpf,
    skip, wait_until,
};
use prost::Message as _;

const WATTS: f64 = 6.0;
const NODE: [(&str, &str); 1] = [("zone", "node")];
const MEASURED: &str = "prony_zone_measured_joules_total";
/// A request to the meter may get lost; the next ones follow after 5, 10, 20 and 40 s.
const PATIENCE: Duration = Duration::from_mins(2);
/// How much older the newest reading may be than the moment of looking, and the oldest one than the moment at which it
/// was seen: reports that were lost or held back, and a busy machine.
const LAG: f64 = 2.5;

/// A simulated meter with 6 W on every channel.
fn simulator(listen: SocketAddr, folder: &Path, options: &[&str]) -> Result<Running> {
    let trace = folder.join("trace.csv");
    fs::write(&trace, format!("0,{WATTS}\n"))?;
    let mut command = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    command.arg("meter-sim").args(["--listen", &listen.to_string()]).arg("--trace").arg(trace).args(options);
    Ok(Running::start(command.stdout(Stdio::null()))?)
}

/// The first scrape of which `is_so` holds, asking until then; each one is checked.
fn scrape_until(agent: &Agent, what: &str, is_so: impl Fn(&Samples) -> bool) -> Result<Samples> {
    let mut before: Option<Samples> = None;
    let found = wait_until(PATIENCE, || {
        let samples = agent.samples().expect("the agent answers");
        assert_books(&samples).expect("energies are whole microjoules");
        if let Some(before) = &before {
            assert_nothing_fell(before, &samples);
        }
        let found = is_so(&samples).then(|| samples.clone());
        before = Some(samples);
        found
    });
    found.with_context(|| format!("not within {} s: {what}; the log:\n{}", PATIENCE.as_secs(), agent.log()))
}

/// Waits until `joules` more than in `from` have been measured.
fn measure(agent: &Agent, from: &Samples, joules: f64) -> Result<Samples> {
    let goal = from.sum(MEASURED, &NODE) + joules;
    scrape_until(agent, "energy is measured", |samples| samples.sum(MEASURED, &NODE) >= goal)
}

#[test]
fn a_lossy_v1_meter_is_measured_across_its_restart() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("a_lossy_v1_meter_is_measured_across_its_restart", &reason);
    }
    let options = ["--loss", "0.1", "--duplicate", "0.2", "--reorder", "0.2", "--interval", "100ms"];
    let source = |address| format!("[[source.esp32]]\naddress = '{address}'\nchannel = 2\nvolts = 5.0\n");
    across_a_restart(&options, source, 0.05).unwrap();
}

#[test]
fn an_authenticated_v2_meter_is_measured_across_its_restart() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("an_authenticated_v2_meter_is_measured_across_its_restart", &reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("meter.key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    let key = key.to_str().unwrap();
    let options = ["--protocol", "v2", "--device", "bench", "--key-file", key, "--duplicate", "0.9"];
    let source = |address| {
        format!("[[source.meter]]\naddress = '{address}'\ndevice = 'bench'\nchannel = 2\nkey_file = '{key}'\n")
    };
    across_a_restart(&options, source, 0.0).unwrap();
}

fn across_a_restart(options: &[&str], source: impl Fn(SocketAddr) -> String, tolerance: f64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = free_udp_address()?;
    let rapl = FakeRapl::new()?;
    let agent = Agent::builder().config(&source(address)).arguments(rapl.arguments()).start()?;

    let begun = Instant::now();
    let meter = simulator(address, folder.path(), options)?;
    let first =
        scrape_until(&agent, "the meter is heard", |samples| samples.matching(MEASURED, &NODE).next().is_some())?;
    let heard = Instant::now();
    let before = measure(&agent, &first, WATTS * 5.0)?;
    let first_life = heard.elapsed().as_secs_f64();
    let at_most = (begun.elapsed().as_secs_f64() + LAG) * WATTS;
    let all = before.sum(MEASURED, &NODE);
    assert!((first_life - LAG) * WATTS <= all && all <= at_most, "{all} J in {first_life} s");
    let uncertainty = before.value("prony_zone_uncertainty_ratio", &NODE)?;
    assert!((tolerance / 3.0..0.5).contains(&uncertainty), "{uncertainty}");
    let said = before.matching(MEASURED, &NODE).next().context("measured")?;
    assert!(["measured", "fused"].contains(&said.labels["provenance"].as_str()), "{said:?}");
    assert!(said.labels["source"].contains("esp32:") || said.labels["source"].contains("meter:"), "{said:?}");

    drop(meter);
    // A v2 meter's boots are numbered by the clock's seconds here.
    std::thread::sleep(Duration::from_millis(1_100));
    let rebooted = Instant::now();
    let _meter = simulator(address, folder.path(), options)?;
    let reboot =
        scrape_until(&agent, "the reboot is noticed", |samples| samples.sum("prony_meter_reboots_total", &[]) > 0.0)?;
    assert_eq!(reboot.sum("prony_meter_reboots_total", &[]).to_bits(), 1_f64.to_bits());
    let after = measure(&agent, &before, WATTS * 6.0)?;
    // The new boot's counter begins at zero with the simulator: what it shows is all new energy.
    let second_life = after.sum(MEASURED, &NODE) - all;
    assert!(second_life <= (rebooted.elapsed().as_secs_f64() + 2.0 * LAG) * WATTS, "{second_life} J");
    assert!(agent.log().contains("the meter rebooted"), "{}", agent.log());
    let datagrams: Vec<_> = after.matching("prony_meter_datagrams_total", &[]).collect();
    assert!(after.sum("prony_meter_datagrams_total", &[("outcome", "duplicate")]) > 0.0, "{datagrams:?}");
    assert!(agent.stop()?.status.success());
    Ok(())
}

/// A meter that this test plays: it hears the agent's request and knows where to send.
struct Played {
    socket: UdpSocket,
    agent: SocketAddr,
    started: Instant,
}

impl Played {
    fn asked(socket: UdpSocket) -> Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut buffer = [0; 64];
        let (length, agent) = socket.recv_from(&mut buffer).context("the agent asks the meter")?;
        assert_eq!(&buffer[..length], b"3", "the channel's number, and nothing else");
        Ok(Self { socket, agent, started: Instant::now() })
    }

    /// A meter that has been up for 10 s longer than it was asked, with this charge.
    fn send(&self, charge: f64) -> Result<()> {
        let up = Duration::from_secs(10) + self.started.elapsed();
        let sample = v1::Sample { timestamp: up.as_micros() as u64, charge, current: 1_200.0 };
        self.socket.send_to(&sample.encode_to_vec(), self.agent)?;
        Ok(())
    }
}

/// Datagrams that are no messages of protocol v1.
fn garbage() -> Vec<Vec<u8>> {
    let message = |timestamp, charge, current| v1::Sample { timestamp, charge, current }.encode_to_vec();
    let good = message(11_000_000, 12_000.0, 1_200.0);
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |length: usize| -> Vec<u8> {
        let mut byte = || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            (noise >> 32) as u8
        };
        // The wire type 7 does not exist, so that none of these is a message by chance.
        [0x7f].into_iter().chain((1..length).map(|_| byte())).collect()
    };
    let mut all: Vec<Vec<u8>> = (1..60).map(&mut random).collect();
    all.extend([good[..good.len() - 1].to_vec(), random(1_472), random(9_000), vec![0; 65], vec![0xff; 64]]);
    all.extend([
        message(u64::MAX, 1.0, 1.0),
        message(1, f64::NAN, 1.0),
        message(1, -1.0, 1.0),
        message(1, 1.0, f32::INFINITY),
    ]);
    all
}

#[test]
fn garbage_is_counted_and_does_no_harm() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("garbage_is_counted_and_does_no_harm", &reason);
    }
    send_garbage().unwrap();
}

fn send_garbage() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let rapl = FakeRapl::new()?;
    let config = format!("[[source.esp32]]\naddress = '{}'\nchannel = 3\nvolts = 5.0\n", socket.local_addr()?);
    let agent = Agent::builder().config(&config).arguments(rapl.arguments()).start()?;
    let meter = Played::asked(socket)?;
    meter.send(12_000.0)?;
    let accepted = [("outcome", "accepted")];
    let datagrams = "prony_meter_datagrams_total";
    scrape_until(&agent, "the first reading", |samples| samples.sum(datagrams, &accepted) > 0.0)?;

    let stranger = UdpSocket::bind("127.0.0.1:0")?;
    let good = v1::Sample { timestamp: 12_000_000, charge: 13_000.0, current: 1_200.0 }.encode_to_vec();
    stranger.send_to(&good, meter.agent)?;
    let all = garbage();
    for bytes in &all {
        stranger.send_to(bytes, meter.agent)?;
        meter.socket.send_to(bytes, meter.agent)?;
        // Not faster than a slow machine's agent empties its socket.
        std::thread::sleep(Duration::from_millis(2));
    }
    let malformed = [("outcome", "malformed")];
    let samples = scrape_until(&agent, "all garbage is counted", |samples| {
        samples.sum(datagrams, &malformed) >= all.len() as f64
    })?;
    assert_eq!(samples.sum(datagrams, &malformed).to_bits(), (all.len() as f64).to_bits(), "and the stranger's is not");
    assert_eq!(samples.sum(datagrams, &accepted).to_bits(), 1_f64.to_bits(), "nor is its good message taken");
    assert!(samples.sum("prony_problems_total", &[("kind", "meter_malformed_datagram")]) >= all.len() as f64);
    let told = agent.log().lines().filter(|line| line.contains("meter_malformed_datagram")).count();
    assert_eq!(told, 1, "told once:\n{}", agent.log());

    // 300 mAs at 5 V are 1.5 J, whatever came between. The readings after it show no more, but complete its windows.
    let samples = scrape_until(&agent, "the next reading is booked", |samples| {
        meter.send(12_300.0).expect("the agent listens");
        samples.millionths(MEASURED, &NODE).is_ok_and(|all| all >= 1_500_000)
    })?;
    assert_eq!(samples.millionths(MEASURED, &NODE)?, 1_500_000);
    assert!(agent.stop()?.status.success());
    Ok(())
}
