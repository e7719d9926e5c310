//! The invocations whose energy was known last.

use std::collections::VecDeque;

use serde::Serialize;

use crate::clock::WallAnchor;
use crate::invocation::Finished;
use crate::units::{Microjoules, Nanoseconds};

use super::energy::milliseconds;

/// How many are kept.
const KEPT: usize = 200;

/// The latest last.
#[derive(Debug)]
pub(super) struct LatestInvocations {
    anchor: WallAnchor,
    kept: VecDeque<Finished>,
}

/// One as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Invocation<'a> {
    id: &'a str,
    platform: &'static str,
    namespace: &'a str,
    function: &'a str,
    revision: &'a str,
    seen_by: &'static str,
    /// Milliseconds since the Unix epoch.
    start: f64,
    seconds: f64,
    cpu_nanoseconds: Nanoseconds,
    energy: Vec<ZoneEnergy>,
}

#[derive(Debug, Serialize)]
struct ZoneEnergy {
    zone: String,
    socket: Option<u32>,
    microjoules: Microjoules,
    sigma_microjoules: f64,
}

impl LatestInvocations {
    pub(super) fn new() -> Self {
        Self { anchor: WallAnchor::take(), kept: VecDeque::with_capacity(KEPT) }
    }

    pub(super) fn take(&mut self, finished: &[Finished]) {
        for invocation in finished {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(invocation.clone());
        }
    }

    /// The latest first.
    pub(super) fn latest(&self, count: usize) -> Vec<Invocation<'_>> {
        self.kept.iter().rev().take(count).map(|finished| self.shown(finished)).collect()
    }

    fn shown<'a>(&self, finished: &'a Finished) -> Invocation<'a> {
        let energy = finished.energy.iter().map(|used| ZoneEnergy {
            zone: used.zone.name.to_string(),
            socket: used.zone.socket,
            microjoules: used.energy,
            sigma_microjoules: used.sigma,
        });
        Invocation {
            id: &finished.id,
            platform: finished.function.platform.label(),
            namespace: &finished.function.namespace,
            function: &finished.function.name,
            revision: &finished.function.revision,
            seen_by: finished.by.label(),
            start: milliseconds(self.anchor.unix(finished.start)),
            seconds: finished.end.since(finished.start).0 as f64 / Nanoseconds::SECOND.0 as f64,
            cpu_nanoseconds: finished.cpu_time,
            energy: energy.collect(),
        }
    }
}
