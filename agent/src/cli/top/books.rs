//! What the agent has told so far, and what was used between its last two messages.

use std::collections::HashMap;
use std::time::Duration;

use prony_proto::energy::v1 as pb;

/// The books as of the latest message.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// The latest picture, without its lines.
    pub(super) picture: pb::Picture,
    /// The lines.
    pub(super) lines: HashMap<LineKey, Entry>,
    /// What all those used that have no line.
    pub(super) other: Entry,
    /// The time between the last two messages; `None` after the first.
    pub(super) interval: Option<Duration>,
    /// How many messages the agent left out because they were not read in time.
    pub(super) missed: u64,
}

/// What names a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineKey {
    Process { cgroup: u64, pid: u32, start: u64 },
    Command { cgroup: u64, name: String },
    Cgroup(u64),
    Container(String),
}

/// One line.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Who; `None` for the sum of the others.
    pub(super) subject: Option<pb::line::Subject>,
    /// Whether it has ended.
    pub(super) ended: bool,
    /// What it used since the agent began.
    pub(super) totals: pb::Totals,
    /// Mean power by zone in the interval, in watts.
    pub(super) power: Vec<f64>,
    /// CPU time in the interval as a share of one CPU; `None` where there is no interval yet.
    pub(super) cpu: Option<f64>,
}

impl Books {
    /// Takes a message in.
    pub(super) fn apply(&mut self, message: pb::WatchResponse) {
        let Some(mut picture) = message.picture else { return };
        let restarted = picture.epoch != self.picture.epoch;
        if restarted {
            *self = Self::default();
        }
        self.interval = elapsed(self.picture.at.as_ref(), picture.at.as_ref());
        self.missed += message.missed;
        let mut before = std::mem::take(&mut self.lines);
        let moved = restarted
            || names(&self.picture.zones) != names(&picture.zones[..self.picture.zones.len().min(picture.zones.len())]);
        let span = if moved { None } else { self.interval };
        let plausible = self.interval.map(|interval| most_cpu_time(interval, &picture));
        for line in std::mem::take(&mut picture.lines) {
            let Some(key) = key(&line) else { continue };
            let known = before.remove(&key);
            if let Some(mut totals) = line.totals.clone() {
                totals.energy.retain(|energy| (energy.zone as usize) < picture.zones.len());
                let is_new = known.is_none() && plausible.is_some_and(|most| totals.cpu_nanoseconds <= most);
                let since = known.map(|entry| entry.totals).or(is_new.then(pb::Totals::default));
                let mut entry = Entry::new(totals, since.as_ref().zip(span));
                entry.ended = line.state() == pb::LineState::Ended;
                entry.subject = line.subject;
                self.lines.insert(key, entry);
            }
        }
        if !message.whole {
            let rested = before.into_iter().map(|(key, entry)| (key, entry.rested(self.interval)));
            self.lines.extend(rested);
        }
        let mut other = picture.other.take().unwrap_or_default();
        other.energy.retain(|energy| (energy.zone as usize) < picture.zones.len());
        let since = std::mem::take(&mut self.other).totals;
        self.other = Entry::new(other, span.map(|span| (&since, span)));
        self.picture = picture;
    }
}

impl Entry {
    /// With the rates since the totals before; without those, with the powers that the agent tells.
    fn new(totals: pb::Totals, since: Option<(&pb::Totals, Duration)>) -> Self {
        let zones = totals.energy.iter().map(|energy| energy.zone as usize + 1).max().unwrap_or(0);
        let mut power = vec![0.0; zones];
        for energy in &totals.energy {
            power[energy.zone as usize] = match since {
                Some((before, span)) => {
                    let used = both(energy).saturating_sub(microjoules(before, energy.zone as usize));
                    used as f64 / 1e6 / span.as_secs_f64()
                }
                None => energy.power_watts,
            };
        }
        let cpu = since.map(|(before, span)| {
            totals.cpu_nanoseconds.saturating_sub(before.cpu_nanoseconds) as f64 / 1e9 / span.as_secs_f64()
        });
        Self { subject: None, ended: false, totals, power, cpu }
    }

    /// The same line when it used nothing.
    fn rested(mut self, interval: Option<Duration>) -> Self {
        self.power.iter_mut().for_each(|power| *power = 0.0);
        self.cpu = interval.map(|_| 0.0);
        self
    }
}

/// Energy in one zone, both parts, in microjoules.
pub(super) fn microjoules(totals: &pb::Totals, zone: usize) -> u64 {
    totals.energy.iter().filter(|energy| energy.zone as usize == zone).map(both).fold(0, u64::saturating_add)
}

fn both(energy: &pb::ZoneEnergy) -> u64 {
    energy.active_microjoules.saturating_add(energy.idle_microjoules)
}

fn names(zones: &[pb::Zone]) -> Vec<(&str, Option<u32>, &str)> {
    zones.iter().map(|zone| (zone.name.as_str(), zone.socket, zone.source.as_str())).collect()
}

/// A line that shows up with more than this was not started in the interval: it was counted with the others before.
fn most_cpu_time(interval: Duration, picture: &pb::Picture) -> u64 {
    let cpus = picture.node.as_ref().map_or(1, |node| node.cpus.max(1));
    (interval.as_nanos() as u64).saturating_mul(u64::from(cpus))
}

fn elapsed(from: Option<&prost_types::Timestamp>, to: Option<&prost_types::Timestamp>) -> Option<Duration> {
    let nanoseconds = |at: &prost_types::Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    let span = nanoseconds(to?) - nanoseconds(from?);
    u64::try_from(span).ok().filter(|&span| span > 0).map(Duration::from_nanos)
}

fn key(line: &pb::Line) -> Option<LineKey> {
    Some(match line.subject.as_ref()? {
        pb::line::Subject::Process(process) => {
            LineKey::Process { cgroup: process.cgroup_id, pid: process.pid, start: process.start_nanoseconds }
        }
        pb::line::Subject::Command(command) => {
            LineKey::Command { cgroup: command.cgroup_id, name: command.name.clone() }
        }
        pb::line::Subject::Cgroup(cgroup) => LineKey::Cgroup(cgroup.id),
        pb::line::Subject::Container(container) => LineKey::Container(container.id.clone()),
    })
}
