//! Power meters that boot all the time, stand still, go away, and tell times that cannot be.

use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_proto::meter::v1;
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, Zone, assert_books, assert_nothing_fell, needs_agent, needs_bpf, skip,
    wait_until,
};
use prost::Message as _;

const PATIENCE: Duration = Duration::from_secs(90);
const VOLTS: f64 = 5.0;
const MILLIAMPERES: f64 = 1_200.0;
/// What the meter draws.
const WATTS: f64 = VOLTS * MILLIAMPERES / 1e3;
const NODE: [(&str, &str); 1] = [("zone", "node")];
const DATAGRAMS: &str = "prony_meter_datagrams_total";

/// An agent, and a meter of protocol v1 that the test plays.
struct Bench {
    agent: Agent,
    rapl: FakeRapl,
    meter: UdpSocket,
    /// Where the agent listens for it.
    client: SocketAddr,
    before: Samples,
    footprint: Footprint,
    sent: u32,
}

impl Bench {
    fn start() -> Result<Self> {
        let (meter, rapl) = (UdpSocket::bind("127.0.0.1:0")?, FakeRapl::new()?);
        let address = meter.local_addr()?;
        let config = format!("[[source.esp32]]\naddress = '{address}'\nchannel = 3\nvolts = {VOLTS:.1}\n");
        let agent = Agent::builder().config(&config).arguments(rapl.arguments()).start()?;
        meter.set_read_timeout(Some(PATIENCE))?;
        let (_, client) = meter.recv_from(&mut [0; 64]).context("the agent asks the meter")?;
        let begun = |samples: &Samples| samples.sum("prony_windows_total", &[]) > 10.0;
        let before = wait_until(PATIENCE, || agent.samples().ok().filter(begun)).context("no windows")?;
        let footprint = Footprint::of(agent.pid())?;
        Ok(Self { agent, rapl, meter, client, before, footprint, sent: 0 })
    }

    /// Tells of a charge in milliampere-seconds.
    fn send(&mut self, up: Duration, charge: f64) -> Result<()> {
        let sample = v1::Sample { timestamp: up.as_micros() as u64, charge, current: MILLIAMPERES as f32 };
        self.meter.send_to(&sample.encode_to_vec(), self.client)?;
        self.sent += 1;
        Ok(())
    }

    /// Tells of the charge that it has counted since it booted.
    fn send_true(&mut self, up: Duration) -> Result<()> {
        self.send(up, up.as_secs_f64() * MILLIAMPERES)
    }

    /// A scrape, checked.
    fn look(&mut self) -> Result<&Samples> {
        let samples = self.agent.samples()?;
        assert_books(&samples)?;
        assert_nothing_fell(&self.before, &samples);
        self.before = samples;
        Ok(&self.before)
    }

    /// Looks again and again, after `act`, until something is so.
    fn until(
        &mut self,
        what: &str,
        mut act: impl FnMut(&mut Self) -> Result<()>,
        is_so: impl Fn(&Samples) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            act(self)?;
            if is_so(self.look()?) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not so: {what}; the log:\n{}", self.agent.log());
        }
    }

    /// Stops the agent when it has taken all that was sent and holds no more than at first.
    fn end(mut self) -> Result<()> {
        let sent = f64::from(self.sent);
        self.until(
            "every datagram is counted",
            |_| {
                sleep(Duration::from_millis(50));
                Ok(())
            },
            |samples| samples.sum(DATAGRAMS, &[]) >= sent,
        )?;
        let counted = self.before.sum(DATAGRAMS, &[]);
        ensure!((counted - sent).abs() < 0.5, "{counted} datagrams are counted, {sent} were sent");
        self.footprint.is_returned_to(self.agent.pid())?;
        assert!(self.agent.stop()?.status.success());
        Ok(())
    }
}

fn joules(samples: &Samples) -> f64 {
    samples.sum("prony_zone_measured_joules_total", &NODE)
}

#[test]
fn a_meter_that_boots_all_the_time_adds_no_energy_and_is_measured_when_it_stays_up() {
    const NAME: &str = "meters::a_meter_that_boots_all_the_time_adds_no_energy_and_is_measured_when_it_stays_up";
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    boot_all_the_time().unwrap();
}

/// Protocol v1 has no number of the boot: what so short a boot says looks like what was late, and is left out.
fn boot_all_the_time() -> Result<()> {
    let mut bench = Bench::start()?;
    let began = Instant::now();
    let used = |began: Instant| (began.elapsed().as_secs_f64() + 0.5) * WATTS;
    let mut booted = began;
    while began.elapsed() < Duration::from_secs(10) {
        booted = Instant::now();
        for _ in 0..3 {
            sleep(Duration::from_millis(100));
            bench.send_true(booted.elapsed())?;
        }
        let measured = joules(bench.look()?);
        ensure!(measured <= used(began), "{measured} J, of at most {} J", used(began));
    }
    let storm = joules(bench.look()?);
    // Now it stays up.
    let go_on = |bench: &mut Bench| {
        sleep(Duration::from_millis(100));
        bench.send_true(booted.elapsed())
    };
    bench.until("it is measured again", go_on, |samples| joules(samples) >= storm + WATTS)?;
    let measured = joules(&bench.before);
    println!("{storm} J in the storm, {measured} J of {} J in all", used(began));
    ensure!(measured <= used(began), "{measured} J, of at most {} J", used(began));
    bench.end()
}

#[test]
fn a_meter_that_stands_still_while_its_packages_move_is_told() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("meters::a_meter_that_stands_still_while_its_packages_move_is_told", &reason);
    }
    stand_still().unwrap();
}

fn stand_still() -> Result<()> {
    let mut bench = Bench::start()?;
    let booted = Instant::now();
    // The package draws 2 W in one second and 4 W in the next; the meter says the same.
    let mut moved = (Instant::now(), 0.0);
    let mut move_package = |bench: &Bench| -> Result<f64> {
        for _ in 0..10 {
            sleep(Duration::from_millis(50));
            let (now, up) = (Instant::now(), booted.elapsed().as_secs());
            let watts = if up.is_multiple_of(2) { 2.0 } else { 4.0 };
            moved = (now, moved.1 + watts * now.duration_since(moved.0).as_secs_f64());
            bench.rapl.set(Zone::Package, (moved.1 * 1e6) as u64 % FakeRapl::RANGE)?;
        }
        Ok(moved.1)
    };
    let mut go_on = |bench: &mut Bench| {
        move_package(bench)?;
        bench.send_true(booted.elapsed())
    };
    let kind = [("kind", "energy_meter_stuck")];
    bench.until("it is told to be stuck", &mut go_on, |samples| samples.sum("prony_problems_total", &kind) > 0.0)?;
    let disagrees = |samples: &Samples| samples.sum("prony_meter_disagrees", &[]) > 0.0;
    bench.until("it is contradicted", &mut go_on, disagrees)?;
    let told = bench.agent.log().lines().filter(|line| line.contains("energy_meter_stuck")).count();
    assert_eq!(told, 1, "{}", bench.agent.log());
    // It moves again: by what the package draws, and 2 W beside.
    let (turned, package) = (booted.elapsed(), move_package(&bench)?);
    let move_again = |bench: &mut Bench| {
        let drawn = move_package(bench)? - package;
        let up = booted.elapsed();
        let charge = (drawn + 2.0 * up.saturating_sub(turned).as_secs_f64()) / VOLTS * 1e3;
        bench.send(up, turned.as_secs_f64() * MILLIAMPERES + charge)
    };
    bench.until("it is believed again", move_again, |samples| {
        samples.matching("prony_meter_disagrees", &[]).any(|line| line.value.abs() < 0.5)
    })?;
    bench.end()
}

#[test]
fn times_that_cannot_be_and_a_meter_that_goes_away_change_no_energy() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("meters::times_that_cannot_be_and_a_meter_that_goes_away_change_no_energy", &reason);
    }
    jump_and_go_away().unwrap();
}

fn jump_and_go_away() -> Result<()> {
    let mut bench = Bench::start()?;
    let started = Instant::now();
    let up = || Duration::from_secs(100) + started.elapsed();
    let first = 120_000.0;
    for step in 0..5 {
        bench.send(up(), first + 60.0 * f64::from(step))?;
        sleep(Duration::from_millis(100));
    }
    // It goes back by seconds and on by hours, and back to its birth, again and again.
    for (round, away) in [(1.0, 3), (2.0, 3_600), (3.0, 20), (4.0, 86_400)] {
        let (now, charge) = (up(), first + 300.0 + round);
        bench.send(now.saturating_sub(Duration::from_secs(away)), charge)?;
        bench.send(now + Duration::from_secs(away), charge)?;
        bench.send(Duration::from_millis(away), charge)?;
        sleep(Duration::from_millis(100));
        bench.send(up(), charge)?;
        sleep(Duration::from_millis(100));
        bench.look()?;
    }
    // The same datagram a hundred times.
    let now = up();
    for _ in 0..100 {
        bench.send(now, first + 400.0)?;
        sleep(Duration::from_millis(2));
    }
    // Away, and back: 600 mAs in all since the first one, which is 3 J.
    sleep(Duration::from_secs(3));
    let back = |bench: &mut Bench| {
        bench.send(up(), first + 600.0)?;
        sleep(Duration::from_millis(100));
        Ok(())
    };
    let measured = |samples: &Samples| samples.millionths("prony_zone_measured_joules_total", &NODE).unwrap_or(0);
    bench.until("all of its energy is booked", back, |samples| measured(samples) >= 3_000_000)?;
    assert_eq!(measured(&bench.before), 3_000_000);
    let copies = bench.before.sum(DATAGRAMS, &[("outcome", "duplicate")]);
    ensure!(copies >= 99.0, "{copies} copies were counted");
    bench.end()
}

#[test]
fn a_meter_that_says_nothing_is_told_and_asked_again() -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip("meters::a_meter_that_says_nothing_is_told_and_asked_again", &reason);
        return Ok(());
    }
    let bench = Bench::start()?;
    let told = || bench.agent.log().contains("meter_silent").then_some(());
    wait_until(PATIENCE, told).context("a silent meter is not told of")?;
    bench.meter.recv_from(&mut [0; 64]).context("it is not asked again")?;
    bench.end()
}
