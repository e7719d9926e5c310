//! What a replay yields, line by line.

use std::collections::hash_map::Entry;
use std::io::{self, Write as _};

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::activity::CgroupId;
use crate::attribute::{Attribution, Share};
use crate::fuse::{Doubt, MeterState};
use crate::identity::Names;
use crate::invocation::Finished;
use crate::source::Zone;
use crate::units::Microjoules;

use super::write_behind::WriteBehind;

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
pub(super) struct ResultWriter<'scope> {
    out: WriteBehind<'scope>,
    by: By,
    /// Paths of cgroups as they are written.
    paths: FxHashMap<CgroupId, Box<str>>,
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

impl<'scope> ResultWriter<'scope> {
    pub(super) fn new(out: WriteBehind<'scope>, by: By) -> Self {
        Self { out, by, paths: FxHashMap::default(), zones: Vec::new() }
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
        let Self { out, by, paths, .. } = self;
        let text = out.text();
        let mut part = |cgroup: &str, pid: Option<u32>, Energies { active, idle, doubt }: Energies| {
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(cgroup.as_bytes());
            let sigma = |variance: f64| variance.sqrt().round() as u64;
            for (key, number) in [
                (",\"pid\":", pid.map(u64::from)),
                (",\"active_uj\":", Some(active.0)),
                (",\"idle_uj\":", Some(idle.0)),
                (",\"sigma_uj\":", Some(sigma(doubt.systematic + doubt.random))),
                (",\"lasting_uj\":", Some(sigma(doubt.systematic))),
            ] {
                if let Some(number) = number {
                    text.extend_from_slice(key.as_bytes());
                    text.extend_from_slice(digits.format(number).as_bytes());
                }
            }
            text.extend_from_slice(tail.as_bytes());
        };
        let mut kernel = Energies::default();
        let mut cgroups: Vec<(CgroupId, Energies)> = Vec::new();
        for share in &attribution.shares {
            let sum = if names.consumer(&share.consumer).is_some_and(|name| name.kernel_thread) {
                &mut kernel
            } else if *by == By::Process {
                let energies = Energies::of(share, attribution);
                part(path(paths, names, share.consumer.cgroup)?, Some(share.consumer.pid.0), energies);
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
            part(path(paths, names, cgroup)?, None, energies);
        }
        part("\"kernel\"", None, kernel);
        part("\"idle\"", None, Energies::of_nobody(Microjoules::ZERO, attribution.idle, attribution));
        part("\"unattributed\"", None, Energies::of_nobody(attribution.unattributed, Microjoules::ZERO, attribution));
        out.pass_on()
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
        self.out.pass_on()
    }

    /// What became known of a meter.
    pub(super) fn meter(&mut self, state: &MeterState) -> io::Result<()> {
        let MeterState {
            zone,
            source,
            lag,
            supply,
            follows_packages: _,
            off: _,
            disagrees,
            reckoned,
            static_power,
            idle_power,
        } = state;
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

    /// Nothing more comes: all is written when this returns.
    pub(super) fn end(self) -> io::Result<()> {
        self.out.end()
    }

    fn zone(&mut self, zone: &Zone) -> usize {
        self.zones.iter().position(|(known, _)| known == zone).unwrap_or_else(|| {
            self.zones.push((zone.clone(), zone.to_string()));
            self.zones.len() - 1
        })
    }
}

/// A cgroup's path as it is written.
fn path<'a>(
    paths: &'a mut FxHashMap<CgroupId, Box<str>>,
    names: &Names,
    cgroup: CgroupId,
) -> serde_json::Result<&'a str> {
    Ok(match paths.entry(cgroup) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => {
            let path = names.cgroup(cgroup).map_or("?", |known| &known.path);
            new.insert(serde_json::to_string(path)?.into())
        }
    })
}

fn write_line(out: &mut WriteBehind<'_>, line: &impl Serialize) -> io::Result<()> {
    let text = out.text();
    serde_json::to_writer(&mut *text, line)?;
    text.write_all(b"\n")
}
