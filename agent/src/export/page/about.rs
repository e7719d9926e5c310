//! What there is to be known beside figures of consumers.

use serde::Serialize;

use crate::notice::{Said, all_said};
use crate::snapshot::Snapshot;
use crate::source::Provenance;

use super::headline::Headline;
use super::level::Level;
use super::own_cost::Cost;

/// What the machine is, as of the last picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    node: String,
    cpus: usize,
    headline: Option<SentHeadline>,
}

#[derive(Clone, Debug, Serialize)]
struct SentHeadline {
    zones: Vec<String>,
    provenance: &'static str,
    why: &'static str,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct About<'a> {
    version: &'static str,
    epoch: &'a str,
    node: String,
    cpus: usize,
    headline: Option<SentHeadline>,
    levels: Vec<Level>,
    /// Why processes are not among them.
    withheld: Option<&'static str>,
    step_ms: u64,
    cost: Cost,
    /// What the agent has complained of since it was started.
    notices: Vec<Said>,
}

impl Machine {
    pub(super) fn of(picture: &Snapshot, headline: Option<&Headline>) -> Self {
        let headline = headline.map(|headline| SentHeadline {
            zones: headline.lines(picture).map(|line| line.zone.to_string()).collect(),
            provenance: headline.provenance(picture).unwrap_or(Provenance::Estimated).label(),
            why: headline.why(),
        });
        Self { node: picture.node.name.clone(), cpus: picture.node.cpus.len(), headline }
    }

    pub(super) fn about<'a>(self, epoch: &'a str, cost: Cost, withheld: Option<&'static str>) -> About<'a> {
        let levels = Level::ALL.into_iter().filter(|level| *level != Level::Process || withheld.is_none());
        About {
            version: env!("CARGO_PKG_VERSION"),
            epoch,
            node: self.node,
            cpus: self.cpus,
            headline: self.headline,
            levels: levels.collect(),
            withheld,
            step_ms: 1_000,
            cost,
            notices: all_said(),
        }
    }
}
