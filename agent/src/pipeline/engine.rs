//! The stages, one after the other: what happens when a window closes.

use std::io;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::activity::{Lifecycle, SocketRequest, Topology};
use crate::attribute::attribute;
use crate::clock::{Timestamp, WallAnchor};
use crate::config::{Config, Policy, Weights};
use crate::confine::Confinement;
use crate::fuse::{EnergyWindow, Fusion, Limits};
use crate::host::HostRoots;
use crate::identity::{FunctionRules, Identity, MetadataNews, NodeFacts, work_kinds};
use crate::invocation::{Finished, Observed, Refusal, Taken};
use crate::ledger::Ledger;
use crate::snapshot::{Context, Generation, Request, Snapshot, build};
use crate::source::Reading;
use crate::source::estimate::PowerProfile;
use crate::state::{Record, WindowRecord};
use crate::trace::{Recorded, Recorder};

use super::activity_side::ActivitySide;
use super::gone_meanwhile::gone_meanwhile;
use super::health::Health;
use super::invocation_side::InvocationSide;
use super::profile_keeper::ProfileKeeper;
use super::socket_side::SocketSide;
use super::sources::Sources;
use super::state_keeper::StateKeeper;

/// All that the thread owns that closes windows.
pub(super) struct Engine {
    activity: ActivitySide,
    sockets: Option<SocketSide>,
    sources: Sources,
    fusion: Fusion,
    policy: Policy,
    identity: Identity,
    ledger: Ledger,
    context: Context,
    health: Health,
    invocations: InvocationSide,
    /// What was drained since the last tick, and what happened in the window before it.
    drained: Vec<Lifecycle>,
    events: Vec<Lifecycle>,
    requests: Vec<SocketRequest>,
    readings: Vec<Reading>,
    energy: Vec<EnergyWindow>,
    picture: Option<Arc<Snapshot>>,
    recorder: Option<Recorder>,
    keeper: Option<ProfileKeeper>,
    state: Option<StateKeeper>,
    /// How many groups of cgroup v1 hierarchies were written down.
    v1_groups_written: u64,
}

impl Engine {
    pub(super) fn new(
        config: &Config,
        node: Arc<NodeFacts>,
        topology: &Arc<Topology>,
        activity: ActivitySide,
        sources: Sources,
        finished: broadcast::Sender<Arc<[Finished]>>,
        confinement: &Arc<Confinement>,
    ) -> Self {
        let roots = config.host.roots();
        let profile = config.attribution.profile.as_deref();
        let keeper = profile.and_then(|path| ProfileKeeper::start(path, Timestamp::now(), confinement));
        Self {
            health: Health::new(&roots, topology, activity.attachment()),
            activity,
            sockets: config.invocation.sockets.then(|| SocketSide::start(config.activity.btf.as_deref())).flatten(),
            fusion: Fusion::new(&config.attribution.static_power, Limits::default())
                .prefer(sources.preference())
                .knowing(sources.idle_powers())
                .remembering(keeper.as_ref().map(|keeper| keeper.profile().clone()).unwrap_or_default())
                .hand_out_models(config.attribution.weights == Weights::Learned),
            sources,
            policy: config.attribution.policy,
            identity: Identity::open(&roots, FunctionRules::new(config.identity.function_label.as_deref())),
            ledger: Ledger::new(&config.ledger),
            context: Context { node, anchor: WallAnchor::take() },
            invocations: InvocationSide::new(&config.invocation, finished),
            drained: Vec::new(),
            events: Vec::new(),
            requests: Vec::new(),
            readings: Vec::new(),
            energy: Vec::new(),
            picture: None,
            recorder: None,
            keeper,
            state: None,
            v1_groups_written: 0,
        }
    }

    /// Goes on with what an earlier agent has left.
    pub(super) fn resume(mut self, record: Option<Record>, roots: &HostRoots) -> Self {
        let Some(record) = record else { return self };
        let all_cgroups = self.identity.tells_of_all_cgroups();
        let names = self.identity.names_mut();
        names.resume_v1_groups(&record.v1_groups);
        self.drained = gone_meanwhile(&record.ledger, (names, all_cgroups), &roots.procfs, Timestamp::now());
        self.invocations.book.resume(record.totals, record.ledger.used_by_functions(), names);
        self.ledger.resume(record.ledger, names);
        self.fusion = self.fusion.resuming(&record.meters, record.learnt);
        for window in record.windows.iter().filter_map(|window| window.window(self.activity.topology())) {
            self.fusion.window(Arc::new(window));
        }
        self
    }

    /// Whether these are an earlier agent's books, of which nobody has closed a window yet.
    pub(super) fn goes_on(&self) -> bool {
        self.ledger.generation() != Generation::default()
    }

    /// Keeps what the next agent goes on with.
    pub(super) fn keep_state(mut self, keeper: Option<StateKeeper>) -> Self {
        self.state = keeper;
        self
    }

    /// Writes down the books at the end of a window: before anybody can see them, so that no agent after this one shows less.
    fn write_down(&mut self, window: WindowRecord, now: Timestamp) {
        match self.state.as_ref().and_then(|keeper| keeper.wants_everything(now)) {
            Some(everything) => self.write_record(Some(window), everything, now),
            // Everything is written next: what has changed until then need not be remembered.
            None => drop(self.activity.written(false)),
        }
    }

    fn write_record(&mut self, window: Option<WindowRecord>, everything: bool, now: Timestamp) {
        let Some(keeper) = &mut self.state else { return };
        let names = self.identity.names();
        let v1_groups = names.v1_groups_so_far();
        let newly_grouped = std::mem::replace(&mut self.v1_groups_written, v1_groups) != v1_groups;
        let v1_groups = names.v1_groups().filter(|_| everything || newly_grouped);
        let record = Record {
            ledger: self.ledger.written(names, everything),
            totals: self.invocations.book.written(names, everything),
            handed_out: self.activity.written(everything),
            meters: self.fusion.positions().collect(),
            learnt: if keeper.wants_learnt(everything, now) { self.fusion.learnt().collect() } else { Vec::new() },
            v1_groups: v1_groups.map(|(group, path)| (group, path.to_string())).collect(),
            ..Record::default()
        };
        keeper.write(record, window, everything, now);
    }

    /// Writes down what comes in.
    pub(super) fn record_to(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        if let Some(recorder) = &mut self.recorder {
            let (preferred, idle_powers) = (self.sources.preference(), self.sources.idle_powers());
            recorder.machine(&self.context.node.name, self.activity.topology(), &preferred, &idle_powers);
        }
        self
    }

    /// Whether what comes in can no longer be written down.
    pub(super) fn recording_failed(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::has_failed)
    }

    /// What was written down, when nothing more comes. What was learned is kept.
    pub(super) fn end(mut self) -> io::Result<Option<Recorded>> {
        self.write_record(None, true, Timestamp::now());
        if let Some(keeper) = self.state.take() {
            keeper.end();
        }
        if let Some(keeper) = self.keeper {
            keeper.end(self.context.anchor.unix_seconds(Timestamp::now()), self.fusion.learned());
        }
        self.recorder.map(Recorder::finish).transpose()
    }

    /// Takes in what sources that run on their own have measured, and that arrived `now`.
    pub(super) fn readings(&mut self, readings: Vec<Reading>, now: Timestamp) {
        for reading in readings {
            self.reading(reading, now);
        }
    }

    fn reading(&mut self, reading: Reading, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder {
            recorder.reading(&reading, now);
        }
        self.fusion.reading(reading);
    }

    /// Estimates by this profile of the cloud instance from now on. What a recording has to say of it is in its first line, so
    /// that an agent that records goes on as it began.
    pub(super) fn estimate_by(&mut self, profile: &PowerProfile) {
        if self.recorder.is_none() {
            self.sources.estimate_by(profile, self.activity.topology());
            self.fusion.know(self.sources.idle_powers());
        }
    }

    /// Takes in what was heard of pods and containers at `at`.
    pub(super) fn metadata(&mut self, at: Timestamp, news: Vec<MetadataNews>) {
        self.identity.metadata(at, news);
    }

    /// Empties the kernel's rings, for windows longer than they can hold.
    pub(super) fn drain_events(&mut self) {
        self.activity.drain_events(&mut self.drained);
        if let Some(sockets) = &mut self.sockets {
            sockets.drain(Timestamp::now(), &mut self.requests);
        }
    }

    /// Takes in an invocation that was reported.
    pub(super) fn observe(&mut self, observed: Observed, now: Timestamp) -> Result<Taken, Refusal> {
        if let Some(recorder) = &mut self.recorder {
            recorder.invocation(&observed, self.identity.names(), now);
        }
        self.invocations.observe(observed, now)
    }

    /// Ends a part of the running window at `now`.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let tick = self.activity.close_window(now, &mut self.drained);
        self.invocations.tick(tick);
        self.events.append(&mut self.drained);
    }

    /// Ends the running window at `now` and books it. `missed` window ends went by unused.
    pub(super) fn close_window(&mut self, now: Timestamp, missed: u64) -> Generation {
        self.sources.sample(now, &mut self.readings);
        self.tick(now);
        let mut window = self.invocations.window();
        self.sources.estimate(&window, &mut self.readings);
        self.identity.observe(&window, &mut self.events);
        if let Some(sockets) = &mut self.sockets {
            sockets.drain(now, &mut self.requests);
            sockets.look(now, &self.identity);
        }
        let names = self.identity.names();
        self.ledger.record(&window, names);
        self.invocations.record(&self.events, names);
        for request in std::mem::take(&mut self.requests) {
            // Whether it is taken is counted; nobody waits for an answer.
            let _ = self.observe(request.into(), now);
        }
        for reading in std::mem::take(&mut self.readings) {
            self.reading(reading, now);
        }
        let names = self.identity.names();
        if let Some(recorder) = &mut self.recorder {
            recorder.window(&window, &self.events, names);
        }
        let length = window.length();
        let written = self.state.is_some().then(|| WindowRecord::of(&window));
        window.kinds = work_kinds(&window, names);
        self.fusion.window(Arc::new(window));
        self.fusion.drain(&mut self.energy);
        for energy in self.energy.drain(..) {
            let attribution = attribute(&energy, self.policy);
            let zone = self.ledger.charge(&attribution, names);
            self.invocations.charge(zone, &attribution, names);
        }
        self.ledger.retire(&self.events, names);
        self.events.clear();
        self.invocations.settle(now, names, self.context.anchor);
        self.ledger.close_window(now);
        if let Some(window) = written {
            self.write_down(window, now);
        }
        self.picture = None;
        if let Some(keeper) = &mut self.keeper {
            keeper.look(now, self.context.anchor.unix_seconds(now), self.fusion.learned());
        }
        self.health.window_closed(now, length, missed, &self.activity, self.fusion.meters());
        self.ledger.generation()
    }

    /// Answers an exporter. Those who ask for the same between two windows get the same picture.
    pub(super) fn answer(&mut self, request: Request) {
        let picture = match &self.picture {
            Some(picture) if picture.since == request.since => Arc::clone(picture),
            _ => {
                let names = self.identity.names();
                let picture =
                    Arc::new(build(&mut self.ledger, names, &self.invocations.book, &self.context, request.since));
                self.picture = Some(Arc::clone(&picture));
                picture
            }
        };
        // Whoever has asked may have gone away meanwhile.
        let _ = request.reply.send(picture);
    }

    /// Takes over what can change while the agent runs.
    pub(super) fn reload(&mut self, config: &Config) {
        self.policy = config.attribution.policy;
        self.ledger.reconfigure(&config.ledger);
    }
}
