//! Power meters with a kernel driver under `/sys/class/hwmon`: `INA3221` and `INA2xx`, `PMBus` supplies, the ACPI power meter,
//! and whatever else has `energy*_input`, `power*_input`, `power*_average` or a pair of `curr*_input` and `in*_input`.
//!
//! A chip that counts energy is handed on as it is. Samples of power are integrated here, so that what comes out is
//! always a counter.

mod accuracy;
mod discover;
mod integral;
mod rails;
mod sensor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::config::HwmonConfig;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty};

use self::integral::{Integral, Step};
use self::sensor::{Sample, Sensor};

/// How often chips and channels are looked up again.
const LOOK_AGAIN: Nanoseconds = Nanoseconds(10_000_000_000);
/// Between samples further apart than this many intervals (and at least a second) no line is drawn.
const LONGEST_INTERVALS: u64 = 10;

static UNREADABLE: Notice = Notice::new("hwmon_unreadable");
static GAP: Notice = Notice::new("hwmon_gap");

/// All hwmon chips of the machine that measure power. Reading them may take milliseconds on slow buses.
#[derive(Debug)]
pub struct Hwmon {
    id: SourceId,
    config: HwmonConfig,
    sysfs: PathBuf,
    rails: BTreeMap<Zone, Rail>,
    looked: Option<Timestamp>,
}

/// One zone. A rail that has gone keeps its place, without a sensor, so that its counter never falls.
#[derive(Debug)]
struct Rail {
    sensor: Option<Sensor>,
    integral: Integral,
    /// The chip's own counter, when it was last read.
    counted: Option<Microjoules>,
    epoch: u32,
}

impl Hwmon {
    /// Looks for chips below `roots.sysfs`. There may be none, now; they are looked for again every ten seconds.
    pub fn discover(config: &HwmonConfig, roots: &HostRoots) -> Self {
        let mut source = Self {
            id: SourceId("hwmon".into()),
            config: config.clone(),
            sysfs: roots.sysfs.clone(),
            rails: BTreeMap::new(),
            looked: None,
        };
        source.look();
        source
    }

    /// The zones that there are now.
    pub fn zones(&self) -> Vec<Zone> {
        self.rails.iter().filter(|(_, rail)| rail.sensor.is_some()).map(|(zone, _)| zone.clone()).collect()
    }

    /// The zones that there are now, each with the chip, channel and files that measure it, for people.
    pub fn describe(&self) -> Vec<(Zone, String)> {
        let rails = self.rails.iter().filter_map(|(zone, rail)| Some((zone, rail.sensor.as_ref()?)));
        rails.map(|(zone, sensor)| (zone.clone(), sensor.describe())).collect()
    }

    /// Reads every channel and appends one reading per zone to `readings`; `at` is now. A channel that cannot be read
    /// does not keep the others from being read.
    pub fn read(&mut self, at: Timestamp, readings: &mut Vec<Reading>) {
        if at.since(*self.looked.get_or_insert(at)) >= LOOK_AGAIN {
            self.looked = Some(at);
            self.look();
        }
        let longest = Nanoseconds::from(self.config.interval).0.saturating_mul(LONGEST_INTERVALS);
        let longest = Nanoseconds(longest.max(Nanoseconds::SECOND.0));
        for (zone, rail) in &mut self.rails {
            let Some((counter, uncertainty)) = rail.read(at, longest, zone) else { continue };
            readings.push(Reading {
                source: self.id.clone(),
                zone: zone.clone(),
                at,
                measure: Measure::Energy(counter),
                uncertainty: RelativeUncertainty(uncertainty),
                clipped: false,
                provenance: Provenance::Measured,
            });
        }
    }

    fn look(&mut self) {
        let chips = match discover::discover(&self.sysfs) {
            Ok(chips) => chips,
            Err(error) => {
                let folder = self.sysfs.join("class/hwmon");
                UNREADABLE.warn(format_args!("cannot list {}: {error}", folder.display()));
                return;
            }
        };
        let mut sensors: BTreeMap<Zone, Sensor> = rails::assign(&chips, &self.config.rail)
            .into_iter()
            .map(|assigned| (assigned.zone, Sensor::new(assigned.chip, assigned.channel)))
            .collect();
        for (zone, rail) in &mut self.rails {
            rail.take(sensors.remove(zone));
        }
        self.rails.extend(sensors.into_iter().map(|(zone, sensor)| (zone, Rail::new(sensor))));
    }
}

impl Rail {
    fn new(sensor: Sensor) -> Self {
        Self { sensor: Some(sensor), integral: Integral::default(), counted: None, epoch: 0 }
    }

    /// Goes on with this sensor, which may be the same, another or none.
    fn take(&mut self, sensor: Option<Sensor>) {
        if sensor == self.sensor {
            return;
        }
        self.integral.interrupt();
        if let Some(sensor) = &sensor
            && sensor.counts_energy() != self.counted.is_some()
        {
            self.epoch += 1;
            self.counted = None;
            self.integral = Integral::default();
        }
        self.sensor = sensor;
    }

    /// The zone's counter now and how sure it is of what was added last (one sigma).
    fn read(&mut self, at: Timestamp, longest: Nanoseconds, zone: &Zone) -> Option<(Counter, f64)> {
        let sensor = self.sensor.as_ref()?;
        let sample = match sensor.read() {
            Ok(sample) => sample,
            Err(text) => {
                UNREADABLE.warn(text);
                return None;
            }
        };
        let accuracy = sensor.accuracy(&sample);
        let (total, uncertainty) = match sample {
            Sample::Energy(total) => {
                self.epoch += u32::from(self.counted.is_some_and(|before| total < before));
                self.counted = Some(total);
                (total, accuracy)
            }
            Sample::Power { power, .. } => {
                let spread = match self.integral.add(at, power, longest) {
                    Step::Line { spread } => spread,
                    Step::Nothing => 0.0,
                    Step::Gap(time) => {
                        GAP.warn(format_args!(
                            "{zone} was not read for {:.1} s: what it used meanwhile is not known and not counted",
                            time.seconds()
                        ));
                        0.0
                    }
                };
                (self.integral.total(), accuracy.hypot(spread))
            }
        };
        let outlives_agent = sensor.counts_energy();
        Some((Counter { total, range: CounterRange::Unbounded, epoch: self.epoch, outlives_agent }, uncertainty))
    }
}
