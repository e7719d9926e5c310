//! Energy of a machine without a meter: what a power profile says at the load that there was, from the files that a user has.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, AgentBuilder, FakeRapl, Running, Samples, assert_lint, free_udp_address, needs_agent, needs_bpf,
    needs_server, skip, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const ANSWER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/boavizta_m7a_4xlarge.json");
/// Between two looks.
const LENGTH: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(30);
/// What tells the time, and how much of it the machine was busy: a zone of 1 W at any load, and one of 1 W at full load.
const CLOCKS: [(&str, [[f64; 2]; 2]); 2] =
    [("clock", [[0.0, 1.0], [100.0, 1.0]]), ("busy", [[0.0, 0.0], [100.0, 1.0]])];

/// A machine whose RAPL is not there, and the files of its user.
struct Machine {
    rapl: FakeRapl,
    folder: TempDir,
}

impl Machine {
    fn new() -> Result<Self> {
        let machine = Self { rapl: FakeRapl::new()?, folder: tempfile::tempdir()? };
        for zone in prony_tests::Zone::ALL {
            machine.rapl.remove(zone)?;
        }
        Ok(machine)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// An agent that goes by this configuration.
    fn agent(&self, config: &str) -> AgentBuilder {
        Agent::builder().config(config).arguments(self.rapl.arguments())
    }

    /// An agent that estimates by a power profile.
    fn estimates_by(&self, profile: &str) -> Result<Agent> {
        self.agent(&format!("[source.estimate]\nprofile_file = '{profile}'\n")).start()
    }
}

fn prony(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRONY_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    Ok(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Adds zones to a power profile.
fn add_zones(path: &str, zones: impl IntoIterator<Item = Value>) -> Result<()> {
    let mut profile: Value = serde_json::from_slice(&fs::read(path)?)?;
    profile["zones"].as_array_mut().context("zones")?.extend(zones);
    Ok(fs::write(path, profile.to_string())?)
}

fn clocks() -> impl Iterator<Item = Value> {
    CLOCKS.into_iter().map(|(zone, points)| json!({"zone": zone, "uncertainty": 0.0, "points": points}))
}

/// What zones have used while the machine was made busy: all but for the time since.
struct Used {
    before: Samples,
    after: Samples,
}

impl Used {
    /// Half of the time with one thread that spins, and half with four.
    fn under_load(agent: &Agent) -> Result<Self> {
        ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "clock")).is_some(), "no energy: {}", agent.log());
        let before = agent.samples()?;
        for threads in [1, 4] {
            let seconds = (LENGTH.as_secs_f64() / 2.0).to_string();
            let spin = || Command::new(LOAD).args(["spin", &seconds]).stdout(Stdio::null()).spawn();
            let spinning: Vec<_> = (0..threads).map(|_| spin().map(Running::from)).collect::<Result<_, _>>()?;
            for one in spinning {
                one.wait()?;
            }
        }
        Ok(Self { before, after: agent.samples()? })
    }

    fn joules(&self, zone: &str) -> Result<f64> {
        let of = |samples| seen(samples, zone).with_context(|| format!("no zone {zone}"));
        Ok(of(&self.after)? - of(&self.before)?)
    }

    /// Seconds, and how many of them the machine was busy.
    fn time(&self) -> Result<(f64, f64)> {
        Ok((self.joules("clock")?, self.joules("busy")?))
    }
}

/// Joules of a zone by an estimate, all sockets together, once there are some.
fn seen(samples: &Samples, zone: &str) -> Option<f64> {
    let labels = [("zone", &*format!("{zone}-estimated"))];
    Some(samples.sum("prony_zone_measured_joules_total", &labels)).filter(|joules| *joules > 0.0)
}

#[test]
fn joules_follow_the_profile_of_a_cloud_instance() -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip("joules_follow_the_profile_of_a_cloud_instance", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let path = machine.file("power-profile.json");
    let imported = prony(&["import-profile", ANSWER, "--name", "aws m7a.4xlarge", "--output", &path])?.output()?;
    ensure!(imported.status.success(), "{}", said(&imported));
    ensure!(
        said(&imported).contains("fuzzy match") && said(&imported).contains("79.0 W to 105.3 W"),
        "{}",
        said(&imported)
    );
    let linear = json!({"zone": "linear", "uncertainty": 0.1, "points": [[0, 10], [100, 30]]});
    add_zones(&path, clocks().chain([linear]))?;

    let agent = machine.estimates_by(&path)?;
    let used = Used::under_load(&agent)?;
    let (seconds, busy) = used.time()?;
    println!("{seconds:.3} s, busy for {busy:.3} s");
    ensure!(busy > 0.3 * seconds, "the machine was busy for {busy} of {seconds} s only");
    let cpus = thread_count()?;
    let counted = cpu_seconds(&used.after)? - cpu_seconds(&used.before)?;
    ensure!((counted / cpus / busy - 1.0).abs() < 0.05, "{counted} CPU seconds of {cpus} CPUs are not {busy} s");
    let linear = used.joules("linear")?;
    ensure!((linear - 10.0 * seconds - 20.0 * busy).abs() < 1e-3 * linear, "{linear} J in {seconds} s");

    // The curve is concave: by the mean load it is more than the windows of different loads come to, and a straight line from
    // idle to full is less.
    let node = |load: f64| (142.379_24 * (load + 20.452_67).ln() - 396.324_93) / 6.0;
    let node = |load: f64| (node(load) + 18.176) * 1.33;
    let (least, most) =
        (node(0.0) * seconds + (node(100.0) - node(0.0)) * busy, node(100.0 * busy / seconds) * seconds);
    let joules = used.joules("node")?;
    println!("node: {joules:.2} J, from {least:.2} J to {most:.2} J by the profile");
    ensure!(least * 0.999 < joules && joules < most * 1.001, "{joules} J is not from {least} to {most} J");
    let dram = used.joules("dram")?;
    let part = (cpus / 16.0).min(1.0);
    ensure!((dram / seconds / part / 18.176 - 1.0).abs() < 1e-3, "{dram} J of memory in {seconds} s");

    let source = [("zone", "node-estimated"), ("source", "estimate-profile"), ("provenance", "estimated")];
    ensure!(used.after.value("prony_zone_measured_joules_total", &source)? > 0.0, "it does not say what it is from");
    let log = agent.log();
    for part in ["the power profile of aws m7a.4xlarge on AMD EPYC 9R14", "fuzzy match", "16 CPUs"] {
        ensure!(log.contains(part), "{part}: {log}");
    }
    prony_tests::assert_books(&used.after)
}

fn thread_count() -> Result<f64> {
    let online = fs::read_to_string("/proc/stat")?;
    let cpus = online.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    Ok(cpus as f64)
}

fn cpu_seconds(samples: &Samples) -> Result<f64> {
    samples.value("prony_cpu_seconds_total", &[("state", "busy")])
}

#[test]
fn a_profile_that_is_of_no_use_leaves_the_estimate_by_tdp() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_profile_that_is_of_no_use_leaves_the_estimate_by_tdp", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let static_power = r#"{"version": 1, "static_power": []}"#;
    for (name, text, part) in [
        ("none.json", None, "cannot be read"),
        ("cut.json", Some(r#"{"format": "prony-power"#), "it is damaged"),
        ("static.json", Some(static_power), "it is no power profile"),
    ] {
        let path = machine.file(name);
        if let Some(text) = text {
            fs::write(&path, text)?;
        }
        let agent = machine.agent(&format!("[source.estimate]\ntdp = 65.0\nprofile_file = '{path}'\n")).start()?;
        ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "package")).is_some(), "{}", agent.log());
        let problems = agent.samples()?.value("prony_problems_total", &[("kind", "estimate_profile")])?;
        let log = agent.stop()?.log;
        ensure!(log.contains(part) && log.contains(&path) && log.contains("from the configured TDP"), "{log}");
        ensure!(problems > 0.0, "no problem is counted: {log}");

        let config = machine.file("prony.toml");
        fs::write(&config, format!("[source.estimate]\nprofile_file = '{path}'\n"))?;
        let doctor = prony(&["doctor", "--output", "json", "--config", &config])?.output()?;
        let report: Value = serde_json::from_slice(&doctor.stdout)?;
        let findings = report["findings"].as_array().context("findings")?;
        let finding = findings.iter().find(|it| it["name"] == "estimate").context("no estimate")?;
        let meaning = finding["meaning"].as_str().context("meaning")?;
        ensure!(finding["status"] == "degraded" && meaning.contains(part), "{finding}");
    }
    let output = prony(&["import-profile", &machine.file("static.json")])?.output()?;
    ensure!(output.status.code() == Some(2) && said(&output).contains("verbose=true"), "{}", said(&output));
    Ok(())
}

#[test]
fn a_table_in_the_configuration_goes_before_the_tdp() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_table_in_the_configuration_goes_before_the_tdp", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let config =
        "[source.estimate]\ntdp = 65.0\n[[source.estimate.table]]\nzone = 'node'\npoints = '0:10 50:20 100:25'\n";
    let agent = machine.agent(config).start()?;
    ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "node")).is_some(), "{}", agent.log());
    let log = agent.stop()?.log;
    let told = "node 10.0 W idle to 25.0 W at full load, ±20%, from the configured table";
    ensure!(log.contains(told), "{log}");
    Ok(())
}

/// A machine with a meter hands on what it draws, and one without goes by it.
#[test]
fn what_one_machine_has_measured_another_estimates_by() -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip("what_one_machine_has_measured_another_estimates_by", &reason);
        return Ok(());
    }
    let (idle, full) = (2.5, 7.0);
    let machine = Machine::new()?;
    let meter = free_udp_address()?;
    let mut simulator = prony(&["meter-sim", "--interval", "100ms", "--listen", &meter.to_string()])?;
    let _simulator = Running::start(simulator.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let config = machine.file("prony.toml");
    fs::write(&config, format!("[[source.esp32]]\naddress = '{meter}'\nchannel = 1\nvolts = 5.0\n"))?;
    let path = machine.file("power-profile.json");
    let mut calibrate =
        prony(&["calibrate", "--config", &config, "--step", "4s", "--export-profile", &path, "--anyway"])?;
    let output = calibrate.args(machine.rapl.arguments()).output()?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(said(&output).contains("source.estimate.profile_file"), "{}", said(&output));
    let profile: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let [node] = &profile["zones"].as_array().context("zones")?[..] else { anyhow::bail!("one zone: {profile}") };
    let uncertainty = node["uncertainty"].as_f64().context("uncertainty")?;
    println!("{node}");
    ensure!(node["zone"] == "node" && (0.2..0.6).contains(&uncertainty), "{node}");
    ensure!(profile["subject"].as_str().is_some_and(|it| !it.is_empty()), "{profile}");

    add_zones(&path, clocks())?;
    let agent = machine.estimates_by(&path)?;
    let used = Used::under_load(&agent)?;
    let (seconds, busy) = used.time()?;
    let (estimated, truth) = (used.joules("node")?, idle * seconds + (full - idle) * busy);
    println!("estimated {estimated:.2} J, by the simulated meter {truth:.2} J, ±{:.0}%", uncertainty * 100.0);
    ensure!((estimated / truth - 1.0).abs() < uncertainty, "{estimated} J is not {truth} J, within {uncertainty}");
    Ok(())
}

/// A Boavizta server that answers whatever it is asked, so often.
fn boavizta(answers: usize) -> Result<(String, thread::JoinHandle<Result<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let answer = fs::read_to_string(ANSWER)?;
    let server = thread::spawn(move || {
        let mut asked = String::new();
        for _ in 0..answers {
            let (mut stream, _) = listener.accept()?;
            BufReader::new(&stream).read_line(&mut asked)?;
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len())?;
        }
        Ok(asked)
    });
    Ok((url, server))
}

/// The whole agent, with all that it gives up, asks a server and keeps what that says.
#[test]
fn a_server_is_asked_once_and_remembered() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_server_is_asked_once_and_remembered", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let (url, server) = boavizta(1)?;
    let state = machine.file("state");
    let config = format!(
        "[source.estimate]\nboavizta_url = '{url}'\nprovider = 'aws'\ninstance_type = 'm7a.4xlarge'\n[state]\ndirectory = \
         '{state}'\n"
    );
    let kept = Path::new(&state).join("instance-profile.json");
    for told in ["has answered about aws m7a.4xlarge", "the one that was kept"] {
        let agent = machine.agent(&config).start()?;
        ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "node")).is_some(), "{}", agent.log());
        ensure!(wait_until(LIMIT, || kept.exists().then_some(())).is_some(), "nothing is kept: {}", agent.log());
        let log = agent.stop()?.log;
        ensure!(log.contains(told) && log.contains("the power profile of aws m7a.4xlarge on AMD EPYC 9R14"), "{log}");
    }
    let asked = server.join().expect("the server has failed")?;
    ensure!(asked.contains("provider=aws&instance_type=m7a.4xlarge&verbose=true"), "{asked}");
    Ok(())
}

/// A server that is late is used from when it answers.
#[test]
fn a_server_that_comes_later_makes_the_estimate_better() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_server_that_comes_later_makes_the_estimate_better", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let address = prony_tests::free_tcp_address()?;
    let config = format!(
        "[source.estimate]\ntdp = 65.0\nboavizta_url = 'http://{address}'\nprovider = 'aws'\ninstance_type = \
         'm7a.4xlarge'\n"
    );
    let agent = machine.agent(&config).start()?;
    ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "package")).is_some(), "{}", agent.log());
    let log = agent.log();
    ensure!(log.contains("from the configured TDP") && log.contains("boavizta_unavailable"), "{log}");
    let listener = TcpListener::bind(address)?;
    let answer = fs::read_to_string(ANSWER)?;
    let server = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        BufReader::new(&stream).read_line(&mut String::new())?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len())?;
        Ok(())
    });
    ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "node")).is_some(), "{}", agent.log());
    server.join().expect("the server has failed")?;
    // What estimated the package before falls silent, and the profile takes over with what it has counted since.
    let labels = [("zone", "package-estimated"), ("source", "estimate-profile")];
    let taken = || agent.samples().ok()?.value("prony_zone_measured_joules_total", &labels).ok();
    ensure!(wait_until(LIMIT, taken).is_some(), "the package stays with its TDP: {}", agent.log());
    let samples = agent.samples()?;
    prony_tests::assert_books(&samples)
}

#[test]
fn carbon_and_cost_follow_energy_and_factors() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("carbon_and_cost_follow_energy_and_factors", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let prices = machine.file("price.csv");
    fs::write(&prices, "time,EUR/kWh\n2026-01-01T00:00:00Z,0.3\n")?;
    let config = format!(
        "[[source.estimate.table]]\nzone = 'node'\npoints = '0:1000 100:2000'\n[footprint]\ncarbon = 360.0\nprice_file = \
         '{prices}'\ncurrency = 'EUR'\nhold = '1s'\n"
    );
    let agent = machine.agent(&config).start()?;
    ensure!(wait_until(LIMIT, || seen(&agent.samples().ok()?, "node")).is_some(), "{}", agent.log());
    let before = agent.samples()?;
    thread::sleep(LENGTH);
    let after = agent.samples()?;
    let zone = [("zone", "node-estimated")];
    let counted = |name: &str, labels: &[(&str, &str)]| -> Result<f64> {
        Ok(after.value(name, labels)? - before.value(name, labels)?)
    };
    let joules = seen(&after, "node").zip(seen(&before, "node")).map(|(after, before)| after - before);
    let joules = joules.context("no energy")?;
    let grams = counted("prony_zone_co2e_grams_total", &zone)?;
    println!("{joules:.3} J, {grams:.6} g");
    ensure!(joules > 0.0 && (grams * 10_000.0 / joules - 1.0).abs() < 1e-6, "{grams} g are not of {joules} J");
    let uncounted =
        counted("prony_footprint_uncounted_joules_total", &[("zone", "node-estimated"), ("figure", "cost")])?;
    ensure!((uncounted / joules - 1.0).abs() < 1e-6, "{uncounted} J of {joules} J have no price");
    let cost = counted("prony_zone_cost_total", &[("zone", "node-estimated"), ("currency", "EUR")])?;
    ensure!(cost.abs() < 1e-12, "{cost} EUR by a price of long ago");
    ensure!(agent.log().contains("price.csv has no value"), "{}", agent.log());

    match needs_server("promtool") {
        Some(reason) => skip("carbon_and_cost_follow_energy_and_factors (the linter)", &reason),
        None => assert_lint(&agent.metrics()?)?,
    }
    Ok(())
}
