//! How far a channel can be trusted.

use std::path::Path;

use super::discover::{Channel, Chip, Method, text};

/// A resistor's usual tolerance on a board, as a limit.
const SHUNT_TOLERANCE: f64 = 0.01;

/// TI INA3221 (SBOS576C, electrical characteristics): limits of gain error (of current and of voltage), shunt offset,
/// and its shunt step.
const INA3221_GAIN: f64 = 0.0025;
const INA3221_OFFSET_VOLTS: f64 = 80e-6;
const INA3221_STEP_VOLTS: f64 = 40e-6;
/// The shunt that the driver assumes where none is given (`INA3221_RSHUNT_DEFAULT`, drivers/hwmon/ina3221.c), in ohms.
const INA3221_DEFAULT_SHUNT: f64 = 0.01;

/// Limit of the gain error of TI's single-channel chips (INA219: SBOS448, the worst of them).
const INA2XX_GAIN: f64 = 0.01;

/// One sigma where nothing is known of the chip: an assumption.
const UNKNOWN: f64 = 0.05;
/// One sigma of `amd_energy`, which shows RAPL's counters (see the RAPL source).
const AMD_ENERGY: f64 = 0.10;

/// A channel's error, relative to what it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Accuracy {
    /// The same for every value.
    Fixed(f64),
    /// A part in proportion, and an offset and a step across a shunt (in ohms), which weigh most at small currents.
    Shunt { ohms: f64 },
}

impl Accuracy {
    /// From the chip's data sheet, or what the chip itself says.
    pub(super) fn of(chip: &Chip, channel: &Channel) -> Self {
        match chip.name.as_str() {
            "ina3221" if channel.method == Method::CurrentTimesVoltage => Self::Shunt {
                ohms: text(&chip.folder.join(format!("shunt{}_resistor", channel.number)))
                    .and_then(|text| text.parse::<f64>().ok())
                    .filter(|&micro_ohms| micro_ohms > 0.0)
                    .map_or(INA3221_DEFAULT_SHUNT, |micro_ohms| micro_ohms / 1e6),
            },
            "amd_energy" => Self::Fixed(AMD_ENERGY),
            name if name.starts_with("ina2") => Self::Fixed(sigma(&[INA2XX_GAIN, SHUNT_TOLERANCE])),
            _ => Self::Fixed(stated(&chip.folder, channel.number).unwrap_or(UNKNOWN)),
        }
    }

    /// One sigma at a current (in amperes, where it is known), at most 1.
    pub(super) fn at(self, amperes: Option<f64>) -> f64 {
        match self {
            Self::Fixed(sigma) => sigma,
            Self::Shunt { ohms } => {
                let drop = amperes.unwrap_or(0.0).abs() * ohms;
                let step = INA3221_STEP_VOLTS / 2.0;
                let limits = [INA3221_GAIN, INA3221_GAIN, SHUNT_TOLERANCE, INA3221_OFFSET_VOLTS / drop, step / drop];
                sigma(&limits).min(1.0)
            }
        }
    }
}

/// Independent errors within these limits, each value as likely as the other: one sigma is a limit over sqrt(3).
fn sigma(limits: &[f64]) -> f64 {
    (limits.iter().map(|limit| limit * limit).sum::<f64>() / 3.0).sqrt()
}

/// `powerN_accuracy` of the ACPI power meter: `95.0%` leaves a limit of 5 %.
fn stated(folder: &Path, number: u32) -> Option<f64> {
    let text = text(&folder.join(format!("power{number}_accuracy")))?;
    let percent: f64 = text.trim_end_matches('%').trim().parse().ok()?;
    (50.0..=100.0).contains(&percent).then(|| sigma(&[(100.0 - percent) / 100.0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shunts_offset_weighs_most_at_small_currents() {
        let accuracy = Accuracy::Shunt { ohms: 0.1 };
        // 80 µV over 100 mΩ is 0.8 mA: at 1 A the gain and the resistor decide, at 1 mA the offset does.
        assert!((accuracy.at(Some(1.0)) - 0.0061).abs() < 0.0002, "{}", accuracy.at(Some(1.0)));
        assert!(accuracy.at(Some(0.001)) > 0.4);
        assert!((accuracy.at(Some(0.0)) - 1.0).abs() < f64::EPSILON);
        assert!((accuracy.at(None) - 1.0).abs() < f64::EPSILON);
    }
}
