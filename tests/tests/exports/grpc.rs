//! The gRPC service through the generated client.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use prony_tests::{Samples, skip};
use prost::Message as _;
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;
use tonic::Streaming;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::bench::{Bench, PATIENCE, needs_bench};
use crate::mirror::{Mirror, energies};

/// How many steps of 50 ms are watched.
const STEPS: usize = 30;

/// A client and what drives it.
pub(crate) struct Client {
    runtime: Runtime,
    channel: Channel,
}

impl Client {
    pub(crate) fn of(bench: &Bench) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = format!("http://{}", bench.agent.grpc_address());
        let channel = runtime.block_on(Channel::from_shared(address)?.timeout(PATIENCE).connect())?;
        Ok(Self { runtime, channel })
    }

    fn energy(&self) -> EnergyClient<Channel> {
        EnergyClient::new(self.channel.clone())
    }

    pub(crate) fn snapshot(&self, granularity: pb::Granularity) -> Result<pb::Picture> {
        let request = pb::SnapshotRequest { granularity: granularity as i32, filter: None };
        let answer = self.runtime.block_on(self.energy().snapshot(request))?;
        answer.into_inner().picture.context("a picture")
    }

    fn watch(&self) -> Result<Streaming<pb::WatchResponse>> {
        let resolution = prost_types::Duration { seconds: 0, nanos: 50_000_000 };
        let granularity = pb::Granularity::Process as i32;
        let request = pb::WatchRequest { granularity, filter: None, resolution: Some(resolution) };
        // Without the time limit of the other calls: it goes on until it is dropped.
        Ok(self.runtime.block_on(self.energy().watch(request))?.into_inner())
    }

    fn next(&self, stream: &mut Streaming<pb::WatchResponse>) -> Result<pb::WatchResponse> {
        let message = async { tokio::time::timeout(PATIENCE, stream.message()).await };
        self.runtime.block_on(message)??.context("the stream goes on")
    }
}

#[test]
fn grpc_and_prometheus_tell_the_same() {
    if let Some(reason) = needs_bench() {
        return skip("grpc::grpc_and_prometheus_tell_the_same", &reason);
    }
    tell_the_same().unwrap();
}

fn tell_the_same() -> Result<()> {
    let mut bench = Bench::start("grpc", "4")?;
    let client = Client::of(&bench)?;
    let mut stream = client.watch()?;
    let mut mirror = Mirror::default();
    let first = client.next(&mut stream)?;
    assert!(first.whole, "the first message is whole");
    mirror.apply(&first);
    for _ in 0..STEPS {
        let message = client.next(&mut stream)?;
        assert!(!message.whole || message.missed > 0, "whole again only after a loss");
        mirror.apply(&message);
    }

    let scrape = bench.stand_still()?;
    let processes = client.snapshot(pb::Granularity::Process)?;
    let goal = processes.generation;
    // Energy stands still, so that the next messages complete the picture however the windows fall.
    loop {
        let message = client.next(&mut stream)?;
        mirror.apply(&message);
        if message.picture.is_some_and(|picture| picture.generation >= goal) {
            break;
        }
    }
    let mut snapshot = Mirror::default();
    snapshot.apply(&pb::WatchResponse { picture: Some(processes), whole: true, ..Default::default() });
    assert_eq!(mirror.energies(), snapshot.energies(), "what was watched is what there is");

    let commands = client.snapshot(pb::Granularity::Command)?;
    assert!(commands.zones.len() >= 3);
    for zone in &commands.zones {
        let labels = [("zone", zone.name.as_str()), ("socket", "0")];
        let told = scrape.millionths("prony_zone_measured_joules_total", &labels)?;
        assert_eq!(told, zone.measured_microjoules, "zone {}", zone.name);
    }
    let told: BTreeSet<_> = commands.lines.iter().flat_map(|line| command_energies(&commands, line)).collect();
    assert_eq!(told, scraped_commands(&scrape)?, "the commands of gRPC and of Prometheus");
    assert!(told.iter().any(|(cgroup, name, ..)| *cgroup == bench.group.name() && name == "prony-load"));
    Ok(())
}

/// Cgroup, name, zone, and active and idle microjoules.
type CommandEnergy = (String, String, String, u64, u64);

fn command_energies(picture: &pb::Picture, line: &pb::Line) -> Vec<CommandEnergy> {
    let Some(pb::line::Subject::Command(command)) = &line.subject else { panic!("{line:?} is no command") };
    let totals = line.totals.as_ref().map(energies).unwrap_or_default();
    let energy = |(zone, (active, idle)): (u32, (u64, u64))| {
        let zone = picture.zones[zone as usize].name.clone();
        (command.cgroup.clone(), command.name.clone(), zone, active, idle)
    };
    totals.into_iter().map(energy).collect()
}

fn scraped_commands(samples: &Samples) -> Result<BTreeSet<CommandEnergy>> {
    let mut all = BTreeSet::new();
    for sample in samples.matching("prony_command_joules_total", &[("part", "active")]) {
        let [cgroup, id, comm, zone] =
            ["cgroup", "cgroup_id", "comm", "zone"].map(|label| sample.labels[label].as_str());
        let labels = [("cgroup_id", id), ("comm", comm), ("zone", zone), ("part", "idle_shared")];
        let (active, idle) = (sample.millionths()?, samples.millionths("prony_command_joules_total", &labels)?);
        if (active, idle) != (0, 0) {
            all.insert((cgroup.to_owned(), comm.to_owned(), zone.to_owned(), active, idle));
        }
    }
    Ok(all)
}

#[test]
fn grpc_tells_its_health_and_what_it_is() {
    if let Some(reason) = needs_bench() {
        return skip("grpc::grpc_tells_its_health_and_what_it_is", &reason);
    }
    health_and_reflection().unwrap();
}

fn health_and_reflection() -> Result<()> {
    let bench = Bench::start("health", "1")?;
    let client = Client::of(&bench)?;
    for service in ["", "prony.energy.v1.Energy"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = client.runtime.block_on(HealthClient::new(client.channel.clone()).check(request))?.into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "of '{service}'");
    }

    let Some(MessageResponse::ListServicesResponse(list)) = ask(&client, MessageRequest::ListServices(String::new()))?
    else {
        panic!("no list of services")
    };
    let services: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        services.contains(&"prony.energy.v1.Energy") && services.contains(&"grpc.health.v1.Health"),
        "{services:?}"
    );

    let symbol = MessageRequest::FileContainingSymbol("prony.energy.v1.Energy".to_owned());
    let Some(MessageResponse::FileDescriptorResponse(files)) = ask(&client, symbol)? else { panic!("no file") };
    let files = files.file_descriptor_proto.iter().map(|file| prost_types::FileDescriptorProto::decode(&file[..]));
    let files: Vec<_> = files.collect::<Result<_, _>>()?;
    let energy = files.iter().find(|file| file.package() == "prony.energy.v1").context("the service's file")?;
    let methods: Vec<_> = energy.service[0].method.iter().map(prost_types::MethodDescriptorProto::name).collect();
    assert_eq!(methods, ["Watch", "Snapshot"]);
    Ok(())
}

fn ask(client: &Client, request: MessageRequest) -> Result<Option<MessageResponse>> {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let mut reflection = ServerReflectionClient::new(client.channel.clone());
    let first = async {
        let mut answers = reflection.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
        let first: Option<ServerReflectionResponse> = answers.next().await.transpose()?;
        anyhow::Ok(first)
    };
    let answer = client.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), first).await })??;
    Ok(answer.and_then(|answer| answer.message_response))
}
