//! A whole page of metrics.

use crate::export::containers::ContainerLine;
use crate::snapshot::Snapshot;

use super::exposition::Exposition;
use super::footprint::Footprint;
use super::negotiation::Format;
use super::own_process::OwnProcess;
use super::own_telemetry;
use super::processes::Processes;
use super::zones::ZoneGroups;
use super::{invocations, kepler, powerapi, prony};

/// What not everybody may see, and whether it is shown.
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the page, and they do not depend on each other")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Processes.
    pub(super) processes: bool,
    /// Commands.
    pub(super) commands: bool,
    /// Single invocations, as exemplars.
    pub(super) exemplars: bool,
    /// PowerAPI's family.
    pub(super) powerapi: bool,
}

/// What a page shows beside the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The containers, as the sums of the snapshot's cgroups and of those before them.
    pub(super) containers: &'a [ContainerLine],
    /// The pods, likewise.
    pub(super) pods: &'a [ContainerLine],
    /// What of the books is shown.
    pub(super) shown: Shown,
    /// How busy the CPUs are, from 0 to 1.
    pub(super) usage_ratio: f64,
    /// Carbon and cost, where they are counted.
    pub(super) footprint: Option<&'a Footprint>,
    /// The agent's own cost.
    pub(super) own: OwnProcess,
    /// The agent's own telemetry, in text 0.0.4.
    pub(super) telemetry: &'a str,
}

/// Renders the books. `capacity` is about how many bytes it will be.
pub(super) fn render(snapshot: &Snapshot, around: &Surroundings<'_>, format: Format, capacity: usize) -> String {
    let groups = ZoneGroups::of(snapshot);
    let processes = around.shown.processes.then(|| Processes::of(&snapshot.processes));
    let mut page = Exposition::new(format, &snapshot.node.name, capacity).with_exemplars(around.shown.exemplars);

    kepler::node(&mut page, snapshot, &groups, around.usage_ratio);
    if let Some(processes) = &processes {
        kepler::processes(&mut page, processes, &groups);
    }
    kepler::containers(&mut page, around.containers, &groups);
    kepler::pods(&mut page, around.pods, &groups);
    kepler::build_info(&mut page);

    prony::zones(&mut page, &snapshot.zones);
    prony::cgroups(&mut page, &snapshot.cgroups, &groups);
    if let Some(processes) = &processes {
        prony::processes(&mut page, processes, &groups);
    }
    if around.shown.commands {
        prony::commands(&mut page, &snapshot.commands, &groups);
    }
    prony::functions(&mut page, snapshot, &groups);
    invocations::write(&mut page, snapshot, &groups);
    prony::others(&mut page, snapshot, processes.as_ref(), around.shown.commands, &groups);
    prony::node(&mut page, snapshot);
    if around.shown.powerapi {
        powerapi::power(&mut page, snapshot);
    }
    if let Some(footprint) = around.footprint {
        footprint.write(&mut page, snapshot);
    }

    around.own.write(&mut page);
    page.append(&own_telemetry::adapt(around.telemetry, page.format()));
    page.finish()
}
