//! The chips below `/sys/class/hwmon` and what they can measure.
//!
//! File names and units are those of `Documentation/hwmon/sysfs-interface.rst`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One chip that measures power or energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chip {
    /// Its `name`.
    pub(super) name: String,
    /// The device behind it, which stays the same when chips are numbered differently after a boot (`1-0040` for the
    /// chip at I2C address 0x40 on bus 1); `hwmonN` where it is not known.
    pub(super) device: String,
    /// Where its files are.
    pub(super) folder: PathBuf,
    pub(super) channels: Vec<Channel>,
}

/// One rail that a chip measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) number: u32,
    pub(super) label: Option<String>,
    pub(super) method: Method,
}

/// The best way in which a channel can be measured, from the best to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `energyN_input`: a counter in microjoules.
    Energy,
    /// `powerN_input`: microwatts now.
    Power,
    /// `powerN_average`: microwatts over the chip's own interval (the ACPI power meter, some graphics cards).
    AveragePower,
    /// `currN_input` x `inN_input`: milliamperes and millivolts.
    CurrentTimesVoltage,
}

/// Channels of an INA3221; what its driver numbers higher are shunt voltages and sums (Documentation/hwmon/ina3221.rst).
const INA3221_CHANNELS: u32 = 3;

impl Channel {
    /// Its label where it has one, else its number.
    pub(super) fn name(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.number.to_string())
    }
}

/// Finds the chips below `<sysfs>/class/hwmon` that measure power or energy, ordered by name and device.
///
/// # Errors
/// Where the folder is there but cannot be listed.
pub(super) fn discover(sysfs: &Path) -> io::Result<Vec<Chip>> {
    let entries = match fs::read_dir(sysfs.join("class/hwmon")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut chips: Vec<Chip> = entries.filter_map(|entry| read_chip(&entry.ok()?.path())).collect();
    chips.sort_by(|one, other| (&one.name, &one.device).cmp(&(&other.name, &other.device)));
    Ok(chips)
}

/// The chip behind `hwmonN`. Its files lie there, or with old drivers and the ACPI power meter in `hwmonN/device`.
fn read_chip(hwmon: &Path) -> Option<Chip> {
    let behind = hwmon.join("device");
    let number = hwmon.file_name()?.to_str()?.to_owned();
    let device = fs::canonicalize(&behind).ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let device = device.filter(|name| name != "device").unwrap_or(number);
    [hwmon.to_owned(), behind.clone()].into_iter().find_map(|folder| {
        let files = Files::list(&folder);
        let name = [hwmon, &behind].into_iter().find_map(|place| text(&place.join("name")));
        let name = name.unwrap_or_else(|| name_without_file(&device, &files));
        let channels = channels(&files, &name);
        (!channels.is_empty()).then(|| Chip { name, device: device.clone(), folder, channels })
    })
}

/// The ACPI power meter (device ACPI000D, `drivers/hwmon/acpi_power_meter.c`) may have no `name`.
fn name_without_file(device: &str, files: &Files) -> String {
    if device.starts_with("ACPI000D") || files.names.contains("power1_model_number") {
        return "power_meter".into();
    }
    device.to_owned()
}

/// The files of a folder, and what they say.
struct Files {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl Files {
    fn list(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        Self { folder: folder.to_owned(), names }
    }

    fn has(&self, kind: &str, number: u32, suffix: &str) -> bool {
        self.names.contains(&format!("{kind}{number}_{suffix}"))
    }

    fn text(&self, kind: &str, number: u32, suffix: &str) -> Option<String> {
        self.has(kind, number, suffix).then(|| text(&self.folder.join(format!("{kind}{number}_{suffix}"))))?
    }

    fn is_off(&self, kind: &str, number: u32) -> bool {
        self.text(kind, number, "enable").is_some_and(|enable| enable == "0")
    }

    /// The numbers under which something of this kind is measured.
    fn numbers(&self, kind: &str) -> impl Iterator<Item = u32> {
        self.names.iter().filter_map(move |name| {
            let (number, suffix) = name.strip_prefix(kind)?.split_once('_')?;
            matches!(suffix, "input" | "average").then(|| number.parse().ok())?
        })
    }
}

/// What is measured, once per number: files of one number are of one rail.
fn channels(files: &Files, chip: &str) -> Vec<Channel> {
    let mut channels = BTreeMap::new();
    for number in files.numbers("energy").filter(|&number| files.has("energy", number, "input")) {
        add(&mut channels, files, "energy", number, Method::Energy);
    }
    for number in files.numbers("power") {
        let now = files.has("power", number, "input");
        add(&mut channels, files, "power", number, if now { Method::Power } else { Method::AveragePower });
    }
    for number in files.numbers("curr").filter(|&number| files.has("in", number, "input")) {
        if chip == "ina3221" && number > INA3221_CHANNELS || files.is_off("in", number) {
            continue;
        }
        let (current, voltage) = (files.text("curr", number, "label"), files.text("in", number, "label"));
        if !of_one_rail(current.as_deref(), voltage.as_deref()) {
            continue;
        }
        let label = voltage.or(current);
        let channel = Channel { number, label, method: Method::CurrentTimesVoltage };
        if !files.is_off("curr", number) {
            channels.entry(number).or_insert(channel);
        }
    }
    channels.into_values().collect()
}

fn add(channels: &mut BTreeMap<u32, Channel>, files: &Files, kind: &str, number: u32, method: Method) {
    if files.is_off(kind, number) {
        return;
    }
    let label = files.text(kind, number, "label");
    channels.entry(number).or_insert(Channel { number, label, method });
}

/// Whether a current and a voltage of the same number are of one rail. They are not where both have labels that say
/// otherwise; `PMBus` chips prefix theirs (`iin` and `vin`, `iout1` and `vout1`).
fn of_one_rail(current: Option<&str>, voltage: Option<&str>) -> bool {
    let (Some(current), Some(voltage)) = (current, voltage) else { return true };
    current == voltage || current.strip_prefix('i').is_some_and(|rail| voltage.strip_prefix('v') == Some(rail))
}

/// A file's text without surrounding blanks; `None` where there is none.
pub(super) fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_and_voltage_of_one_rail_are_multiplied() {
        assert!(of_one_rail(Some("VDD_IN"), Some("VDD_IN")));
        assert!(of_one_rail(Some("iout1"), Some("vout1")));
        assert!(!of_one_rail(Some("iout1"), Some("vcap")));
        assert!(of_one_rail(None, Some("VDD_SOC")));
        assert!(of_one_rail(None, None));
    }
}
