//! What a replay yields, line by line.

use std::io::{self, Write};

use serde::Serialize;

use crate::activity::CgroupId;
use crate::attribute::{Attribution, Share};
use crate::fuse::{Doubt, MeterState};
use crate::identity::Names;
use crate::invocation::Finished;
use crate::source::Zone;
use crate::units::Microjoules;

/// Whose energy each line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// A line for each process in each cgroup.
    #[default]
    Process,
    /// A line for each cgroup.
    Cgroup,
}

/// What an invocation used in a zone.
#[derive(Serialize)]
struct InvocationPart<'a> {
    invocation: &'a str,
    zone: &'a str,
    active_uj: u64,
    idle_uj: u64,
    sigma_uj: u64,
}

/// What became known of a meter.
#[derive(Serialize)]
struct MeterLine<'a> {
    meter: &'a str,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_sigma_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_over_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain_sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_sigma_w: Option<f64>,
    static_w: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reckoned_uj: Option<u64>,
    disagrees: bool,
}

/// Writes results.
#[derive(Debug)]
pub(super) struct ResultWriter<W> {
    out: W,
    by: By,
    /// Names of zones as they are written.
    zones: Vec<(Zone, String)>,
}

/// Energy for what was done, and the share of static energy.
#[derive(Clone, Copy, Default)]
struct Energies {
    active: Microjoules,
    idle: Microjoules,
    doubt: Doubt,
}

impl Energies {
    fn of(share: &Share, attribution: &Attribution) -> Self {
        Self { active: share.active, idle: share.idle, doubt: attribution.doubt(share) }
    }

    /// Of nobody: only as sure as what is measured.
    fn of_nobody(active: Microjoules, idle: Microjoules, attribution: &Attribution) -> Self {
        Self { active, idle, doubt: attribution.doubt_of(active + idle) }
    }

    /// Takes in another of the same cgroup, of which the same is off.
    fn add(&mut self, other: Self) {
        self.active += other.active;
        self.idle += other.idle;
        self.doubt.systematic = (self.doubt.systematic.sqrt() + other.doubt.systematic.sqrt()).powi(2);
        self.doubt.random = (self.doubt.random.sqrt() + other.doubt.random.sqrt()).powi(2);
    }
}

impl<W: Write> ResultWriter<W> {
    pub(super) fn new(out: W, by: By) -> Self {
        Self { out, by, zones: Vec::new() }
    }

    /// The parts of a zone's energy over a window; together they are the whole.
    pub(super) fn window(&mut self, attribution: &Attribution, names: &Names) -> io::Result<()> {
        let zone = self.zone(&attribution.zone);
        // By hand: a trace has millions of these lines.
        let zone = serde_json::to_string(&self.zones[zone].1)?;
        let head =
            format!(r#"{{"from_ns":{},"to_ns":{},"zone":{zone},"cgroup":"#, attribution.from.0, attribution.to.0);
        let tail = format!(",\"provenance\":\"{}\"}}\n", attribution.provenance.label());
        let mut digits = itoa::Buffer::new();
        let mut part = |cgroup: &str, pid: Option<u32>, Energies { active, idle, doubt }: Energies| {
            let out = &mut self.out;
            out.write_all(head.as_bytes())?;
            serde_json::to_writer(&mut *out, cgroup)?;
            let sigma = |variance: f64| variance.sqrt().round() as u64;
            for (key, number) in [
                (",\"pid\":", pid.map(u64::from)),
                (",\"active_uj\":", Some(active.0)),
                (",\"idle_uj\":", Some(idle.0)),
                (",\"sigma_uj\":", Some(sigma(doubt.systematic + doubt.random))),
                (",\"lasting_uj\":", Some(sigma(doubt.systematic))),
            ] {
                if let Some(number) = number {
                    out.write_all(key.as_bytes())?;
                    out.write_all(digits.format(number).as_bytes())?;
                }
            }
            out.write_all(tail.as_bytes())
        };
        let mut kernel = Energies::default();
        let mut cgroups: Vec<(CgroupId, Energies)> = Vec::new();
        for share in &attribution.shares {
            let sum = if names.consumer(&share.consumer).is_some_and(|name| name.kernel_thread) {
                &mut kernel
            } else if self.by == By::Process {
                let energies = Energies::of(share, attribution);
                part(path(names, share.consumer.cgroup), Some(share.consumer.pid.0), energies)?;
                continue;
            } else {
                // Consumers come in order, those of a cgroup one after the other.
                if cgroups.last().is_none_or(|(cgroup, _)| *cgroup != share.consumer.cgroup) {
                    cgroups.push((share.consumer.cgroup, Energies::default()));
                }
                let last = cgroups.len() - 1;
                &mut cgroups[last].1
            };
            sum.add(Energies::of(share, attribution));
        }
        for (cgroup, energies) in cgroups {
            part(path(names, cgroup), None, energies)?;
        }
        part("kernel", None, kernel)?;
        part("idle", None, Energies::of_nobody(Microjoules::ZERO, attribution.idle, attribution))?;
        part("unattributed", None, Energies::of_nobody(attribution.unattributed, Microjoules::ZERO, attribution))
    }

    /// What an invocation used, a line for each zone.
    pub(super) fn invocation(&mut self, finished: &Finished) -> io::Result<()> {
        for used in &finished.energy {
            let zone = self.zone(&used.zone);
            let part = InvocationPart {
                invocation: &finished.id,
                zone: &self.zones[zone].1,
                active_uj: (used.energy - used.idle).0,
                idle_uj: used.idle.0,
                sigma_uj: used.sigma.round() as u64,
            };
            write_line(&mut self.out, &part)?;
        }
        Ok(())
    }

    /// What became known of a meter.
    pub(super) fn meter(&mut self, state: &MeterState) -> io::Result<()> {
        let MeterState { zone, source, lag, supply, off: _, disagrees, reckoned, static_power, idle_power } = state;
        let line = MeterLine {
            meter: &source.0,
            zone: zone.to_string(),
            delay_s: lag.map(|lag| lag.delay),
            delay_sigma_s: lag.map(|lag| lag.sigma),
            mean_over_s: lag.map(|lag| lag.mean_over),
            gain: supply.map(|supply| supply.gain),
            gain_sigma: supply.map(|supply| supply.gain_sigma),
            offset_w: supply.map(|supply| supply.offset.0),
            offset_sigma_w: supply.map(|supply| supply.offset_sigma.0),
            static_w: static_power.0,
            idle_w: idle_power.map(|power| power.0),
            reckoned_uj: (!reckoned.is_zero()).then_some(reckoned.0),
            disagrees: *disagrees,
        };
        write_line(&mut self.out, &line)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn zone(&mut self, zone: &Zone) -> usize {
        self.zones.iter().position(|(known, _)| known == zone).unwrap_or_else(|| {
            self.zones.push((zone.clone(), zone.to_string()));
            self.zones.len() - 1
        })
    }
}

fn path(names: &Names, cgroup: CgroupId) -> &str {
    names.cgroup(cgroup).map_or("?", |known| &known.path)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
