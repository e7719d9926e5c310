//! Adds readings up as fusion does.

use crate::clock::Timestamp;
use crate::source::{Measure, Reading};
use crate::units::Microjoules;

/// The energy between the first reading and the last.
#[derive(Debug, Default)]
pub(crate) struct Books {
    last: Option<(u32, Microjoules, Timestamp)>,
    pub(crate) energy: Microjoules,
}

impl Books {
    /// Within an epoch, the difference counts; of a new one, all of it.
    pub(crate) fn add(&mut self, reading: &Reading) {
        let Measure::Energy(counter) = reading.measure else { panic!("a meter counts energy") };
        if let Some((epoch, total, at)) = self.last {
            assert!(reading.at >= at, "time goes back: {reading:?}");
            if epoch == counter.epoch {
                self.energy += counter.total.checked_sub(total).expect("a counter never falls");
            } else {
                assert_eq!(counter.epoch, epoch + 1);
                self.energy += counter.total;
            }
        }
        self.last = Some((counter.epoch, counter.total, reading.at));
    }
}
