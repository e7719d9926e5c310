//! A factor: always the same, or as a file has it.

use std::path::PathBuf;
use std::time::Duration;

use crate::notice::Notice;
use crate::units::Nanoseconds;

use super::factor_file::FactorFile;

static NO_VALUE: Notice = Notice::new("footprint_gap");

/// What one kilowatt-hour stands for.
#[derive(Debug)]
pub struct Factor {
    file: Option<FactorFile>,
    /// Where there is no file, or nothing in it.
    constant: Option<f64>,
}

/// What is known of a factor over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Its mean, as far as it is known.
    pub mean: f64,
    /// For which part of the time it is known, from 0 to 1.
    pub known: f64,
}

impl Factor {
    /// By the configuration: what this file says, of which each value holds for `hold` at most, and this value where there is none
    /// in it; `None` for neither.
    pub fn new(constant: Option<f64>, file: Option<PathBuf>, hold: Duration) -> Option<Self> {
        let file = file.map(|file| FactorFile::new(file, hold));
        (file.is_some() || constant.is_some()).then_some(Self { file, constant })
    }

    /// What is known between two times since the Unix epoch. That there is nothing is told.
    pub fn over(&mut self, from: Nanoseconds, to: Nanoseconds) -> Share {
        let (from, to) = (from.seconds(), to.seconds());
        let Some(file) = self.file.as_mut().filter(|_| to > from) else {
            return self.constant.map_or(Share { mean: 0.0, known: 0.0 }, |mean| Share { mean, known: 1.0 });
        };
        let covered = file.series().map(|series| series.over(from, to)).unwrap_or_default();
        let missing = (to - from - covered.seconds).max(0.0);
        if let Some(constant) = self.constant {
            return Share { mean: (covered.sum + constant * missing) / (to - from), known: 1.0 };
        }
        let known = 1.0 - missing / (to - from);
        if known < 1.0 {
            let path = file.path().display();
            NO_VALUE.warn(format_args!(
                "{path} has no value for some of the time up to now: energy is not counted there; write its next lines, or \
                 let values hold for longer with footprint.hold"
            ));
        }
        Share { mean: if covered.seconds > 0.0 { covered.sum / covered.seconds } else { 0.0 }, known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: f64) -> Nanoseconds {
        Nanoseconds::from_seconds(second)
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carbon.csv");
        let mut factor = Factor::new(None, Some(path.clone()), Duration::from_secs(100)).unwrap();
        assert_eq!(factor.over(second(0.0), second(10.0)), Share { mean: 0.0, known: 0.0 });
        std::fs::write(&path, "0,100\n5,300\n").unwrap();
        assert_eq!(factor.over(second(0.0), second(10.0)), Share { mean: 200.0, known: 1.0 });
        std::fs::write(&path, "0,100\n5,300\n105,50\n").unwrap();
        assert_eq!(factor.over(second(100.0), second(110.0)), Share { mean: 175.0, known: 1.0 });
        std::fs::write(&path, "damaged").unwrap();
        let Share { known, .. } = factor.over(second(200.0), second(210.0));
        assert!((known - 0.5).abs() < 1e-9, "what it said before, as long as it holds");
    }

    #[test]
    fn a_constant_is_always_known() {
        let mut factor = Factor::new(Some(350.0), None, Duration::ZERO).unwrap();
        assert_eq!(factor.over(second(0.0), second(10.0)), Share { mean: 350.0, known: 1.0 });
        assert!(Factor::new(None, None, Duration::ZERO).is_none());
        let nowhere = Some("/nonexistent/carbon.csv".into());
        let mut factor = Factor::new(Some(350.0), nowhere, Duration::ZERO).unwrap();
        assert_eq!(
            factor.over(second(0.0), second(10.0)),
            Share { mean: 350.0, known: 1.0 },
            "where the file has nothing"
        );
    }
}
