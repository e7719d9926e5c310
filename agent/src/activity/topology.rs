//! Which CPUs there are, and which of them share a package and a core type.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// A group of CPUs whose time is counted together: all of one package and one core type. On machines with few CPUs
/// every CPU is a shard of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u16);

/// A set of shards. From the 64th on they are in it together or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards(u64);

impl Shards {
    /// Puts one in.
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0.min(63);
    }

    /// Those of the first `count` shards that are in it.
    pub fn among(self, count: usize) -> impl Iterator<Item = ShardId> {
        (0..count as u16).filter(move |&shard| self.0 & (1 << shard.min(63)) != 0).map(ShardId)
    }
}

/// What kind of core a CPU is, on machines that have several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CoreKind {
    /// The only kind, or the faster of two (a P core, a big core).
    #[default]
    Performance,
    /// The slower of two (an E core, a little core).
    Efficiency,
}

/// Where a CPU sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuPlace {
    /// The CPU's number.
    pub cpu: u32,
    /// Its package (socket), as in `topology/physical_package_id`.
    pub package: u32,
    /// Its core within the package, as in `topology/core_id`; siblings share it.
    pub core: u32,
    /// Its kind.
    pub kind: CoreKind,
    /// The shard that its time is counted in.
    pub shard: ShardId,
}

/// A core: where its threads are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The package that it lies in.
    pub package: u32,
    /// Its number there.
    number: u32,
    /// The shards of its threads, a shard once for each.
    pub threads: Vec<ShardId>,
}

/// The machine's CPUs. CPUs that are offline are listed too: they may come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    cpus: Vec<CpuPlace>,
    shard_package: Vec<u32>,
    /// The places of each shard's CPUs.
    shard_places: Vec<Vec<usize>>,
    cores: Vec<Core>,
}

impl Topology {
    /// From places whose shards are numbered from 0 without gaps.
    pub fn new(cpus: Vec<CpuPlace>) -> Self {
        let shards = cpus.iter().map(|place| usize::from(place.shard.0) + 1).max().unwrap_or(0);
        let mut shard_package = vec![0; shards];
        let mut shard_places = vec![Vec::new(); shards];
        for (index, place) in cpus.iter().enumerate() {
            shard_package[usize::from(place.shard.0)] = place.package;
            shard_places[usize::from(place.shard.0)].push(index);
        }
        let mut cores: Vec<Core> = Vec::new();
        let mut known = FxHashMap::default();
        for place in &cpus {
            let (package, number) = (place.package, place.core);
            let core = *known.entry((package, number)).or_insert_with(|| {
                cores.push(Core { package, number, threads: Vec::new() });
                cores.len() - 1
            });
            cores[core].threads.push(place.shard);
        }
        Self { cpus, shard_package, shard_places, cores }
    }

    /// The CPUs in ascending order of their number.
    pub fn cpus(&self) -> &[CpuPlace] {
        &self.cpus
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shard_package.len()
    }

    /// The places of a shard's CPUs among [`Topology::cpus`].
    pub fn places_in(&self, shard: ShardId) -> &[usize] {
        &self.shard_places[usize::from(shard.0)]
    }

    /// The package that a shard lies in.
    pub fn package_of(&self, shard: ShardId) -> u32 {
        self.shard_package[usize::from(shard.0)]
    }

    /// What kind of cores a shard has.
    pub fn kind_of(&self, shard: ShardId) -> CoreKind {
        self.places_in(shard).first().map_or(CoreKind::default(), |&place| self.cpus[place].kind)
    }

    /// The cores, each once.
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// How many CPUs a package has; all of them for `None`.
    pub fn cpus_in(&self, package: Option<u32>) -> usize {
        self.cpus.iter().filter(|place| package.is_none_or(|wanted| place.package == wanted)).count()
    }

    /// The packages, each once, in ascending order.
    pub fn packages(&self) -> Vec<u32> {
        let mut packages = self.shard_package.clone();
        packages.sort_unstable();
        packages.dedup();
        packages
    }
}
