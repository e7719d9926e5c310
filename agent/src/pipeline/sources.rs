//! The sources of this run: which there are, how each is read, and how those that run on their own are stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::activity::{ActivityWindow, Topology};
use crate::clock::Timestamp;
use crate::config::{Esp32Config, EstimateConfig, HwmonConfig, MeterConfig, SourceConfig};
use crate::confine::{Confinement, Role};
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::source::estimate::{Estimate, PowerProfile, cpu_model};
use crate::source::hwmon::Hwmon;
use crate::source::rapl::Tried;
use crate::source::{IdlePower, Reading, SampledSource, SourceEnd, SourceId, esp32, meter, rapl};
use crate::units::Nanoseconds;

use super::Deliver;

/// The longest pause between two looks at hwmon where there is no chip.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often RAPL is looked for again where it may still come (a module that is loaded later).
const LOOK_AGAIN: Nanoseconds = Nanoseconds(30 * Nanoseconds::SECOND.0);

static RAPL_UNREADABLE: Notice = Notice::new("rapl_unreadable");
static UNUSABLE_PROFILE: Notice = Notice::new("estimate_profile");

/// Everything that measures.
pub(crate) struct Sources {
    config: SourceConfig,
    roots: HostRoots,
    rapl: Option<Box<dyn SampledSource>>,
    /// Whether something else measures.
    others: bool,
    look_again: Option<Timestamp>,
    estimate: Option<Estimate>,
    stop: CancellationToken,
}

impl Sources {
    /// Finds and starts what is configured and there. Meters run on `runtime` and deliver by `deliver` until this is
    /// dropped. `instance` is what is known of the cloud instance that this machine is.
    pub(crate) fn start(
        config: &SourceConfig,
        roots: &HostRoots,
        topology: &Topology,
        runtime: &Handle,
        deliver: &Deliver,
        confinement: &Arc<Confinement>,
        instance: Option<PowerProfile>,
    ) -> Self {
        let stop = CancellationToken::new();
        let choice = rapl::choose(&config.rapl, roots);
        match choice.tried.last() {
            Some(Tried { interface, outcome: Ok(zones) }) => {
                let zones: Vec<_> = zones.iter().map(ToString::to_string).collect();
                info!("RAPL through {interface}: {}", zones.join(", "));
            }
            Some(Tried { outcome: Err(_), .. }) => info!("RAPL is not used: {}", choice.why_none()),
            None => {}
        }
        let look_again = choice.may_come().then(|| Timestamp::now() + LOOK_AGAIN);
        let mut others = start_hwmon(&config.hwmon, roots, deliver, &stop, confinement);
        others |= start_meters(config, runtime, deliver, &stop);
        let measured = choice.source.is_some() || others;
        let estimate = config.estimate.enabled.unwrap_or(!measured).then(|| {
            let model = cpu_model(roots);
            let profile = power_profile(&config.estimate).or(instance);
            let estimate = Estimate::new(&config.estimate, profile.as_ref(), &model, topology);
            tell_remarks(&estimate);
            if !measured {
                warn!(
                    "nothing measures power here, so it is estimated from CPU time and labelled so: {} (what would make it \
                     better: {})",
                    estimate.describe(),
                    estimate.better(&model)
                );
            }
            estimate
        });
        let (config, roots, rapl) = (config.clone(), roots.clone(), choice.source);
        Self { config, roots, rapl, others, look_again, estimate, stop }
    }

    /// Whether anything is there that measures, whether or not it answers.
    pub(crate) fn any_measures(&self) -> bool {
        self.rapl.is_some() || self.others
    }

    /// The order in which sources of one zone are preferred: the processor's own counters first.
    pub(super) fn preference(&self) -> Vec<SourceId> {
        self.rapl.iter().map(|rapl| rapl.id().clone()).collect()
    }

    /// What is known of zones' static power without learning it.
    pub(super) fn idle_powers(&self) -> Vec<IdlePower> {
        self.estimate.as_ref().map(Estimate::idle_powers).unwrap_or_default()
    }

    /// Reads what is read at the end of every window.
    pub(crate) fn sample(&mut self, at: Timestamp, readings: &mut Vec<Reading>) {
        if self.look_again.is_some_and(|due| at >= due) {
            self.look_for_rapl(at);
        }
        let Some(rapl) = &mut self.rapl else { return };
        match rapl.sample(at, readings) {
            Ok(()) => {}
            Err(end @ SourceEnd::Retry(_)) => RAPL_UNREADABLE.warn(end),
            Err(end) => {
                warn!("{} is no longer read: {end}", rapl.id());
                self.rapl = None;
            }
        }
    }

    fn look_for_rapl(&mut self, at: Timestamp) {
        let choice = rapl::choose(&self.config.rapl, &self.roots);
        self.look_again = choice.may_come().then(|| at + LOOK_AGAIN);
        if let Some(source) = choice.source {
            info!("{} is there now", source.id());
            self.rapl = Some(source);
            if self.config.estimate.enabled.is_none() {
                self.estimate = None;
            }
        }
    }

    /// Estimates by this profile of the cloud instance from now on, where an estimate is wanted and has no profile yet.
    pub(super) fn estimate_by(&mut self, profile: &PowerProfile, topology: &Topology) {
        if let Some(estimate) = self.estimate.as_mut().filter(|estimate| !estimate.has_profile()) {
            *estimate = Estimate::new(&self.config.estimate, Some(profile), &cpu_model(&self.roots), topology);
            tell_remarks(estimate);
            info!("from now on power is estimated so: {}", estimate.describe());
        }
    }

    /// Estimates from what has run, where that is wanted.
    pub(super) fn estimate(&mut self, window: &ActivityWindow, readings: &mut Vec<Reading>) {
        if let Some(estimate) = &mut self.estimate {
            estimate.readings(window, readings);
        }
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn tell_remarks(estimate: &Estimate) {
    for remark in estimate.remarks() {
        warn!("the estimate: {remark}");
    }
}

/// The configured power profile. One that cannot be had is told of, and the estimate goes by what else is known.
fn power_profile(config: &EstimateConfig) -> Option<PowerProfile> {
    let read = PowerProfile::read(config.profile_file.as_deref()?);
    read.inspect_err(|error| UNUSABLE_PROFILE.warn(format_args!("{error}; power is estimated without it"))).ok()
}

/// Reads hwmon on a thread of its own: chips on slow buses take milliseconds to answer. Tells whether there is any.
fn start_hwmon(
    config: &HwmonConfig,
    roots: &HostRoots,
    deliver: &Deliver,
    stop: &CancellationToken,
    confinement: &Arc<Confinement>,
) -> bool {
    if !config.enabled {
        return false;
    }
    let mut hwmon = Hwmon::discover(config, roots);
    let found = !hwmon.zones().is_empty();
    for (zone, what) in hwmon.describe() {
        info!("zone {zone}: {what}");
    }
    let (interval, deliver, stop) = (config.interval, deliver.clone(), stop.clone());
    let reader = confinement.spawn("prony-hwmon", Role::Measure, move || {
        let mut pause = interval;
        while !stop.is_cancelled() {
            let mut readings = Vec::new();
            hwmon.read(Timestamp::now(), &mut readings);
            // Without a chip there is nothing to do but to look for one now and then.
            pause = if readings.is_empty() { (pause * 2).min(LONGEST_PAUSE) } else { interval };
            if !readings.is_empty() {
                deliver(readings);
            }
            std::thread::sleep(pause);
        }
    });
    if let Err(error) = reader {
        warn!("hwmon is not read: no thread ({error}); raise the limit of tasks");
    }
    found
}

/// Starts a task for every configured meter. Meters wait for their network by themselves; what ends is wrong for good.
/// Tells whether there is any.
fn start_meters(config: &SourceConfig, runtime: &Handle, deliver: &Deliver, stop: &CancellationToken) -> bool {
    let mut any = false;
    let mut start = |run: Result<Running, SourceEnd>| match run {
        Ok(run) => {
            any = true;
            runtime.spawn(async move {
                if let end @ (SourceEnd::Fatal(_) | SourceEnd::Retry(_)) = run.await {
                    tracing::error!("a meter is given up: {end}");
                }
            });
        }
        Err(end) => tracing::error!("a meter is not used: {end}"),
    };
    let hand_over = |deliver: Deliver| move |reading| deliver(vec![reading]);
    for Esp32Config { zone, address, channel, .. } in &config.esp32 {
        info!("zone {zone}: ESP32 meter at {address}, channel {channel}");
    }
    for MeterConfig { zone, device, channel, .. } in &config.meter {
        info!("zone {zone}: meter {device}, channel {channel}");
    }
    for meter in esp32::meters(&config.esp32) {
        start(meter.map(|meter| Box::pin(meter.run(hand_over(deliver.clone()), stop.clone())) as Running));
    }
    for link in meter::links(&config.meter) {
        start(link.map(|link| Box::pin(link.run(hand_over(deliver.clone()), stop.clone())) as Running));
    }
    any
}

type Running = std::pin::Pin<Box<dyn Future<Output = SourceEnd> + Send>>;
