//! What the agent gives up once it has started: what a thread of its can no longer do, that every thread of the running agent
//! is such a thread, and that it does its work all the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use prony_tests::{
    Agent, Running, Stolen, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf, needs_root, skip,
    wait_until,
};
use rustix::process::Signal;

const CONFINED: &str = env!("CARGO_BIN_EXE_prony-confined");
const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const PATIENCE: Duration = Duration::from_secs(30);
/// Who has no rights, but a process.
const NOBODY: u32 = 65_534;

const ENFORCED: &str = "[security]\n";
const FILTER_ALONE: &str = "[security]\ndrop_capabilities = false\n";
const CAPABILITIES_ALONE: &str = "[security]\nseccomp = 'off'\n";
const LOGGED: &str = "[security]\nseccomp = 'log'\ndrop_capabilities = false\n";
const NOTHING: &str = "[security]\nseccomp = 'off'\ndrop_capabilities = false\n";

/// Bits of `CapEff` (include/uapi/linux/capability.h).
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// What no thread may do.
const NEVER: &[&str] = &[
    "write-elsewhere",
    "append-elsewhere",
    "truncate-elsewhere",
    "make-elsewhere",
    "make-nameless",
    "rename-elsewhere",
    "link-elsewhere",
    "make-folder-elsewhere",
    "chmod",
    "memfd",
    "openat2",
    "spawn",
    "exec",
    "kill",
    "ptrace",
    "mount",
    "chroot",
    "module",
    "packet-socket",
    "raw-socket",
    "netlink-audit",
    "load-programs",
];
const SOCKETS: &[&str] = &["internet-socket", "listener", "unix-socket"];
const PERF: &[&str] = &["perf-event"];
const IN_FOLDER: &[&str] = &["write-in-folder", "rename-in-folder"];

/// What became of all attempts of a process that has entered a role.
fn attempts(role: &str, security: &str) -> Result<BTreeMap<String, i32>> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fs::write(elsewhere.path().join("there"), "x")?;
    let mut command = Command::new(CONFINED);
    let output = command.arg(role).args([folder.path(), elsewhere.path()]).arg(security).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{role}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let pairs = text.lines().map(|line| {
        let (name, number) = line.split_once(' ').context("no pair")?;
        Ok((name.to_owned(), number.parse()?))
    });
    pairs.collect()
}

/// Asserts that of all attempts these came to nothing, and the others were done.
fn assert_refused(role: &str, security: &str, refused: &[&[&str]]) -> Result<()> {
    let attempts = attempts(role, security)?;
    for (name, number) in &attempts {
        let is_refused = refused.iter().any(|names| names.contains(&name.as_str()));
        let expected: &[i32] = match name.as_str() {
            _ if !is_refused => &[0],
            "openat2" => &[libc::ENOSYS],
            _ => &[libc::EPERM, libc::EACCES],
        };
        ensure!(expected.contains(number), "{role}, {security:?}: {name} ended with {number}, not {expected:?}");
    }
    let known = refused.iter().flat_map(|names| names.iter()).find(|name| !attempts.contains_key(**name));
    ensure!(known.is_none(), "{known:?} was not tried");
    Ok(())
}

#[test]
fn what_a_role_does_not_need_it_cannot_do() -> Result<()> {
    const NAME: &str = "what_a_role_does_not_need_it_cannot_do";
    if let Some(reason) = needs_root().or_else(needs_bpf) {
        skip(NAME, &reason);
        return Ok(());
    }
    // The filter stops even who has all capabilities; whose path a program has takes one to read.
    for (security, others_paths) in [(ENFORCED, &["name-process"][..]), (FILTER_ALONE, &[])] {
        for role in ["attend", "serve"] {
            assert_refused(role, security, &[NEVER, IN_FOLDER, PERF, others_paths])?;
        }
        assert_refused("account", security, &[NEVER, IN_FOLDER, SOCKETS])?;
        for role in ["measure", "record"] {
            assert_refused(role, security, &[NEVER, IN_FOLDER, SOCKETS, PERF, others_paths])?;
        }
        // Landlock lets it read nothing but its folder.
        assert_refused("write", security, &[NEVER, SOCKETS, PERF, &["read", "name-process"]])?;
    }
    Ok(())
}

#[test]
fn without_the_filter_all_of_it_would_be_done() -> Result<()> {
    const NAME: &str = "without_the_filter_all_of_it_would_be_done";
    if let Some(reason) = needs_root().or_else(needs_bpf) {
        skip(NAME, &reason);
        return Ok(());
    }
    for security in [NOTHING, LOGGED] {
        let mut attempts = attempts("serve", security)?;
        // The kernel wants a module that is one, and the audit system has one listener.
        for name in ["module", "netlink-audit"] {
            let number = attempts.remove(name).context(name)?;
            ensure!(number != libc::EPERM, "{name} is refused anyway");
        }
        ensure!(attempts.values().all(|&number| number == 0), "{security}: {attempts:?}");
    }
    let without_capabilities = attempts("serve", CAPABILITIES_ALONE)?;
    for name in ["mount", "chroot", "packet-socket", "raw-socket", "perf-event", "load-programs"] {
        ensure!(without_capabilities[name] != 0, "{name} needs no capability: {without_capabilities:?}");
    }
    Ok(())
}

/// What the kernel says of a thread.
#[derive(Debug)]
struct Thread {
    name: String,
    is_first: bool,
    no_new_privs: String,
    seccomp: String,
    effective: u64,
    permitted: u64,
    bounding: u64,
}

impl Thread {
    fn read(folder: &Path) -> Result<Self> {
        let status = fs::read_to_string(folder.join("status"))?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned()).with_context(|| format!("no {name}"))
        };
        let set = |name| Ok::<_, anyhow::Error>(u64::from_str_radix(&field(name)?, 16)?);
        Ok(Self {
            name: field("Name")?,
            is_first: field("Pid")? == field("Tgid")?,
            no_new_privs: field("NoNewPrivs")?,
            seccomp: field("Seccomp")?,
            effective: set("CapEff")?,
            permitted: set("CapPrm")?,
            bounding: set("CapBnd")?,
        })
    }

    /// All of a process that are there now.
    fn all(pid: u32) -> Result<Vec<Self>> {
        let folders = fs::read_dir(format!("/proc/{pid}/task"))?;
        // Some end while they are looked at.
        Ok(folders.filter_map(|folder| Self::read(&folder.ok()?.path()).ok()).collect())
    }

    /// What it may keep, with nothing special configured.
    fn needs(&self) -> u64 {
        match self.name.as_str() {
            "prony-windows" => BPF | PERFMON | DAC_READ_SEARCH | SYS_PTRACE,
            "prony-hwmon" => DAC_READ_SEARCH,
            _ if self.is_first => DAC_READ_SEARCH,
            _ => 0,
        }
    }

    fn assert_confined(&self) {
        let expected = self.needs();
        let confined = self.no_new_privs == "1" && self.seccomp == "2" && self.bounding == 0;
        assert!(confined && self.effective == expected && self.permitted == expected, "{self:x?}");
    }
}

/// Waits until the agent says what it has given up, and returns that line.
fn given_up(agent: &Agent) -> Result<String> {
    let line = || agent.log().lines().find(|line| line.contains("keeps of its capabilities")).map(str::to_owned);
    wait_until(PATIENCE, line).with_context(|| format!("it does not say what it keeps: {}", agent.log()))
}

fn keeping(state: &Path, security: &str) -> Result<Agent> {
    let profile = state.join("profile.json");
    let config = format!("attribution.profile = '{}'\nactivity.window = '10ms'\n{security}", profile.display());
    Agent::builder().config(&config).arguments(["--state".as_ref(), state.as_os_str()]).start()
}

#[test]
fn every_thread_of_the_agent_has_given_up_what_it_does_not_need() -> Result<()> {
    const NAME: &str = "every_thread_of_the_agent_has_given_up_what_it_does_not_need";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    let state = tempfile::tempdir()?;
    let agent = keeping(state.path(), ENFORCED)?;
    let line = given_up(&agent)?;
    ensure!(line.contains("CAP_BPF") && line.contains("filter of system calls on"), "{line}");
    let in_force = [("no_new_privs", "on"), ("capabilities", "on"), ("seccomp", "on"), ("landlock", "on")];
    for _ in 0..20 {
        // A scrape is answered by a thread that may be new.
        let samples = agent.samples()?;
        ensure!(samples.value("prony_confinement_info", &in_force)? > 0.0, "{}", agent.metrics()?);
        Thread::all(agent.pid())?.iter().for_each(Thread::assert_confined);
        sleep(Duration::from_millis(50));
    }
    let names: Vec<String> = Thread::all(agent.pid())?.into_iter().map(|thread| thread.name).collect();
    for name in ["prony-agent", "prony-windows", "prony-hwmon", "prony-books", "prony-profile"] {
        ensure!(names.iter().any(|there| there == name), "no {name} in {names:?}");
    }
    assert!(agent.stop()?.status.success());
    Ok(())
}

#[test]
fn what_is_not_wanted_is_left_alone() -> Result<()> {
    const NAME: &str = "what_is_not_wanted_is_left_alone";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    for (security, seccomp, no_new_privs) in [(NOTHING, "0", "0"), (LOGGED, "2", "1"), (CAPABILITIES_ALONE, "0", "1")] {
        let state = tempfile::tempdir()?;
        let agent = keeping(state.path(), security)?;
        given_up(&agent)?;
        let ours = Thread::read(Path::new("/proc/self"))?;
        for thread in Thread::all(agent.pid())? {
            let same = thread.seccomp == seccomp && thread.no_new_privs == no_new_privs;
            let expected = if security == CAPABILITIES_ALONE { thread.needs() } else { ours.effective };
            ensure!(same && thread.effective == expected, "{security}: {thread:x?}");
        }
        assert!(agent.stop()?.status.success());
    }
    Ok(())
}

/// Waits until this is the label `exe` of a process in a scrape.
fn wait_for_exe(agent: &Agent, pid: u32, exe: &str) -> Result<()> {
    let number = pid.to_string();
    let path = || {
        let samples = agent.samples().ok()?;
        let labels = [("pid", number.as_str())];
        samples
            .matching("kepler_process_cpu_seconds_total", &labels)
            .any(|line| line.labels["exe"] == exe)
            .then_some(())
    };
    wait_until(PATIENCE, path).with_context(|| format!("process {pid} is not told to run {exe}: {:?}", agent.metrics()))
}

#[test]
fn the_agent_does_its_work_all_the_same() -> Result<()> {
    const NAME: &str = "the_agent_does_its_work_all_the_same";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    let (state, group) = (tempfile::tempdir()?, TestCgroup::new("confined")?);
    let load = fs::canonicalize(LOAD)?;
    let spin = |length: &str| -> Command {
        let mut command = Command::new(&load);
        command.args(["spin", length]).stdout(Stdio::null());
        command
    };
    // Somebody else's, from before the agent: whose path it is takes a capability to read.
    let stranger = Running::start(spin("600").uid(NOBODY).gid(NOBODY))?;
    let agent = keeping(state.path(), ENFORCED)?;
    given_up(&agent)?;
    wait_for_exe(&agent, stranger.pid(), &load.to_string_lossy())?;
    drop(stranger);

    let stolen = Stolen::from_now()?;
    let before = agent.samples()?;
    let mut command = group.command(LOAD);
    let newcomer = Running::start(command.args(["spin", "4"]).stdout(Stdio::null()))?;
    wait_for_exe(&agent, newcomer.pid(), LOAD)?;
    agent.write_config("activity.windw = '1s'")?;
    agent.signal(Signal::HUP)?;
    wait_until(PATIENCE, || agent.log().contains("was not taken over").then_some(())).context("no reload")?;
    ensure!(newcomer.wait()?.success(), "the load has failed");
    sleep(Duration::from_millis(500));
    let after = agent.samples()?;
    let ours = after.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", &group.name())]);
    stolen.agrees(&group.name(), ours, group.usage()?.as_secs_f64(), 0.01)?;
    assert_books(&after)?;
    assert_nothing_fell(&before, &after);
    let stopped = agent.stop()?;
    ensure!(stopped.status.success() && !stopped.log.contains("cannot be written"), "{}", stopped.log);

    // The next one goes on with the books, which are begun anew in the confinement, and lays the old ones aside.
    let next = keeping(state.path(), ENFORCED)?;
    given_up(&next)?;
    let went_on = next.samples()?.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", &group.name())]);
    ensure!(went_on >= ours, "{went_on} s of {ours} s are left");
    assert!(state.path().join("books.old").exists());
    assert!(next.stop()?.status.success());
    Ok(())
}

#[test]
fn books_are_begun_anew_in_the_confinement() -> Result<()> {
    const NAME: &str = "books_are_begun_anew_in_the_confinement";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    let (state, group) = (tempfile::tempdir()?, TestCgroup::new("storm")?);
    let agent = keeping(state.path(), ENFORCED)?;
    given_up(&agent)?;
    let books = || fs::metadata(state.path().join("books")).map(|file| file.ino()).ok();
    let first = wait_until(PATIENCE, books).context("no books")?;
    let mut command = group.command(LOAD);
    let storm = Running::start(command.args(["storm", "300", "60", "1", "brief-life"]).stdout(Stdio::null()))?;
    let rotated = wait_until(Duration::from_mins(1), || books().filter(|&now| now != first));
    drop(storm);
    if rotated.is_none() {
        bail!("the books were not begun anew: {}", agent.log());
    }
    let stopped = agent.stop()?;
    ensure!(stopped.status.success() && !stopped.log.contains("cannot be written"), "{}", stopped.log);
    Ok(())
}
