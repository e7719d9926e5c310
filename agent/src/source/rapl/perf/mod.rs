//! RAPL through the `power` PMU of perf: 64-bit counts without wraps, all domains of a package in one read.

mod die;
mod discover;
mod scale;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;

use crate::clock::Timestamp;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::source::{CounterRange, Measure, Provenance, Reading, SampledSource, SourceEnd, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds};

use self::die::{Die, opening_failed};
pub use self::discover::{Pmu, Reader, readers};
use super::accuracy;
use super::die_sum::DieSum;

/// How often the PMU's CPUs are looked up again, for packages that went offline or came back.
const LOOK_AGAIN: Nanoseconds = Nanoseconds(5_000_000_000);
/// The same, while a package cannot be read.
const LOOK_AGAIN_AFTER_ERROR: Nanoseconds = Nanoseconds(1_000_000_000);

static UNREADABLE: Notice = Notice::new("rapl_perf_unreadable");

/// RAPL's counters, opened.
#[derive(Debug)]
pub struct RaplPerf {
    id: SourceId,
    roots: HostRoots,
    amd: bool,
    pmu: Pmu,
    dies: Vec<Die>,
    zones: BTreeMap<Zone, ZoneDies>,
    looked: Option<Timestamp>,
    counts: Vec<u64>,
    values: Vec<Option<Microjoules>>,
}

/// Where a zone's counters are: the place of its event, and the places of the dies that are present.
#[derive(Debug)]
struct ZoneDies {
    event: usize,
    dies: Vec<usize>,
    sum: DieSum,
    /// Whether it has ever moved. Until then it is held back: kernels list events that never count (psys).
    moved: bool,
}

impl RaplPerf {
    /// Finds the PMU below `roots.sysfs` and opens its counters.
    ///
    /// # Errors
    /// `Fatal`, with what to do, where there is no PMU or no permission; `Retry` where it failed for now.
    pub fn open(roots: &HostRoots) -> Result<Self, SourceEnd> {
        let pmu = Pmu::discover(&roots.sysfs).map_err(SourceEnd::Fatal)?;
        let amd = fs::read_to_string(roots.procfs.join("cpuinfo")).is_ok_and(|text| accuracy::is_amd(&text));
        let mut source = Self {
            id: SourceId("rapl-perf".into()),
            roots: roots.clone(),
            amd,
            pmu,
            dies: Vec::new(),
            zones: BTreeMap::new(),
            looked: None,
            counts: Vec::new(),
            values: Vec::new(),
        };
        source.take_readers(&readers(&roots.sysfs).map_err(SourceEnd::Fatal)?);
        for die in &mut source.dies {
            die.open(&source.pmu).map_err(|error| opening_failed(&error, die.reader.cpu, &roots.procfs))?;
        }
        Ok(source)
    }

    /// The zones that the PMU lists. Those that never count are not among the readings.
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.keys().cloned().collect()
    }

    /// Whether any package has counted since the counters were opened. A real one is updated every 0.976 ms.
    pub fn has_counted(&mut self) -> bool {
        self.read_dies();
        self.zones.iter().any(|(zone, dies)| zone.name == ZoneName::Package && dies.moved)
    }

    /// Takes `readers` as the dies that are present. A package that is read through another CPU now keeps its
    /// counters: the kernel moves them along (`perf_pmu_migrate_context`, kernel/events/core.c).
    fn take_readers(&mut self, readers: &[Reader]) {
        for die in &mut self.dies {
            die.present = readers.contains(&die.reader);
        }
        for &reader in readers {
            if self.dies.iter().any(|die| die.reader == reader) {
                continue;
            }
            match self.dies.iter_mut().find(|die| !die.present && die.reader.package == reader.package) {
                Some(die) => {
                    die.reader = reader;
                    die.present = true;
                }
                None => self.dies.push(Die::new(reader, self.pmu.events.len())),
            }
        }
        for die in self.dies.iter_mut().filter(|die| !die.present) {
            die.close();
        }
        self.map_zones();
    }

    fn map_zones(&mut self) {
        let first_package = self.dies.iter().map(|die| die.reader.package).min();
        let mut members: BTreeMap<Zone, (usize, Vec<usize>)> = BTreeMap::new();
        for (place, die) in self.dies.iter().enumerate().filter(|(_, die)| die.present) {
            let package = die.reader.package;
            for (event, of) in self.pmu.events.iter().enumerate() {
                // The kernel's powercap driver names the first package's platform zone `psys` and others `psys-N`.
                let whole_machine = of.zone == ZoneName::Psys && Some(package) == first_package;
                let zone = Zone { name: of.zone.clone(), socket: (!whole_machine).then_some(package) };
                members.entry(zone).or_insert_with(|| (event, Vec::new())).1.push(place);
            }
        }
        for (zone, known) in &mut self.zones {
            let dies = members.remove(zone).map_or_else(Vec::new, |(_, dies)| dies);
            if dies != known.dies {
                known.dies = dies;
                if !known.dies.is_empty() {
                    known.sum.replace(&ranges(&known.dies));
                }
            }
        }
        self.zones.extend(members.into_iter().map(|(zone, (event, dies))| {
            let sum = DieSum::new(&ranges(&dies));
            (zone, ZoneDies { event, dies, sum, moved: false })
        }));
    }

    fn look_again(&mut self, at: Timestamp) {
        let failed = self.dies.iter().any(|die| die.present && !die.is_open());
        let pause = if failed { LOOK_AGAIN_AFTER_ERROR } else { LOOK_AGAIN };
        if at.since(*self.looked.get_or_insert(at)) < pause {
            return;
        }
        self.looked = Some(at);
        match readers(&self.roots.sysfs) {
            Ok(readers) => self.take_readers(&readers),
            Err(error) => UNREADABLE.warn(error),
        }
        for die in self.dies.iter_mut().filter(|die| die.present && !die.is_open()) {
            if let Err(error) = die.open(&self.pmu) {
                UNREADABLE.warn(opening_failed(&error, die.reader.cpu, &self.roots.procfs));
            }
        }
    }

    fn read_dies(&mut self) {
        for die in &mut self.dies {
            if let Err(error) = die.read(&self.pmu, &mut self.counts) {
                UNREADABLE.warn(format_args!(
                    "RAPL's counters of package {} cannot be read through CPU {} ({error}): opening them again in a second",
                    die.reader.package, die.reader.cpu
                ));
            }
        }
        for zone in self.zones.values_mut().filter(|zone| !zone.moved) {
            let shows = |die: &usize| self.dies[*die].shows(zone.event).is_some_and(|shows| !shows.is_zero());
            zone.moved = zone.dies.iter().any(shows);
        }
    }
}

impl SampledSource for RaplPerf {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn sample(&mut self, at: Timestamp, readings: &mut Vec<Reading>) -> Result<(), SourceEnd> {
        self.look_again(at);
        self.read_dies();
        for (zone, place) in &mut self.zones {
            self.values.clear();
            self.values.extend(place.dies.iter().map(|&die| self.dies[die].shows(place.event)));
            let Some(counter) = place.sum.combine(&self.values).filter(|_| place.moved) else { continue };
            readings.push(Reading {
                source: self.id.clone(),
                zone: zone.clone(),
                at,
                measure: Measure::Energy(counter),
                uncertainty: accuracy::uncertainty(&zone.name, self.amd),
                clipped: false,
                provenance: Provenance::Measured,
            });
        }
        if self.dies.iter().any(Die::is_open) {
            return Ok(());
        }
        Err(SourceEnd::Retry("no package's RAPL counters can be read through perf now".into()))
    }
}

fn ranges(dies: &[usize]) -> Vec<CounterRange> {
    vec![CounterRange::Unbounded; dies.len()]
}
