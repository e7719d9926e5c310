//! The agent beside three groups: one that runs all the time, one half of it, and one that sleeps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::vm::{Machine, Report, guest};
use prony_tests::{Agent, Running, Samples, TestCgroup, assert_books, wait_until};

use crate::energy_registers::{self, Drawn};

const PATIENCE: Duration = Duration::from_mins(1);
/// How long the busiest group runs.
const BUSY: f64 = 12.0;
/// What an idle package draws, which the plugin says: the rest is the groups'.
const IDLE_WATTS: f64 = 12.0;
/// What is left until a counter wraps, when a trial begins.
const UNTIL_WRAP: f64 = 60.0;

/// What the agent measures power by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    /// Nothing.
    None,
    /// RAPL through powercap.
    Powercap,
    /// RAPL through perf.
    Perf,
}

impl Meter {
    /// Those to be tried on a machine.
    pub(crate) fn of(machine: &Machine) -> &'static [Self] {
        if machine.has_energy() {
            &[Self::Powercap, Self::Perf]
        } else if machine.has_power_chip {
            &[]
        } else {
            &[Self::None]
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no meter",
            Self::Powercap => "powercap",
            Self::Perf => "perf",
        }
    }

    /// Why this kernel does not have it.
    pub(crate) fn missing(self) -> Option<String> {
        let needed = match self {
            Self::None => return None,
            Self::Powercap => "/sys/class/powercap/intel-rapl:0/energy_uj",
            Self::Perf => "/sys/bus/event_source/devices/power",
        };
        (!Path::new(needed).exists()).then(|| format!("this kernel has no {needed}"))
    }

    fn config(self) -> String {
        let interface = if self == Self::None { "auto" } else { self.name() };
        format!(
            "[source.rapl]\ninterface = '{interface}'\n[attribution]\nweights = 'common'\n\
             static_power = {{ package-0 = {IDLE_WATTS}, package-1 = {IDLE_WATTS} }}\n"
        )
    }
}

/// A moment.
struct Moment {
    at: Instant,
    samples: Samples,
    /// By package.
    drawn: Vec<Drawn>,
}

impl Moment {
    /// The next end of a window: until then the agent knows of everything.
    fn next(agent: &Agent, machine: &Machine, meter: Meter) -> Result<Self> {
        let windows = |samples: &Samples| samples.sum("prony_windows_total", &[]);
        let before = windows(&agent.samples()?);
        let samples = wait_until(PATIENCE, || agent.samples().ok().filter(|samples| windows(samples) > before));
        let at = Instant::now();
        let packages = if meter == Meter::None { 0 } else { machine.packages() };
        let drawn = (0..packages).map(energy_registers::drawn).collect::<Result<_>>()?;
        Ok(Self { at, samples: samples.context("no window ends")?, drawn })
    }
}

struct Group {
    name: &'static str,
    path: String,
    kernels: f64,
}

/// What was seen.
pub(crate) struct Trial {
    meter: Meter,
    from: Moment,
    to: Moment,
    groups: Vec<Group>,
    log: String,
}

impl Trial {
    pub(crate) fn run(machine: &Machine, meter: Meter) -> Result<Self> {
        if meter != Meter::None {
            energy_registers::rewind()?;
        }
        let agent = Agent::builder().config(&meter.config()).start()?;
        let measures = |samples: &Samples| samples.matching("prony_zone_measured_joules_total", &[]).count() > 0;
        let first = wait_until(PATIENCE, || agent.samples().ok().filter(measures));
        first.with_context(|| format!("no zone; the log:\n{}", agent.log()))?;
        sleep(Duration::from_secs(1));

        let loads = [("busy", "spin", BUSY), ("half", "spin", BUSY / 2.0), ("asleep", "sleep", BUSY)];
        let groups = loads.map(|(name, ..)| TestCgroup::new(name));
        let from = Moment::next(&agent, machine, meter)?;
        let mut running = Vec::new();
        let mut named = Vec::new();
        for (group, (name, load, seconds)) in groups.into_iter().zip(loads) {
            let group = group?;
            let mut command = group.command(guest::LOAD);
            running.push(Running::start(command.args([load, &seconds.to_string()]))?);
            named.push((name, group));
        }
        for load in running {
            ensure!(load.wait()?.success(), "a load has failed");
        }
        sleep(Duration::from_millis(1500));
        let to = Moment::next(&agent, machine, meter)?;
        let groups = named
            .iter()
            .map(|(name, group)| Ok(Group { name, path: group.name(), kernels: group.usage()?.as_secs_f64() }));
        let groups = groups.collect::<Result<_>>()?;
        Ok(Self { meter, from, to, groups, log: agent.stop()?.log })
    }

    pub(crate) fn judge(&self, report: &mut Report) {
        if let Some(how) = self.to.samples.matching("prony_kernel_attachment_info", &[]).next() {
            report.attachment.clone_from(&how.labels["attachment"]);
        }
        let name = |what: &str| format!("{}: {what}", self.meter.name());
        report.check(&name("all CPU time is somebody's"), || self.closure());
        report.check(&name("groups have the time that the kernel counts"), || self.times());
        report.check(&name("books"), || self.books());
        if self.meter == Meter::None {
            report.check(&name("estimated and said so"), || self.estimate());
            return;
        }
        report.check(&name("energy of packages, over a wrap"), || self.energy("package", |drawn| drawn.package));
        if self.joules("dram", "0") > 0.0 {
            report.check(&name("energy of memory"), || self.energy("dram", |drawn| drawn.memory));
        } else {
            report.absent(&name("energy of memory"), "this kernel shows none on this processor");
        }
        report.check(&name("busy against idle"), || self.shares());
    }

    fn grown(&self, metric: &str, labels: &[(&str, &str)]) -> f64 {
        self.to.samples.sum(metric, labels) - self.from.samples.sum(metric, labels)
    }

    fn closure(&self) -> Result<String> {
        let processors = std::thread::available_parallelism()?.get() as f64;
        let all = self.grown("prony_cpu_seconds_total", &[]);
        let had = self.to.at.duration_since(self.from.at).as_secs_f64() * processors;
        // The end of a window is seen a little later, on a slow machine more so.
        ensure!((all / had - 1.0).abs() < 0.05, "{all:.2} s of {had:.2} s of all CPUs");
        Ok(format!("{all:.2} s of {had:.2} s of all CPUs"))
    }

    fn times(&self) -> Result<String> {
        let mut told = Vec::new();
        for group in &self.groups {
            let ours = self.to.samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", &group.path)]);
            let off = ours - group.kernels;
            told.push(format!("{} {ours:.3} s of {:.3} s", group.name, group.kernels));
            ensure!(off.abs() <= 0.01 * group.kernels + 0.02, "{}", told.join(", "));
        }
        Ok(told.join(", "))
    }

    fn books(&self) -> Result<String> {
        let added_up = catch_unwind(AssertUnwindSafe(|| assert_books(&self.to.samples)));
        added_up.map_err(|_| anyhow::anyhow!("they do not add up: see the console"))??;
        Ok("add up to the microjoule".to_owned())
    }

    fn estimate(&self) -> Result<String> {
        let zones = "prony_zone_measured_joules_total";
        let all = self.to.samples.matching(zones, &[]).count();
        let estimated = self.to.samples.matching(zones, &[("provenance", "estimated")]).count();
        ensure!(all == estimated && all > 0, "{all} zones, {estimated} estimated");
        ensure!(self.log.contains("RAPL is not used"), "nothing is said of RAPL:\n{}", self.log);
        Ok("the log says what is missing".to_owned())
    }

    /// What the agent has measured of a kind of zone.
    fn joules(&self, zone: &str, socket: &str) -> f64 {
        let name = format!("{zone}-{socket}");
        let labels = [("socket", socket)];
        let of_socket = |samples: &Samples| {
            let measured = samples.matching("prony_zone_measured_joules_total", &labels);
            measured.filter(|it| [zone, &name].contains(&it.labels["zone"].as_str())).map(|it| it.value).sum::<f64>()
        };
        of_socket(&self.to.samples) - of_socket(&self.from.samples)
    }

    fn energy(&self, zone: &str, part: impl Fn(&Drawn) -> f64) -> Result<String> {
        let mut told = Vec::new();
        for (package, (from, to)) in self.from.drawn.iter().zip(&self.to.drawn).enumerate() {
            let (measured, drawn) = (self.joules(zone, &package.to_string()), part(to) - part(from));
            told.push(format!("{package}: {measured:.2} J of {drawn:.2} J"));
            ensure!((measured / drawn - 1.0).abs() < 0.05, "{}", told.join(", "));
            ensure!(zone != "package" || drawn > UNTIL_WRAP, "{drawn} J is too little for a wrap");
        }
        Ok(told.join(", "))
    }

    /// The power of a group's CPU second is much alike, and a group that sleeps has next to none. What an emulated processor
    /// draws for interrupts goes to those who run on its package.
    fn shares(&self) -> Result<String> {
        let active = |group: &Group| {
            self.to
                .samples
                .matching("prony_cgroup_joules_total", &[("cgroup", &group.path), ("part", "active")])
                .filter(|it| it.labels["zone"].starts_with("package"))
                .map(|it| it.value)
                .sum::<f64>()
        };
        let [busy, half, asleep] = &self.groups[..] else { anyhow::bail!("three groups were started") };
        let (busy_joules, half_joules, asleep_joules) = (active(busy), active(half), active(asleep));
        let (busy_watts, half_watts) = (busy_joules / busy.kernels, half_joules / half.kernels);
        let told = format!(
            "busy {busy_joules:.1} J ({busy_watts:.2} W), half {half_joules:.1} J ({half_watts:.2} W), asleep \
             {asleep_joules:.2} J"
        );
        ensure!((busy_watts / half_watts - 1.0).abs() < 0.35, "{told}");
        ensure!(asleep_joules < 0.02 * busy_joules, "{told}");
        Ok(told)
    }
}
