//! Runs the stages one after the other: the thread that closes windows, and the listeners around it.

mod activity_side;
mod engine;
mod gone_meanwhile;
mod health;
mod invocation_side;
mod message;
mod profile_keeper;
mod schedule;
mod socket_side;
mod sources;
mod state_keeper;
mod unnoticed_ends;
mod window_thread;

use std::path::Path;
use std::sync::{Arc, mpsc};

use anyhow::Context as _;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::activity::{Topology, read_topology};
use crate::clock::{Timestamp, WallAnchor};
use crate::config::Config;
use crate::confine::{Confinement, Role};
use crate::export::access::Access;
use crate::export::grpc::GrpcServer;
use crate::export::influxdb;
use crate::export::otlp::Forwarder;
use crate::export::page::{Page, PageOptions};
use crate::export::prometheus;
use crate::host::{HostRoots, machine_name};
use crate::identity::{NodeFacts, metadata};
use crate::instance::InstanceProfile;
use crate::invocation::{Ended, Finished, InvocationHandle};
use crate::kernel::{CounterEvents, LoadOptions, PinOptions};
use crate::snapshot::{Epoch, Generation, SnapshotHandle, Stopped};
use crate::source::Reading;
use crate::source::estimate::PowerProfile;
use crate::state::{Record, Segments};
use crate::telemetry;
use crate::trace::{Recorded, Recorder};

use activity_side::ActivitySide;
use engine::Engine;
use message::Message;
pub(crate) use sources::Sources;
use state_keeper::{State, StateKeeper, new_epoch};
use window_thread::Lengths;

/// How many windows with finished invocations a slow subscriber may lag behind.
const FINISHED_BACKLOG: usize = 256;

/// How sources that run on their own hand over what they measure.
pub(crate) type Deliver = Arc<dyn Fn(Vec<Reading>) + Send + Sync>;

/// Runs the agent until `shutdown` is cancelled. `reload` holds a new configuration whenever one was loaded. What came in
/// is written down by `recorder`, and what that has is told at the end. It is to be run by a thread of its own, which enters
/// its role as soon as everything is open.
///
/// # Errors
/// When another agent is there, a listener cannot be opened, the machine's CPUs cannot be told, or what came in cannot be written down. Kernel
/// programs that cannot be loaded and meters that do not answer are no errors: the agent goes on with what it has.
pub async fn run(
    config: Config,
    mut reload: watch::Receiver<Config>,
    shutdown: CancellationToken,
    recorder: Option<Recorder>,
    confinement: &Arc<Confinement>,
) -> anyhow::Result<Option<Recorded>> {
    let roots = config.host.roots();
    // First: another agent is to be told of by its own name.
    let state =
        config.state.directory.as_deref().map(|path| State::open(path, &roots.procfs, confinement)).transpose()?;
    let epoch = state.as_ref().and_then(State::epoch).unwrap_or_else(new_epoch);
    let node = Arc::new(NodeFacts::read(config.node_name.clone().unwrap_or_else(machine_name), &roots));
    let metrics = telemetry::install(&node.name)?;
    let topology = Arc::new(read_topology(&roots.sysfs).with_context(|| {
        format!("the CPUs cannot be told from {}: mount sysfs there, or set host.sysfs", roots.sysfs.display())
    })?);

    let (sender, messages) = mpsc::channel();
    let (announce, closed) = watch::channel(Generation::default());
    let requests = sender.clone();
    let snapshots =
        SnapshotHandle::new(closed, move |request| requests.send(Message::Snapshot(request)).map_err(|_| Stopped));

    let (finished, _) = broadcast::channel(FINISHED_BACKLOG);
    let reports = sender.clone();
    let invocations = InvocationHandle::new(finished.clone(), move |observed, reply| {
        reports.send(Message::Observed(observed, reply)).map_err(|_| Ended)
    });

    let access = Access::open(&config.access)?;
    let mut listeners = JoinSet::new();
    if config.prometheus.enabled {
        let server = prometheus::Server::bind(&config.prometheus, &access).await?.counting(&config.footprint);
        info!("metrics at {}", server.url()?);
        let page = config.page.enabled.then(|| {
            let kept = config.state.directory.as_deref().and_then(|folder| history_folder(folder, confinement));
            let epoch = WallAnchor::take().unix(Timestamp::now()).0;
            Page::follow(
                PageOptions { snapshots: snapshots.clone(), invocations: invocations.clone(), kept, epoch },
                shutdown.clone(),
            )
        });
        let (page, following) = page.unzip();
        if let Some(following) = following {
            info!("to look at: {}", server.page_url()?);
            listeners.spawn(following);
        }
        listeners.spawn(server.run(snapshots.clone(), metrics, page, shutdown.clone()));
    }
    if let Some(exporter) = influxdb::Exporter::new(&config.influxdb, &node.name)? {
        listeners.spawn(exporter.run(snapshots.clone(), shutdown.clone()));
    }
    if config.grpc.enabled {
        let forwarder = Forwarder::start(&config.otlp, config.invocation.lateness, &invocations, &shutdown)?;
        let server = GrpcServer::bind(&config.grpc, &access, epoch, config.activity.window, snapshots, invocations)?
            .forward_to(forwarder);
        info!("gRPC at {}", server.url());
        listeners.spawn(server.run(shutdown.clone()));
    }

    listeners.spawn(access.keep_up(shutdown.clone()));

    let later = sender.clone();
    let take = move |profile| drop(later.send(Message::Instance(Box::new(profile))));
    let instance = ask_about_instance(&config, confinement, take, &shutdown).await;
    let outputs = Outputs { instance, announce, finished, recorder, state, epoch };
    let given_up = Arc::clone(confinement);
    let windows =
        start_windows(&config, node, topology, (sender.clone(), messages), outputs, shutdown.clone(), given_up)?;
    confinement.enter(&Role::Serve);
    let mut running = config;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Ok(()) = reload.changed() => {
                let new = reload.borrow_and_update().clone();
                name_what_needs_a_restart(&running, &new);
                running = new.clone();
                let _ = sender.send(Message::Reload(Box::new(new)));
            }
            Some(ended) = listeners.join_next() => {
                shutdown.cancel();
                ended.context("a listener has failed")??;
            }
        }
    }
    let _ = sender.send(Message::Stop);
    while let Some(ended) = listeners.join_next().await {
        ended.context("a listener has failed")??;
    }
    let ended = tokio::task::spawn_blocking(move || windows.join()).await?;
    let written = ended.map_err(|_| anyhow::anyhow!("the pipeline has failed"))?;
    written.context("the recording could not be written: is there room on the disk?")
}

/// Where the page's history is kept; nowhere where that cannot be.
fn history_folder(state: &Path, confinement: &Arc<Confinement>) -> Option<Segments> {
    let folder = state.join("history");
    match Segments::open(&folder, confinement) {
        Ok(kept) => Some(kept),
        Err(error) => {
            warn!(
                "the page's history cannot be kept in {} ({error}): it begins anew with each start",
                folder.display()
            );
            None
        }
    }
}

/// What is known at the start of what this cloud instance draws, where somebody is to be asked. What comes later is handed to
/// `take`.
async fn ask_about_instance(
    config: &Config,
    confinement: &Arc<Confinement>,
    take: impl FnOnce(PowerProfile) + Send + 'static,
    shutdown: &CancellationToken,
) -> Option<PowerProfile> {
    let (sysfs, directory) = (&config.host.sysfs, config.state.directory.as_deref());
    let mut asking = InstanceProfile::new(&config.source.estimate, sysfs, directory, confinement)?;
    let first = shutdown.run_until_cancelled(asking.begin()).await.flatten();
    drop(tokio::spawn(shutdown.clone().run_until_cancelled_owned(asking.go_on(take))));
    first
}

/// Where what comes of a window goes, and what is known before the first.
struct Outputs {
    /// What this cloud instance draws.
    instance: Option<PowerProfile>,
    announce: watch::Sender<Generation>,
    finished: broadcast::Sender<Arc<[Finished]>>,
    recorder: Option<Recorder>,
    /// Where the books are kept, and what an earlier agent has left there.
    state: Option<State>,
    epoch: Epoch,
}

fn start_windows(
    config: &Config,
    node: Arc<NodeFacts>,
    topology: Arc<Topology>,
    (sender, messages): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
    Outputs { instance, announce, finished, recorder, state, epoch }: Outputs,
    shutdown: CancellationToken,
    confinement: Arc<Confinement>,
) -> anyhow::Result<std::thread::JoinHandle<std::io::Result<Option<Recorded>>>> {
    let (config, runtime) = (config.clone(), tokio::runtime::Handle::current());
    let names = sender.clone();
    let tell = move |news| drop(names.send(Message::Metadata(Timestamp::now(), news)));
    metadata::start(&config.identity, &node.name, &runtime, tell, &shutdown);
    let deliver: Deliver = Arc::new(move |readings| {
        // The pipeline ends before its sources do.
        let _ = sender.send(Message::Readings(readings));
    });
    let thread = std::thread::Builder::new().name("prony-windows".into()).spawn(move || {
        // An agent that closes no windows any more ends, and its supervisor sees that, whatever this thread has died of.
        let _end_with_me = shutdown.drop_guard();
        let roots = config.host.roots();
        let (place, record) = state.map(|State { folder, boot, record }| ((folder, boot), record)).unzip();
        let record = record.flatten();
        let activity = start_activity(&config, &roots, &topology, record.as_ref(), &confinement);
        let sources = Sources::start(&config.source, &roots, &topology, &runtime, &deliver, &confinement, instance);
        let keeper = place.map(|(folder, boot)| StateKeeper::new(folder, boot, epoch, activity.kept_counters()));
        let engine = Engine::new(&config, node, &topology, activity, sources, finished, &confinement);
        let engine = engine.record_to(recorder).resume(record, &roots).keep_state(keeper);
        let lengths = Lengths { window: config.activity.window.into(), tick: config.invocation.resolution.into() };
        confinement.enter(&Role::Account);
        confinement.tell();
        window_thread::run(engine, lengths, &messages, &announce)
    });
    thread.context("no thread for the pipeline: raise the limit of tasks")
}

fn start_activity(
    config: &Config,
    roots: &HostRoots,
    topology: &Arc<Topology>,
    before: Option<&Record>,
    confinement: &Arc<Confinement>,
) -> ActivitySide {
    let pins = config.state.pin.clone().filter(|_| config.state.directory.is_some());
    let go_on_with = before.and_then(|before| before.counters.clone());
    let options = LoadOptions {
        slots: config.activity.max_consumers,
        btf: config.activity.btf.clone(),
        log_level: log_level(&config.activity.kernel_log),
        counters: config.counts_instructions().then(|| CounterEvents::of_processor(&roots.sysfs)),
        pins: pins.map(|folder| PinOptions { folder, go_on_with }),
        ..LoadOptions::default()
    };
    let handed_out = before.map(|before| &before.handed_out);
    ActivitySide::start(topology, &options, &roots.procfs, handed_out, confinement).unwrap_or_else(|error| {
        warn!("{error}. Zones are measured, but nothing can be attributed: their energy stays idle or unattributed");
        ActivitySide::blind(topology)
    })
}

/// The level as the kernel programs know it (`aya_log_common::Level`); a checked configuration has no other words.
fn log_level(word: &str) -> u8 {
    ["off", "error", "warn", "info", "debug", "trace"].iter().position(|&level| level == word).unwrap_or(0) as u8
}

/// Window, policy and ledger change while the agent runs; the rest is told to wait.
fn name_what_needs_a_restart(old: &Config, new: &Config) {
    let changed = [
        ("node_name", old.node_name != new.node_name),
        ("host", old.host != new.host),
        ("activity.max_consumers", old.activity.max_consumers != new.activity.max_consumers),
        ("activity.kernel_log", old.activity.kernel_log != new.activity.kernel_log),
        ("activity.btf", old.activity.btf != new.activity.btf),
        ("activity.counters", old.activity.counters != new.activity.counters),
        ("identity", old.identity != new.identity),
        ("invocation", old.invocation != new.invocation),
        ("source", old.source != new.source),
        ("attribution.profile", old.attribution.profile != new.attribution.profile),
        ("attribution.static_power", old.attribution.static_power != new.attribution.static_power),
        ("state", old.state != new.state),
        ("security", old.security != new.security),
        ("prometheus", old.prometheus != new.prometheus),
        ("footprint", old.footprint != new.footprint),
        ("page", old.page != new.page),
        ("grpc", old.grpc != new.grpc),
        ("access", old.access != new.access),
        ("otlp", old.otlp != new.otlp),
        ("influxdb", old.influxdb != new.influxdb),
    ];
    for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
        warn!("{key} has changed and takes effect when the agent is started anew");
    }
}
