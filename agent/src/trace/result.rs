//! What a replay yields, line by line.

use std::io::{self, Write};

use serde::Serialize;

use crate::activity::CgroupId;
use crate::attribute::Attribution;
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

/// A part of a zone's energy over a window.
#[derive(Serialize)]
struct Part<'a> {
    from_ns: u64,
    to_ns: u64,
    zone: &'a str,
    cgroup: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    active_uj: u64,
    idle_uj: u64,
    sigma_uj: u64,
    provenance: &'static str,
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
}

impl<W: Write> ResultWriter<W> {
    pub(super) fn new(out: W, by: By) -> Self {
        Self { out, by, zones: Vec::new() }
    }

    /// The parts of a zone's energy over a window; together they are the whole.
    pub(super) fn window(&mut self, attribution: &Attribution, names: &Names) -> io::Result<()> {
        let zone = self.zone(&attribution.zone);
        let zone = &self.zones[zone].1;
        let mut part = |cgroup: &str, pid: Option<u32>, Energies { active, idle }: Energies| {
            let part = Part {
                from_ns: attribution.from.0,
                to_ns: attribution.to.0,
                zone,
                cgroup,
                pid,
                active_uj: active.0,
                idle_uj: idle.0,
                sigma_uj: (attribution.uncertainty.0 * (active + idle).0 as f64).round() as u64,
                provenance: attribution.provenance.label(),
            };
            write_line(&mut self.out, &part)
        };
        let mut kernel = Energies::default();
        let mut cgroups: Vec<(CgroupId, Energies)> = Vec::new();
        for share in &attribution.shares {
            let sum = if names.consumer(&share.consumer).is_some_and(|name| name.kernel_thread) {
                &mut kernel
            } else if self.by == By::Process {
                let energies = Energies { active: share.active, idle: share.idle };
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
            sum.active += share.active;
            sum.idle += share.idle;
        }
        for (cgroup, energies) in cgroups {
            part(path(names, cgroup), None, energies)?;
        }
        part("kernel", None, kernel)?;
        part("idle", None, Energies { idle: attribution.idle, ..Energies::default() })?;
        part("unattributed", None, Energies { active: attribution.unattributed, ..Energies::default() })
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
