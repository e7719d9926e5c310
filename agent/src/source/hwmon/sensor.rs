//! The files of one channel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::units::Microjoules;

use super::accuracy::Accuracy;
use super::discover::{Channel, Chip, Method};
use super::integral::Microwatts;

/// One channel, ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sensor {
    name: String,
    files: SensorFiles,
    accuracy: Accuracy,
}

#[derive(Clone, Debug, PartialEq)]
enum SensorFiles {
    Energy(PathBuf),
    Power(PathBuf),
    CurrentTimesVoltage { current: PathBuf, voltage: PathBuf },
}

/// What a channel shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    /// Its counter.
    Energy(Microjoules),
    /// Power, and the current in amperes where it is known. Power that flows backwards is none.
    Power { power: Microwatts, amperes: Option<f64> },
}

impl Sensor {
    pub(super) fn new(chip: &Chip, channel: &Channel) -> Self {
        let file = |kind: &str, suffix: &str| chip.folder.join(format!("{kind}{}_{suffix}", channel.number));
        let files = match channel.method {
            Method::Energy => SensorFiles::Energy(file("energy", "input")),
            Method::Power => SensorFiles::Power(file("power", "input")),
            Method::AveragePower => SensorFiles::Power(file("power", "average")),
            Method::CurrentTimesVoltage => {
                SensorFiles::CurrentTimesVoltage { current: file("curr", "input"), voltage: file("in", "input") }
            }
        };
        let name = format!("channel {} of {} ({})", channel.name(), chip.name, chip.device);
        Self { name, files, accuracy: Accuracy::of(chip, channel) }
    }

    pub(super) fn counts_energy(&self) -> bool {
        matches!(self.files, SensorFiles::Energy(_))
    }

    /// The chip, the channel and the files, for people.
    pub(super) fn describe(&self) -> String {
        let name = &self.name;
        match &self.files {
            SensorFiles::Energy(file) | SensorFiles::Power(file) => format!("{name}: {}", file.display()),
            SensorFiles::CurrentTimesVoltage { current, voltage } => {
                format!("{name}: {} x {}", current.display(), voltage.display())
            }
        }
    }

    /// One sigma of a sample, relative to it.
    pub(super) fn accuracy(&self, sample: &Sample) -> f64 {
        self.accuracy.at(match sample {
            Sample::Energy(_) => None,
            Sample::Power { amperes, .. } => *amperes,
        })
    }

    /// Reads the channel.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub(super) fn read(&self) -> Result<Sample, String> {
        match &self.files {
            SensorFiles::Energy(file) => {
                let energy = read_number(file)?;
                let energy = u64::try_from(energy).map_err(|_| format!("{} is negative: {energy}", file.display()))?;
                Ok(Sample::Energy(Microjoules(energy)))
            }
            SensorFiles::Power(file) => {
                let power =
                    plausible(read_number(file)?).ok_or_else(|| format!("{} shows over 1 MW", file.display()))?;
                Ok(Sample::Power { power, amperes: None })
            }
            SensorFiles::CurrentTimesVoltage { current, voltage } => {
                let (milliamperes, millivolts) = (read_number(current)?, read_number(voltage)?);
                // 1 mA x 1 mV = 1 µW.
                let power = milliamperes
                    .checked_mul(millivolts)
                    .and_then(plausible)
                    .ok_or_else(|| format!("{} x {} is over 1 MW", current.display(), voltage.display()))?;
                Ok(Sample::Power { power, amperes: Some(milliamperes as f64 / 1e3) })
            }
        }
    }
}

/// What no rail of a machine draws.
const IMPLAUSIBLE: Microwatts = Microwatts(1_000_000_000_000);

/// Microwatts as a power, none where they flow backwards; `None` where they cannot be true.
fn plausible(microwatts: i64) -> Option<Microwatts> {
    Some(Microwatts(u64::try_from(microwatts).unwrap_or(0))).filter(|&power| power < IMPLAUSIBLE)
}

/// A file that holds one whole number.
fn read_number(file: &Path) -> Result<i64, String> {
    let read = || -> io::Result<i64> {
        let mut buffer = [0; 32];
        let length = File::open(file)?.read_at(&mut buffer, 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]).trim().to_owned();
        text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("it holds '{text}', no number")))
    };
    read().map_err(|error| explain(file, &error))
}

fn explain(file: &Path, error: &io::Error) -> String {
    let file = file.display();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            format!("no permission to read {file}: run as root or grant CAP_DAC_READ_SEARCH")
        }
        Some(libc::ENODATA) => format!("{file} has no value now ({error}): its channel or chip is switched off"),
        Some(libc::ENOENT | libc::ENODEV) => format!("{file} has gone ({error}); it is looked for again"),
        _ => format!("cannot read {file}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let explained = |errno| explain(Path::new("/sys/x"), &io::Error::from_raw_os_error(errno));
        assert!(explained(libc::EACCES).contains("CAP_DAC_READ_SEARCH"));
        assert!(explained(libc::ENODATA).contains("switched off"));
        assert!(explained(libc::ENODEV).contains("looked for again"));
        assert!(explained(libc::EIO).contains("/sys/x"));
    }
}
