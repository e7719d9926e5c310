//! The machine's CPUs from `<sysfs>/devices/system/cpu` (Documentation/admin-guide/cputopology.rst).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::cpu_list::parse_cpu_list;
use super::{CoreKind, CpuPlace, ShardId, Topology};

/// How many shards the cells are spread over. Up to this many CPUs, every CPU has one of its own; a machine with more
/// may have one shard more for each package and core type, since no shard spans two of them.
const SHARDS: usize = 32;

/// Reads the topology of all possible CPUs. What a CPU does not say (offline CPUs have no `topology`) is taken for
/// package 0 and a core of its own. Errors only where not even the list of CPUs can be read.
pub fn read_topology(sysfs: &Path) -> std::io::Result<Topology> {
    let root = sysfs.join("devices/system/cpu");
    let possible = fs::read_to_string(root.join("possible"))?;
    let cpus = parse_cpu_list(&possible).ok_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("'{}' is no list of CPUs", possible.trim()))
    })?;
    let efficient = fs::read_to_string(sysfs.join("devices/cpu_atom/cpus"))
        .ok()
        .and_then(|list| parse_cpu_list(&list))
        .unwrap_or_default();
    let capacities: Vec<_> = cpus.iter().map(|cpu| number(&root.join(format!("cpu{cpu}/cpu_capacity")))).collect();
    let largest = capacities.iter().max().copied().flatten();
    let mut places: Vec<CpuPlace> = cpus
        .iter()
        .zip(capacities)
        .map(|(&cpu, capacity)| {
            let topology = root.join(format!("cpu{cpu}/topology"));
            let smaller = capacity.is_some() && capacity < largest;
            CpuPlace {
                cpu,
                // -1 where the firmware does not tell.
                package: number(&topology.join("physical_package_id")).unwrap_or(0),
                core: number(&topology.join("core_id")).unwrap_or(cpu),
                kind: if smaller || efficient.binary_search(&cpu).is_ok() {
                    CoreKind::Efficiency
                } else {
                    CoreKind::Performance
                },
                shard: ShardId::default(),
            }
        })
        .collect();
    assign_shards(&mut places);
    Ok(Topology::new(places))
}

/// Gives every CPU a shard: one of its own where there are at most [`SHARDS`] CPUs; else the shards are spread over
/// the packages and core types in proportion to their CPUs, so that no shard spans two of them.
fn assign_shards(places: &mut [CpuPlace]) {
    let per_shard = places.len().div_ceil(SHARDS).max(1);
    let mut groups: BTreeMap<(u32, bool), Vec<usize>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        groups.entry((place.package, place.kind == CoreKind::Efficiency)).or_default().push(index);
    }
    let chunks = groups.values().flat_map(|members| members.chunks(per_shard));
    for (shard, chunk) in chunks.enumerate() {
        for &index in chunk {
            places[index].shard = ShardId(shard as u16);
        }
    }
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(packages: u32, cores: u32) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("devices/system/cpu");
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("possible"), format!("0-{}\n", packages * cores - 1)).unwrap();
        for cpu in 0..packages * cores {
            let topology = base.join(format!("cpu{cpu}/topology"));
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("physical_package_id"), format!("{}\n", cpu / cores)).unwrap();
            fs::write(topology.join("core_id"), format!("{}\n", cpu % cores)).unwrap();
        }
        root
    }

    #[test]
    fn small_machines_have_a_shard_for_every_cpu() {
        let topology = read_topology(machine(1, 4).path()).unwrap();
        assert_eq!(topology.shards(), 4);
        assert_eq!(topology.cpus_in(Some(0)), 4);
    }

    #[test]
    fn shards_never_span_packages_and_stay_few() {
        let topology = read_topology(machine(2, 128).path()).unwrap();
        assert!(topology.shards() <= SHARDS, "{}", topology.shards());
        assert_eq!(topology.packages(), [0, 1]);
        for place in topology.cpus() {
            assert_eq!(topology.package_of(place.shard), place.package);
        }
    }

    #[test]
    fn a_virtual_machine_whose_cpus_are_packages_has_a_shard_for_each() {
        let topology = read_topology(machine(64, 1).path()).unwrap();
        assert_eq!((topology.shards(), topology.packages().len()), (64, 64));
    }

    #[test]
    fn a_cpu_that_goes_offline_keeps_its_shard() {
        let root = machine(1, 4);
        let whole = read_topology(root.path()).unwrap();
        fs::remove_dir_all(root.path().join("devices/system/cpu/cpu3/topology")).unwrap();
        let without = read_topology(root.path()).unwrap();
        assert_eq!(without, whole, "it may come back, and is counted in the same place then");
        fs::remove_dir_all(root.path().join("devices/system/cpu/cpu0/topology")).unwrap();
        assert_eq!((read_topology(root.path()).unwrap().shards(), whole.shards()), (4, 4));
    }

    #[test]
    fn little_cores_are_told_from_big_ones() {
        let root = machine(1, 4);
        for (cpu, capacity) in [(0, 1024), (1, 1024), (2, 446), (3, 446)] {
            fs::write(root.path().join(format!("devices/system/cpu/cpu{cpu}/cpu_capacity")), capacity.to_string())
                .unwrap();
        }
        let kinds: Vec<_> = read_topology(root.path()).unwrap().cpus().iter().map(|place| place.kind).collect();
        assert_eq!(kinds, [CoreKind::Performance, CoreKind::Performance, CoreKind::Efficiency, CoreKind::Efficiency]);
    }
}
