//! RAPL through `/sys/class/powercap`: one file per counter, which wraps at `max_energy_range_uj`.

mod counter_file;
mod discover;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;

use crate::clock::Timestamp;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::source::{CounterRange, Measure, Provenance, Reading, SampledSource, SourceEnd, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds};

use self::counter_file::CounterFile;
use self::discover::{Device, Devices, discover};
use super::accuracy;
use super::die_sum::DieSum;

/// How often the zones are looked up again and their files opened anew.
const LOOK_AGAIN: Nanoseconds = Nanoseconds(5_000_000_000);
/// The same, while one of them cannot be read.
const LOOK_AGAIN_AFTER_ERROR: Nanoseconds = Nanoseconds(1_000_000_000);

static UNREADABLE: Notice = Notice::new("rapl_powercap_unreadable");
static ZONE_GONE: Notice = Notice::new("rapl_powercap_zone_gone");

/// The RAPL zones of powercap.
#[derive(Debug)]
pub struct RaplPowercap {
    id: SourceId,
    roots: HostRoots,
    amd: bool,
    zones: BTreeMap<Zone, ZoneFiles>,
    looked: Option<Timestamp>,
    failed: bool,
    values: Vec<Option<Microjoules>>,
}

/// One zone's counters. A zone that has gone keeps its place, without counters, and goes on when it is back.
#[derive(Debug)]
struct ZoneFiles {
    devices: Vec<Device>,
    files: Vec<CounterFile>,
    sum: DieSum,
}

impl RaplPowercap {
    /// Finds the zones below `roots.sysfs` and reads each once.
    ///
    /// # Errors
    /// `Fatal`, with what to do, where there is no zone or none may be read; `Retry` where all fail for now.
    pub fn open(roots: &HostRoots) -> Result<Self, SourceEnd> {
        let amd = fs::read_to_string(roots.procfs.join("cpuinfo")).is_ok_and(|text| accuracy::is_amd(&text));
        let found = discover(&roots.sysfs, amd).unwrap_or_default();
        if found.is_empty() {
            return Err(SourceEnd::Fatal(no_zones(roots)));
        }
        let mut source = Self {
            id: SourceId("rapl-powercap".into()),
            roots: roots.clone(),
            amd,
            zones: BTreeMap::new(),
            looked: None,
            failed: false,
            values: Vec::new(),
        };
        source.take_devices(found);
        let mut errors = Vec::new();
        for file in source.zones.values_mut().flat_map(|zone| &mut zone.files) {
            match file.read() {
                Ok(_) => return Ok(source),
                Err(error) => errors.push(error),
            }
        }
        let permission = errors.iter().all(|error| error.permission);
        let text = errors.swap_remove(0).text;
        Err(if permission { SourceEnd::Fatal(text) } else { SourceEnd::Retry(text) })
    }

    /// The zones that there are now.
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.iter().filter(|(_, zone)| !zone.devices.is_empty()).map(|(zone, _)| zone.clone()).collect()
    }

    fn take_devices(&mut self, mut found: Devices) {
        for (name, zone) in &mut self.zones {
            let devices = found.remove(name).unwrap_or_default();
            if devices == zone.devices {
                zone.files.iter_mut().for_each(CounterFile::close);
                continue;
            }
            if devices.is_empty() {
                ZONE_GONE.warn(format_args!("the RAPL zone {name} has gone; it is taken up again when it comes back"));
            } else {
                tracing::info!(zone = %name, counters = devices.len(), "RAPL zone has other counters now");
                zone.sum.replace(&ranges(&devices));
            }
            zone.files = devices.iter().map(CounterFile::new).collect();
            zone.devices = devices;
        }
        self.zones.extend(found.into_iter().map(|(name, devices)| {
            let files = devices.iter().map(CounterFile::new).collect();
            (name, ZoneFiles { sum: DieSum::new(&ranges(&devices)), devices, files })
        }));
    }

    fn look_again(&mut self, at: Timestamp) {
        let pause = if self.failed { LOOK_AGAIN_AFTER_ERROR } else { LOOK_AGAIN };
        if at.since(*self.looked.get_or_insert(at)) < pause {
            return;
        }
        self.looked = Some(at);
        let found = discover(&self.roots.sysfs, self.amd);
        self.take_devices(found.unwrap_or_default());
    }
}

impl SampledSource for RaplPowercap {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn sample(&mut self, at: Timestamp, readings: &mut Vec<Reading>) -> Result<(), SourceEnd> {
        self.look_again(at);
        let mut any = false;
        self.failed = false;
        for (name, zone) in &mut self.zones {
            self.values.clear();
            for file in &mut zone.files {
                let value = file.read();
                self.failed |= value.is_err();
                any |= value.is_ok();
                self.values.push(value.map_err(|error| UNREADABLE.warn(error.text)).ok());
            }
            let Some(counter) = zone.sum.combine(&self.values) else { continue };
            readings.push(Reading {
                source: self.id.clone(),
                zone: name.clone(),
                at,
                measure: Measure::Energy(counter),
                uncertainty: accuracy::uncertainty(&name.name, self.amd),
                clipped: false,
                provenance: Provenance::Measured,
            });
        }
        self.failed |= !any;
        if any { Ok(()) } else { Err(SourceEnd::Retry("no RAPL zone of powercap can be read now".into())) }
    }
}

fn ranges(devices: &[Device]) -> Vec<CounterRange> {
    devices.iter().map(|device| device.range).collect()
}

fn no_zones(roots: &HostRoots) -> String {
    let class = roots.sysfs.join("class/powercap");
    if !roots.sysfs.join("class").exists() {
        return format!(
            "{} is not sysfs: mount it there, or set host.sysfs (--sysfs) to where it is",
            roots.sysfs.display()
        );
    }
    format!(
        "no RAPL zone under {}: the processor has no RAPL, a virtual machine's host hides it, or the kernel module is \
         missing (try 'modprobe intel_rapl_msr')",
        class.display()
    )
}
