//! `prony calibrate`: measures static power on an idle machine, and what load adds to it.

mod export;
mod findings;
mod ladder;
mod meters;
mod others;
mod power_log;
mod print;
mod spinners;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::activity::read_topology;
use crate::clock::{Timestamp, UnixSeconds, WallAnchor};
use crate::config::Config;
use crate::host::machine_name;
use crate::profile::{Profile, ProfileFile};
use crate::source::estimate::cpu_model;
use crate::units::Nanoseconds;

use super::EXIT_USAGE;
use super::logging::{self, LogFormat};
use super::output::{Output, print, print_json};
use super::run::ConfigArgs;
use super::signals::Signals;

use findings::{Findings, Measured};
use ladder::{Rung, ladder};
use meters::Meters;
use others::UsedTicks;
use power_log::PowerLogs;

const SHORTEST_STEP: Duration = Duration::from_secs(2);
const LONGEST_STEP: Duration = Duration::from_mins(1);

const EXAMPLES: &str = "\
Examples:
  sudo prony calibrate --out /var/lib/prony/profile.json
  sudo prony calibrate --config prony.toml --step 20s
  sudo prony calibrate --config prony.toml --output json | jq .zones
  sudo prony calibrate --config prony.toml --export-profile power-profile.json

It lets the machine be idle for two steps, keeps one CPU busy, then a quarter, half, three quarters and all of them, and
lets it be idle again. What each zone draws idle is its static power: it goes into the profile, with which the agent begins
(attribution.profile). What it draws by its load can be handed on to machines of the same kind that have no meter
(source.estimate.profile_file). Stop what else runs on the machine before, also the agent.
Signals:
  SIGTERM, SIGINT  end the load at once; nothing is kept
Exit codes: 0 calibrated, 1 no meter, a busy machine or another failure, 2 wrong usage or configuration.";

/// What `prony calibrate` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How long each step is, 2s to 60s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = step)]
    step: Duration,
    /// The profile to keep it in [default: attribution.profile of the configuration]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write what the machine draws by its load, for machines of its kind without a meter
    #[arg(long, value_name = "FILE")]
    export_profile: Option<PathBuf>,
    /// Measure also where others keep the machine busy
    #[arg(long)]
    anyway: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: Output,
}

fn step(text: &str) -> Result<Duration, String> {
    let step = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST_STEP..=LONGEST_STEP).contains(&step) { Ok(step) } else { Err("write a time from 2s to 60s".into()) }
}

/// Measures, prints and keeps what was found.
pub fn run(args: &CalibrateArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?.config;
    let path = args.out.clone().or_else(|| config.attribution.profile.clone());
    if path.is_none() && args.export_profile.is_none() {
        eprintln!(
            "prony: where is the profile to be kept? Give --out FILE, or set attribution.profile; --export-profile FILE is \
             for other machines"
        );
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    logging::start(LogFormat::default(), 0)?;
    let mut kept = path.map(Kept::open).transpose()?;
    if let Some(export) = &args.export_profile {
        try_folder(export).with_context(|| unwritable(export, "--export-profile"))?;
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (logs, steps) = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            measured = climb(&config, args) => measured,
            _ = signals.next() => Err(anyhow::anyhow!("ended by a signal: nothing is kept")),
        }
    })?;
    let name = |path: &Path| path.display().to_string();
    let mut found = Findings::new(&logs, &steps, &config.attribution.static_power);
    found.profile = kept.as_ref().map(|kept| name(&kept.path));
    found.power_profile = args.export_profile.as_deref().map(name);
    ensure!(
        found.idle_powers().next().is_some(),
        "no meter has told what the machine draws idle: give a longer --step, or see whether it is reachable"
    );
    let anchor = WallAnchor::take();
    let now = anchor.unix_seconds(Timestamp::now());
    if let Some(kept) = &mut kept {
        kept.put(&found, now)?;
    }
    if let Some(path) = &args.export_profile {
        let profile = export::power_profile(&found, subject(&config), cpus(&config)?, now);
        let profile =
            profile.context("no meter has told enough of what the machine draws under load: give a longer --step")?;
        found.notes.extend(profile.warnings.iter().cloned());
        profile.write(path).with_context(|| unwritable(path, "--export-profile"))?;
    }
    match args.output {
        Output::Json => print_json(&found)?,
        Output::Text => print(&print::text(&found))?,
    }
    if let Some(Kept { path, .. }) = kept.filter(|kept| config.attribution.profile.as_ref() != Some(&kept.path)) {
        eprintln!("The agent begins with it where attribution.profile = \"{}\".", path.display());
    }
    if let Some(path) = &args.export_profile {
        let path = path.display();
        eprintln!(
            "Machines of this kind without a meter estimate by it where source.estimate.profile_file = \"{path}\"."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The profile of this machine's static power.
struct Kept {
    path: PathBuf,
    file: ProfileFile,
    profile: Profile,
}

impl Kept {
    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let (file, profile) = ProfileFile::open_or_begin(&path, |error| tracing::warn!("{error}"))?;
        file.try_folder().with_context(|| unwritable(&path, "--out"))?;
        Ok(Self { path, file, profile })
    }

    fn put(&mut self, found: &Findings, now: UnixSeconds) -> anyhow::Result<()> {
        found.idle_powers().for_each(|idle| self.profile.put(idle, now));
        self.file.write(&self.profile).with_context(|| unwritable(&self.path, "--out"))
    }
}

fn unwritable(path: &Path, flag: &str) -> String {
    format!("{} cannot be written: make its folder, or name another by {flag}", path.display())
}

/// Sees to it that a file can be written there, as far as can be told without doing so.
fn try_folder(path: &Path) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    File::create(&new)?;
    fs::remove_file(&new)
}

/// What the machine is called in a profile for others.
fn subject(config: &Config) -> String {
    let name = config.node_name.clone().unwrap_or_else(machine_name);
    let model = cpu_model(&config.host.roots());
    if model.is_empty() { name } else { format!("{name} ({model})") }
}

fn cpus(config: &Config) -> anyhow::Result<usize> {
    Ok(read_topology(&config.host.sysfs)?.cpus().len())
}

/// Measures step after step.
async fn climb(config: &Config, args: &CalibrateArgs) -> anyhow::Result<(PowerLogs, Vec<Measured>)> {
    let roots = config.host.roots();
    let topology = read_topology(&roots.sysfs).with_context(|| {
        format!("the CPUs cannot be told from {}: mount sysfs there, or set host.sysfs", roots.sysfs.display())
    })?;
    let all = topology.cpus().len();
    let cpus = std::thread::available_parallelism().map_or(all, |allowed| allowed.get().min(all));
    if cpus < all {
        tracing::warn!("only {cpus} of {all} CPUs may be used here: the steps go up to {cpus}");
    }
    let rungs = ladder(cpus, args.step.into());
    let mut meters = Meters::start(&config.source, &roots, &topology)?;
    let time = rungs.iter().map(|rung| rung.length).sum::<Nanoseconds>();
    eprintln!("{} steps, {:.0} s in all; leave the machine alone meanwhile", rungs.len(), time.seconds());

    let (first, rest) = rungs.split_first().context("there is always a step")?;
    let before = UsedTicks::read(&roots.procfs)?;
    let mut steps = vec![climb_to(*first, &mut meters).await?];
    ensure!(
        !meters.logs.are_empty(),
        "no meter has answered in {:.0} s: see whether it is reachable, or give a longer --step",
        first.length.seconds()
    );
    let busy = UsedTicks::read(&roots.procfs)?.since(&before, all, std::process::id());
    if !busy.are_quiet() {
        let busy = format!("{busy}, so that what the machine draws idle cannot be told");
        ensure!(args.anyway, "{busy}: stop them, or take too high a static power into account and give --anyway");
        tracing::warn!("{busy}: static power will be too high");
    }
    for rung in rest {
        steps.push(climb_to(*rung, &mut meters).await?);
    }
    let end = steps.last().map_or_else(Timestamp::now, |step| step.to);
    meters.wait_for(end).await;
    Ok((meters.logs, steps))
}

async fn climb_to(rung: Rung, meters: &mut Meters) -> anyhow::Result<Measured> {
    let load = match rung.cpus {
        0 => "idle".to_owned(),
        1 => "1 CPU busy".to_owned(),
        cpus => format!("{cpus} CPUs busy"),
    };
    eprintln!("{load}, {:.0} s", rung.length.seconds());
    meters.measure(rung).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_bounded() {
        assert_eq!(step("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(step("1m"), Ok(Duration::from_mins(1)));
        for text in ["1s", "61s", "", "10"] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
