//! The container runtime of a Kubernetes node, through its own interface: lists, then events. It sees containers that are
//! gone before anybody asks for the next list, but only the labels that a pod was made with, and its socket is as good as
//! root: it is used where it is asked for only.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use prony_proto::runtime::v1 as pb;
use prony_proto::runtime::v1::runtime_service_client::RuntimeServiceClient;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tracing::info;

use crate::notice::Notice;

use super::catalogue::name;
use super::cri_answers::CriAnswers;
use super::{Source, Tell};

/// Where runtimes listen: containerd, CRI-O, k3s' containerd, Docker behind cri-dockerd.
const SOCKETS: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How large an answer may be, in bytes. (The kubelet takes 16 MiB.)
const LARGEST: usize = 128 << 20;
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often everything is listed anew where events tell what happens: one that was missed is made good.
const LIST_ANEW: Duration = Duration::from_mins(1);

static UNAVAILABLE: Notice = Notice::new("cri_unavailable");

type Client = RuntimeServiceClient<Channel>;

/// The socket to ask: the configured one, else the first that is there, else the first that could be.
pub(super) fn socket(configured: Option<&Path>) -> PathBuf {
    let found = || SOCKETS.iter().map(Path::new).find(|socket| socket.exists());
    configured.or_else(found).unwrap_or(Path::new(SOCKETS[0])).to_owned()
}

/// Follows a runtime.
#[derive(Debug)]
pub(super) struct Cri {
    pub(super) socket: PathBuf,
    /// How often it is asked where it has no events, and the first pause after a failure.
    pub(super) every: Duration,
}

impl Cri {
    /// Runs for as long as it is polled.
    pub(super) async fn run(&self, tell: &Tell) {
        let mut answers = CriAnswers::default();
        let mut pause = self.every;
        loop {
            let Err(problem) = self.follow(&mut answers, &mut pause, tell).await;
            UNAVAILABLE.warn(format_args!(
                "pods have no names: the container runtime at {}: {problem}. Is it running, and may the agent open its \
                 socket (identity.cri_socket)? What is known stays; it is asked again",
                self.socket.display()
            ));
            tell.up(Source::Cri, false);
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Until something fails.
    async fn follow(&self, answers: &mut CriAnswers, pause: &mut Duration, tell: &Tell) -> Result<Infallible, String> {
        let mut client = self.connect().await?;
        let version = within(client.version(pb::VersionRequest {})).await?;
        let count = list(&mut client, answers, tell).await?;
        info!("{} {} tells of {count} pods", name(&version.runtime_name), name(&version.runtime_version));
        *pause = self.every;
        let mut events = pin!(events(client.clone()));
        let mut has_events = true;
        // The first comes soon: it has what happened before the events were listened to.
        let mut next = Instant::now() + self.every;
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    list(&mut client, answers, tell).await?;
                    next = Instant::now() + if has_events { LIST_ANEW } else { self.every };
                }
                event = events.next(), if has_events => match event {
                    Some(Ok(event)) => tell.news(answers.event(event)),
                    Some(Err(status)) if status.code() == Code::Unimplemented => {
                        info!("it has no events, and is asked for lists every {} s", self.every.as_secs_f64());
                        has_events = false;
                    }
                    Some(Err(status)) => return Err(explain(&status)),
                    None => return Err("it has ended its events".into()),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Client, String> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket.display()));
        let channel = endpoint.map_err(|error| error.to_string())?.connect_timeout(PATIENCE).connect().await;
        let channel = channel.map_err(|error| format!("cannot connect: {}", innermost(&error)))?;
        Ok(Client::new(channel).max_decoding_message_size(LARGEST))
    }
}

/// What happens from now on. Runtimes answer to this with the first event, not before.
fn events(mut client: Client) -> impl Stream<Item = Result<pb::ContainerEventResponse, Status>> {
    async_stream::try_stream! {
        let mut events = client.get_container_events(pb::GetEventsRequest {}).await?.into_inner();
        while let Some(event) = events.message().await? {
            yield event;
        }
    }
}

/// Lists everything; how many pods there are.
async fn list(client: &mut Client, answers: &mut CriAnswers, tell: &Tell) -> Result<usize, String> {
    let sandboxes = within(client.list_pod_sandbox(pb::ListPodSandboxRequest {})).await?.items;
    let listed = within(client.list_containers(pb::ListContainersRequest {})).await?.containers;
    let count = sandboxes.len();
    tell.news(answers.listed(sandboxes, listed));
    tell.up(Source::Cri, true);
    Ok(count)
}

async fn within<T>(answer: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, String> {
    let answer = timeout(PATIENCE, answer).await.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
    answer.map(tonic::Response::into_inner).map_err(|status| explain(&status))
}

fn explain(status: &Status) -> String {
    match status.code() {
        Code::Unimplemented => "it does not speak CRI v1 (is the plugin for Kubernetes switched off?)".into(),
        Code::OutOfRange => format!("an answer is larger than {} MiB", LARGEST >> 20),
        code => format!("{code}: {}", status.message()),
    }
}

/// What is at the bottom of an error, which the others only say that it happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
