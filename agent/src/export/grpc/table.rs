//! What the subscribers of one hub know: the lines they were told of, and the messages that bring them up to date.

use std::sync::Arc;

use bytes::Bytes;
use prony_proto::energy::v1 as pb;
use prost::Message;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::clock::Timestamp;
use crate::export::containers::Containers;
use crate::snapshot::{Generation, OtherLine, Snapshot};
use crate::units::Nanoseconds;

use super::lines::{self, LineKey};
use super::selection::{Granularity, Selection};
use super::totals::{Sums, is_same_total};

/// Lines that left the books are looked for at most this often, because it takes a whole picture to miss them.
const SWEEP_AFTER: Nanoseconds = Nanoseconds::SECOND;

/// The selected lines as of one window.
#[derive(Debug)]
pub(super) struct Table {
    selection: Selection,
    epoch: u64,
    lines: FxHashMap<LineKey, Held>,
    sums: Sums,
    containers: Containers,
    latest: Arc<Snapshot>,
    swept_at: Timestamp,
    swept_other: OtherLine,
    whole: Option<Bytes>,
}

#[derive(Debug)]
struct Held {
    line: pb::Line,
    changed_at: Timestamp,
}

impl Table {
    /// From a whole picture. `epoch` is what tells these books from those before a restart.
    pub(super) fn new(selection: Selection, epoch: u64, whole: Arc<Snapshot>) -> Self {
        let mut table = Self {
            selection,
            epoch,
            lines: FxHashMap::default(),
            sums: Sums::default(),
            containers: Containers::default(),
            latest: Arc::clone(&whole),
            swept_at: whole.at,
            swept_other: OtherLine::default(),
            whole: None,
        };
        table.apply(whole);
        table
    }

    /// The window that the subscribers know of.
    pub(super) fn generation(&self) -> Generation {
        self.latest.generation
    }

    /// Whether the zones are no longer those that the lines' indices mean.
    pub(super) fn is_outdated_by(&self, picture: &Snapshot) -> bool {
        let known = &self.latest.zones;
        known.len() > picture.zones.len()
            || known.iter().zip(&picture.zones).any(|(a, b)| a.zone != b.zone || a.source != b.source)
    }

    /// Whether lines may have left the books since somebody looked, so that [`Table::apply`] should be given a whole
    /// picture: what leaves is counted with the others.
    pub(super) fn wants_whole(&self, picture: &Snapshot) -> bool {
        !self.lines.is_empty()
            && picture.at.since(self.swept_at) >= SWEEP_AFTER
            && !is_same_other(&self.swept_other, self.other_of(picture))
    }

    /// Takes a picture in and gives the lines that are new, have changed or, where the picture is whole, have left.
    pub(super) fn apply(&mut self, picture: Arc<Snapshot>) -> Vec<pb::Line> {
        let mut changed = Vec::new();
        let incoming = match self.selection.granularity {
            Granularity::Process => lines::processes(&picture, &self.selection),
            Granularity::Command => lines::commands(&picture, &self.selection),
            Granularity::Cgroup => lines::cgroups(&picture, &self.selection),
            Granularity::Container => lines::containers(&picture, &self.selection, &mut self.containers),
            Granularity::Function => lines::functions(&picture, &self.selection),
            Granularity::Zone => Vec::new(),
        };
        if picture.since.is_none() {
            self.close_all_but(&incoming, &mut changed);
            self.swept_at = picture.at;
            self.swept_other = self.other_of(&picture).clone();
        }
        for (key, line) in incoming {
            self.put(key, line, picture.at, &mut changed);
        }
        self.latest = picture;
        self.whole = None;
        changed
    }

    fn put(&mut self, key: LineKey, line: pb::Line, at: Timestamp, changed: &mut Vec<pb::Line>) {
        self.sums.add(line.totals.as_ref());
        if let Some(held) = self.lines.get_mut(&key) {
            self.sums.subtract(held.line.totals.as_ref());
            let is_news = !is_same_total(held.line.totals.as_ref(), line.totals.as_ref());
            if is_news || held.line.state != line.state || held.line.subject != line.subject {
                held.changed_at = at;
                changed.push(line.clone());
            }
            held.line = line;
        } else {
            changed.push(line.clone());
            self.lines.insert(key, Held { line, changed_at: at });
        }
    }

    fn close_all_but(&mut self, incoming: &[(LineKey, pb::Line)], changed: &mut Vec<pb::Line>) {
        let present: FxHashSet<&LineKey> = incoming.iter().map(|(key, _)| key).collect();
        let sums = &mut self.sums;
        self.lines.retain(|key, held| {
            let stays = present.contains(key);
            if !stays {
                sums.subtract(held.line.totals.as_ref());
                let state = pb::LineState::Closed as i32;
                changed.push(pb::Line { subject: held.line.subject.take(), state, totals: None });
            }
            stays
        });
    }

    /// The message that brings a subscriber from the picture before to this one.
    pub(super) fn change(&self, lines: Vec<pb::Line>) -> Bytes {
        let response = pb::WatchResponse { picture: Some(self.picture(lines)), ..Default::default() };
        response.encode_to_vec().into()
    }

    /// The message that needs nothing before it; made at most once a window.
    pub(super) fn whole(&mut self, resolution: prost_types::Duration) -> Bytes {
        if let Some(made) = &self.whole {
            return made.clone();
        }
        let response = pb::WatchResponse {
            picture: Some(self.whole_picture()),
            whole: true,
            missed: 0,
            resolution: Some(resolution),
        };
        let made = Bytes::from(response.encode_to_vec());
        self.whole = Some(made.clone());
        made
    }

    /// All lines as of now.
    pub(super) fn whole_picture(&self) -> pb::Picture {
        let line = |held: &Held| {
            let mut line = held.line.clone();
            if self.latest.at.since(held.changed_at) > Nanoseconds::SECOND
                && let Some(totals) = &mut line.totals
            {
                totals.energy.iter_mut().for_each(|energy| energy.power_watts = 0.0);
            }
            line
        };
        self.picture(self.lines.values().map(line).collect())
    }

    fn picture(&self, lines: Vec<pb::Line>) -> pb::Picture {
        let latest = &self.latest;
        pb::Picture {
            epoch: self.epoch,
            generation: latest.generation.0,
            at: Some(lines::unix(latest.at_unix)),
            node: Some(lines::node(&latest.node)),
            zones: latest.zones.iter().map(lines::zone).collect(),
            lines,
            other: Some(self.sums.missing_from(latest)),
            idle_cpu_nanoseconds: latest.idle_cpu_time.0,
        }
    }

    fn other_of<'a>(&self, picture: &'a Snapshot) -> &'a OtherLine {
        match self.selection.granularity {
            Granularity::Process => &picture.other_processes,
            Granularity::Command => &picture.other_commands,
            Granularity::Function => &picture.other_functions,
            Granularity::Cgroup | Granularity::Container | Granularity::Zone => &picture.other_cgroups,
        }
    }
}

fn is_same_other(one: &OtherLine, two: &OtherLine) -> bool {
    let energy = |other: &OtherLine| other.energy.iter().map(|part| (part.active + part.idle).0).sum::<u64>();
    one.cpu_time == two.cpu_time && energy(one) == energy(two)
}
