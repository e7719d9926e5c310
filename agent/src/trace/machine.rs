//! The machine that a trace is of.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{CoreKind, CpuPlace, ShardId, Topology};
use crate::source::{IdlePower, SourceId};
use crate::units::Watts;

use super::line::{Cpu, Header, IdlePowerLine, Kind, VERSION};
use super::meter::zone;
use super::problem::Problem;

/// What the first line tells.
#[derive(Debug)]
pub(super) struct Machine {
    /// Every CPU is a shard of its own.
    pub(super) topology: Arc<Topology>,
    pub(super) preferred: Vec<SourceId>,
    pub(super) idle_powers: Vec<IdlePower>,
    shards: FxHashMap<u32, ShardId>,
}

impl Machine {
    pub(super) fn of(header: &Header) -> Result<Self, Problem> {
        let mut shards = FxHashMap::default();
        for (cpu, shard) in header.cpus.iter().zip(0..) {
            if shards.insert(cpu.number, ShardId(shard)).is_some() {
                return Err(Problem::RepeatedCpu(cpu.number));
            }
        }
        let place = |(cpu, shard): (&Cpu, u16)| CpuPlace {
            cpu: cpu.number,
            package: cpu.package,
            core: cpu.core,
            kind: match cpu.kind {
                Kind::Performance => CoreKind::Performance,
                Kind::Efficiency => CoreKind::Efficiency,
            },
            shard: ShardId(shard),
        };
        let idle_power = |line: &IdlePowerLine| -> Result<IdlePower, Problem> {
            let zone = zone(&line.zone, line.socket)?;
            Ok(IdlePower { source: SourceId(line.source.as_str().into()), zone, power: Watts(line.power_uw / 1e6) })
        };
        Ok(Self {
            topology: Arc::new(Topology::new(header.cpus.iter().zip(0..).map(place).collect())),
            preferred: header.preferred.iter().map(|source| SourceId(source.as_str().into())).collect(),
            idle_powers: header.idle_power.iter().map(idle_power).collect::<Result<_, _>>()?,
            shards,
        })
    }

    pub(super) fn shard(&self, cpu: u32) -> Result<ShardId, Problem> {
        self.shards.get(&cpu).copied().ok_or(Problem::UnknownCpu(cpu))
    }
}

/// The first line of a trace of a machine.
pub(super) fn header(node: &str, topology: &Topology, preferred: &[SourceId], idle_powers: &[IdlePower]) -> Header {
    let cpu = |place: &CpuPlace| Cpu {
        number: place.cpu,
        package: place.package,
        core: place.core,
        kind: match place.kind {
            CoreKind::Performance => Kind::Performance,
            CoreKind::Efficiency => Kind::Efficiency,
        },
    };
    let idle_power = |it: &IdlePower| IdlePowerLine {
        source: it.source.to_string(),
        zone: it.zone.name.to_string(),
        socket: it.zone.socket,
        power_uw: it.power.0 * 1e6,
    };
    Header {
        prony_trace: VERSION,
        node: node.into(),
        cpus: topology.cpus().iter().map(cpu).collect(),
        preferred: preferred.iter().map(ToString::to_string).collect(),
        idle_power: idle_powers.iter().map(idle_power).collect(),
    }
}
