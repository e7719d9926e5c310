//! The windows of activity that wait for one zone's readings, in order and without gaps.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::apportion::largest_remainder;
use crate::clock::Timestamp;
use crate::units::{Microjoules, Watts};

use super::drive::Drive;
use super::interval::Interval;
use super::limits::Limits;
use super::load::Load;
use super::packages::Packages;
use super::pending::{Booked, Drives, Pending};
use super::power_model::PowerModel;
use super::spread::{Piece, quotas};

/// See the module.
#[derive(Debug)]
pub(super) struct WindowQueue {
    windows: VecDeque<Pending>,
    /// Up to where there are windows.
    end: Timestamp,
    pieces: Vec<Piece>,
}

impl WindowQueue {
    /// A queue for windows from `start` on.
    pub(super) fn new(start: Timestamp) -> Self {
        Self { windows: VecDeque::new(), end: start, pieces: Vec::new() }
    }

    /// Up to where there are windows.
    pub(super) fn end(&self) -> Timestamp {
        self.end
    }

    /// From where windows wait; their end where none does.
    pub(super) fn begin(&self) -> Timestamp {
        self.windows.front().map_or(self.end, Pending::from)
    }

    /// Energy booked for windows that are not covered to their end yet.
    pub(super) fn held(&self) -> Microjoules {
        self.windows.iter().map(|window| window.booked().energy).sum()
    }

    /// Appends a window, and what is missing before it. What lies before the queue's end is left out.
    pub(super) fn push(&mut self, window: &Arc<ActivityWindow>, load: Load, drive: &Arc<Drive>) {
        if window.to <= self.end {
            return;
        }
        if window.from > self.end {
            self.windows.push_back(Pending::unknown(self.end, window, load));
        }
        self.windows.push_back(Pending::new(window, self.end, load, drive));
        self.end = window.to;
    }

    /// Joins the oldest windows until the queue is within its limits. Says whether energy that comes later for the oldest
    /// can be attributed to nobody any more, where that was so for the first time just now.
    pub(super) fn bound(&mut self, limits: &Limits) -> bool {
        let mut forgot = false;
        while let Some(second) = self.windows.get(1)
            && (self.windows.len() > limits.pending_windows || self.end.since(second.to()) >= limits.pending_time)
        {
            let next = self.windows.remove(1).expect("it was just there");
            forgot |= self.windows[0].join(next, limits);
        }
        forgot
    }

    /// Gives up the time before `from`: no reading will ever cover it.
    pub(super) fn skip_to(&mut self, from: Timestamp) {
        for window in self.windows.iter_mut().take_while(|window| window.open_from() < from) {
            window.cut(from);
        }
    }

    /// Cuts what `interval` covers off the windows, for [`Self::book`], and says how loaded the zone was meanwhile and what
    /// has driven it; `None` where that is not known for all of the time. Windows that are covered must have been taken out
    /// before. What was busy in each window is by `model`, where there is one, and by the energy of `packages`, where these are
    /// measured.
    pub(super) fn cut(
        &mut self,
        interval: &Interval,
        model: Option<&PowerModel>,
        packages: Option<&Packages>,
    ) -> Option<(Load, Drives)> {
        self.pieces.clear();
        let (mut sum, mut drives, mut known) = (Load::default(), Drives::new(), true);
        for window in self.windows.iter_mut().take_while(|window| window.open_from() < interval.to) {
            let from = window.open_from();
            let cut = window.cut(interval.to);
            let above_static = |model: &PowerModel| {
                let energy = packages.and_then(|packages| packages.energy(from, from + cut.time)).unwrap_or_default();
                (energy * 1e3 - model.packages_static() * cut.time.0 as f64).max(0.0)
            };
            let modelled = |model: &PowerModel| {
                cut.drives.iter().map(|(drive, part)| model.by_activity(drive) * part).sum::<f64>()
                    + model.gain() * above_static(model)
            };
            let busy = model.map_or(cut.load.busy, modelled);
            self.pieces.push(Piece { time: cut.time, busy });
            sum.add(cut.load);
            drives.extend(cut.drives);
            known &= cut.known;
        }
        known.then_some((sum, drives))
    }

    /// Books the energy of the interval that was cut last for its windows, to the microjoule. What is busy is off its mean by
    /// `unsteadiness`, relative, in each of them.
    pub(super) fn book(&mut self, interval: &Interval, static_power: Watts, unsteadiness: f64) {
        if let [piece] = self.pieces[..] {
            self.windows[0].book(interval, piece.time, interval.energy, 0.0, true);
            return;
        }
        let quotas = quotas(interval.energy, &self.pieces, static_power, unsteadiness);
        let energies: Vec<f64> = quotas.iter().map(|quota| quota.energy).collect();
        let parts = largest_remainder(&energies, interval.energy);
        for (((window, piece), quota), part) in self.windows.iter_mut().zip(&self.pieces).zip(&quotas).zip(parts) {
            window.book(interval, piece.time, part, quota.variance, false);
        }
    }

    /// Takes out the first window if it is covered to its end.
    pub(super) fn pop_covered(&mut self) -> Option<(Arc<ActivityWindow>, Booked)> {
        self.windows.pop_front_if(|window| window.open_from() >= window.to()).map(Pending::finish)
    }
}
