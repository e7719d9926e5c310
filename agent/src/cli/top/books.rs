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
    Function([String; 4]),
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
        let comparable = !restarted && names(&self.picture.zones) == names(&picture.zones);
        let spans = self.interval.filter(|_| comparable).map(|interval| Spans::new(interval, &self.picture, &picture));
        let mut before = std::mem::take(&mut self.lines);
        let plausible = self.interval.map(|interval| most_cpu_time(interval, &picture));
        for line in std::mem::take(&mut picture.lines) {
            let Some(key) = key(&line) else { continue };
            let known = before.remove(&key);
            if let Some(mut totals) = line.totals.clone() {
                totals.energy.retain(|energy| (energy.zone as usize) < picture.zones.len());
                let is_new = known.is_none() && plausible.is_some_and(|most| totals.cpu_nanoseconds <= most);
                let since = known.or(is_new.then(Entry::default));
                let mut entry = Entry::new(totals, since.as_ref().zip(spans.as_ref()));
                entry.ended = line.state() == pb::LineState::Ended;
                entry.subject = line.subject;
                self.lines.insert(key, entry);
            }
        }
        if !message.whole {
            let rested = before.into_iter().map(|(key, entry)| (key, entry.rested(spans.as_ref())));
            self.lines.extend(rested);
        }
        let mut other = picture.other.take().unwrap_or_default();
        other.energy.retain(|energy| (energy.zone as usize) < picture.zones.len());
        let since = std::mem::take(&mut self.other);
        self.other = Entry::new(other, spans.as_ref().map(|spans| (&since, spans)));
        if let Some(spans) = &spans {
            spans.set_powers(&self.picture, &mut picture);
        }
        self.picture = picture;
    }
}

/// What lies between two messages.
struct Spans {
    interval: Duration,
    /// By zone, the time whose energy has come to be known in between. A slow meter's comes later, and more or less of
    /// it than fits the interval.
    energy: Vec<Span>,
}

#[derive(Clone, Copy)]
enum Span {
    /// Of so much time.
    Of(Duration),
    /// None has come, and the agent takes the power to be as before.
    AsBefore,
    /// The zone is silent.
    Silent,
}

impl Spans {
    /// The pictures have the same zones.
    fn new(interval: Duration, before: &pb::Picture, now: &pb::Picture) -> Self {
        let span = |(before, now): (&pb::Zone, &pb::Zone)| match elapsed(before.until.as_ref(), now.until.as_ref()) {
            Some(span) => Span::Of(span),
            None if now.power_watts > 0.0 => Span::AsBefore,
            None => Span::Silent,
        };
        Self { interval, energy: before.zones.iter().zip(&now.zones).map(span).collect() }
    }

    /// Mean power in a zone of which so many microjoules have come; `before` is the power in the interval before.
    fn power(&self, zone: usize, microjoules: u64, before: f64) -> f64 {
        match self.energy.get(zone) {
            Some(Span::Of(span)) => microjoules as f64 / 1e6 / span.as_secs_f64(),
            Some(Span::AsBefore) => before,
            Some(Span::Silent) | None => 0.0,
        }
    }

    /// The zones' powers over the same time as those of the lines.
    fn set_powers(&self, before: &pb::Picture, now: &mut pb::Picture) {
        for (index, (before, now)) in before.zones.iter().zip(&mut now.zones).enumerate() {
            let power = |total: u64, earlier: u64, watts| self.power(index, total.saturating_sub(earlier), watts);
            now.power_watts = power(now.measured_microjoules, before.measured_microjoules, before.power_watts);
            now.active_power_watts =
                power(now.active_microjoules, before.active_microjoules, before.active_power_watts);
            now.idle_power_watts = power(now.idle_microjoules, before.idle_microjoules, before.idle_power_watts);
        }
    }
}

impl Entry {
    /// With the rates since the entry before; without that, with the powers that the agent tells.
    fn new(totals: pb::Totals, since: Option<(&Self, &Spans)>) -> Self {
        let zones = totals.energy.iter().map(|energy| energy.zone as usize + 1).max().unwrap_or(0);
        let mut power = vec![0.0; zones];
        for energy in &totals.energy {
            let zone = energy.zone as usize;
            power[zone] = match since {
                Some((before, spans)) => {
                    let used = both(energy).saturating_sub(microjoules(&before.totals, zone));
                    spans.power(zone, used, before.power.get(zone).copied().unwrap_or(energy.power_watts))
                }
                None => energy.power_watts,
            };
        }
        let cpu = since.map(|(before, spans)| {
            let used = totals.cpu_nanoseconds.saturating_sub(before.totals.cpu_nanoseconds);
            used as f64 / 1e9 / spans.interval.as_secs_f64()
        });
        Self { subject: None, ended: false, totals, power, cpu }
    }

    /// The same line when it used nothing.
    fn rested(mut self, spans: Option<&Spans>) -> Self {
        for (zone, power) in self.power.iter_mut().enumerate() {
            *power = spans.map_or(0.0, |spans| spans.power(zone, 0, *power));
        }
        self.cpu = spans.map(|_| 0.0);
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
        pb::line::Subject::Function(pb::Function { platform, namespace, name, revision }) => {
            LineKey::Function([platform, namespace, name, revision].map(Clone::clone))
        }
    })
}
