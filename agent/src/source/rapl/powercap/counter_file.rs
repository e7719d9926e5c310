//! One `energy_uj` file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::source::CounterRange;
use crate::units::Microjoules;

use super::discover::Device;

/// An energy counter, kept open between reads.
#[derive(Debug)]
pub(super) struct CounterFile {
    path: PathBuf,
    range: CounterRange,
    file: Option<File>,
}

impl CounterFile {
    /// The counter of a device; opened when it is first read.
    pub(super) fn new(device: &Device) -> Self {
        Self { path: device.path.join("energy_uj"), range: device.range, file: None }
    }

    /// Closes the file: the next read opens it anew.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// What the counter shows. After an error the file is opened anew the next time.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do about it.
    pub(super) fn read(&mut self) -> Result<Microjoules, ReadError> {
        let result = self.try_read();
        if result.is_err() {
            self.close();
        }
        result.map_err(|error| ReadError { text: explain(&self.path, &error), permission: is_permission(&error) })
    }

    fn try_read(&mut self) -> io::Result<Microjoules> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        let mut buffer = [0; 32];
        let length = file.read_at(&mut buffer, 0)?;
        within(self.range, parse(&buffer[..length])?)
    }
}

/// A counter that cannot be read.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) text: String,
    /// Whether nothing but a permission is missing.
    pub(super) permission: bool,
}

/// A whole number of microjoules, as powercap prints it (`drivers/powercap/powercap_sys.c`).
fn parse(bytes: &[u8]) -> io::Result<Microjoules> {
    let text = std::str::from_utf8(bytes).ok().map(str::trim);
    text.and_then(|text| text.parse().ok()).map(Microjoules).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).trim().to_owned();
        io::Error::new(io::ErrorKind::InvalidData, format!("it holds '{shown}', no number of microjoules"))
    })
}

/// A value beyond the counter's range is no energy: taken for one, it would be a jump and a wrap.
fn within(range: CounterRange, value: Microjoules) -> io::Result<Microjoules> {
    match range {
        CounterRange::WrapsAfter(max) if value > max => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("it shows {value}, more than its range of {max}")))
        }
        _ => Ok(value),
    }
}

fn is_permission(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn explain(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.raw_os_error() {
        _ if is_permission(error) => format!(
            "no permission to read {path}: it is for root only (against CVE-2020-8694); run as root or grant \
             CAP_DAC_READ_SEARCH"
        ),
        Some(libc::EINVAL | libc::EIO | libc::ENODATA) => format!(
            "the driver cannot read the counter behind {path} ({error}): the processor's firmware or a virtual \
             machine's host may have locked it"
        ),
        Some(libc::ENOENT | libc::ENODEV) => format!("{path} has gone ({error}); it is looked for again"),
        _ => format!("cannot read {path}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(errno: i32) -> String {
        explain(Path::new("/sys/z/energy_uj"), &io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn each_failure_says_what_to_do() {
        assert!(explained(libc::EACCES).contains("CAP_DAC_READ_SEARCH"));
        assert!(explained(libc::EINVAL).contains("locked"));
        assert!(explained(libc::ENODEV).contains("looked for again"));
        assert!(explained(libc::EISDIR).contains("/sys/z/energy_uj"));
    }

    #[test]
    fn only_whole_numbers_are_energies() {
        assert_eq!(parse(b"262143328850\n").ok(), Some(Microjoules(262_143_328_850)));
        for garbage in [&b""[..], b"-1", b"1.5", b"12a", b"\xff\xfe", b"99999999999999999999"] {
            assert!(parse(garbage).is_err(), "{garbage:?}");
        }
    }
}
