//! The cluster's API server: a list of this node's pods, then a watch of what happens to them. It tells of new labels at
//! once, but the right to ask it cannot be narrowed to one node.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use kube::api::ListParams;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio_stream::StreamExt as _;
use tracing::info;

use crate::notice::Notice;

use super::catalogue::Catalogue;
use super::watched_pod::WatchedPod;
use super::{Source, Tell};

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long a page of a list may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may be silent: longer than a watch lasts (290 s), and bookmarks come about once a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(330);
/// `Gone`: the version to go on from is no longer known.
const GONE: u16 = 410;

static UNAVAILABLE: Notice = Notice::new("api_server_unavailable");
static NO_PODS: Notice = Notice::new("node_without_pods");

/// Follows the pods of one node.
#[derive(Debug)]
pub(super) struct ApiServer {
    /// `https://host[:port]`; where not given, what Kubernetes tells every pod.
    pub(super) url: Option<String>,
    pub(super) authorities: PathBuf,
    /// Read anew for every new beginning, and once a minute.
    pub(super) token_file: PathBuf,
    /// The name of this node in the cluster.
    pub(super) node: String,
    /// How long a page of a list may take.
    pub(super) patience: Duration,
    /// The first pause after a failure.
    pub(super) every: Duration,
}

impl ApiServer {
    /// Runs for as long as it is polled.
    pub(super) async fn run(&self, catalogue: &mut Catalogue, tell: &Tell) {
        let mut pause = self.every;
        loop {
            if let Err(problem) = self.follow(catalogue, &mut pause, tell).await {
                self.complain(&problem);
                tell.up(Source::ApiServer, false);
            }
            // Not all nodes come back at the same moment.
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether it answers and lists pods.
    pub(super) async fn answers(&self) -> Result<(), String> {
        let one = ListParams::default().fields(&self.selection()).limit(1);
        let pods = self.pods()?;
        let answer = tokio::time::timeout(self.patience, pods.list(&one)).await.map_err(|_| self.slow())?;
        answer.map(drop).map_err(|error| explain(&error))
    }

    /// Logs why it tells nothing.
    pub(super) fn complain(&self, problem: &str) {
        UNAVAILABLE.warn(format_args!(
            "pods have no names: the API server at {}: {problem}. What is known stays; it is asked again",
            self.address()
        ));
    }

    /// Until something fails, or the version to go on from is too old.
    async fn follow(&self, catalogue: &mut Catalogue, pause: &mut Duration, tell: &Tell) -> Result<(), String> {
        let selected = watcher::Config::default().fields(&self.selection());
        let mut events = pin!(watcher(self.pods()?, selected));
        let mut listed = Some((Vec::new(), Vec::new()));
        loop {
            let event = match listed {
                Some(_) => tokio::time::timeout(self.patience, events.next()).await.map_err(|_| self.slow())?,
                None => events.next().await,
            };
            match event {
                None => return Ok(()),
                Some(Ok(Event::Init)) => listed = Some((Vec::new(), Vec::new())),
                Some(Ok(Event::InitApply(one))) => {
                    let (pods, containers) = listed.get_or_insert_default();
                    pods.push(one.pod);
                    containers.extend(one.containers);
                }
                Some(Ok(Event::InitDone)) => {
                    let (pods, containers) = listed.take().unwrap_or_default();
                    self.judge(pods.len());
                    tell.up(Source::ApiServer, true);
                    tell.news(catalogue.replace(pods, containers));
                    *pause = self.every;
                }
                Some(Ok(Event::Apply(one))) => tell.news(catalogue.put_pod(one.pod, one.containers)),
                Some(Ok(Event::Delete(one))) => tell.news(catalogue.remove_pod(&one.pod.uid)),
                // It lists anew by itself.
                Some(Err(watcher::Error::WatchError(status))) if status.code == GONE => {}
                Some(Err(watcher::Error::WatchStartFailed(kube::Error::Api(status)))) if status.code == GONE => {
                    return Ok(());
                }
                Some(Err(watcher::Error::WatchError(status))) => return Err(explain(&kube::Error::Api(status))),
                Some(Err(
                    watcher::Error::InitialListFailed(error)
                    | watcher::Error::WatchStartFailed(error)
                    | watcher::Error::WatchFailed(error),
                )) => return Err(explain(&error)),
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    /// The agent's own pod runs on this node, so there is one at least.
    fn judge(&self, pods: usize) {
        if pods == 0 {
            NO_PODS.warn(format_args!(
                "the API server knows of no pods on a node '{}': set node_name (PRONY_NODE_NAME, from the field \
                 spec.nodeName) to the node's name in the cluster",
                self.node
            ));
        } else {
            info!("the API server at {} tells of {pods} pods on {}", self.address(), self.node);
        }
    }

    fn slow(&self) -> String {
        format!("its list of pods takes longer than {} s", self.patience.as_secs_f32())
    }

    fn selection(&self) -> String {
        format!("spec.nodeName={}", self.node)
    }

    fn address(&self) -> String {
        self.url.clone().unwrap_or_else(|| {
            // As every pod is told (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
            let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            let host = variable("KUBERNETES_SERVICE_HOST").unwrap_or_else(|| "kubernetes.default.svc".into());
            let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".into());
            if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
        })
    }

    fn pods(&self) -> Result<Api<WatchedPod>, String> {
        let address = self.address();
        let url = address.parse::<hyper::Uri>().ok().filter(|url| url.scheme_str() == Some("https"));
        let url = url.ok_or_else(|| "that is no address like https://192.0.2.1:6443".to_owned())?;
        let mut config = kube::Config::new(url);
        config.root_cert_file = Some(self.authorities.clone());
        config.auth_info.token_file = Some(self.token_file.to_string_lossy().into_owned());
        config.read_timeout = Some(LONGEST_SILENCE);
        config.reset_reader_on_write = true;
        Client::try_from(config).map(Api::all).map_err(|error| explain(&error))
    }
}

/// What to do about it.
fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 => "it does not know the token (401): is identity.token_file the service account's, and not expired?"
                .into(),
            403 => {
                "it forbids it (403): the agent's service account needs the verbs `list` and `watch` on `pods`, by a \
                    ClusterRole"
                    .into()
            }
            code => format!("it answers {code}: {}", status.message),
        };
    }
    let whole = with_causes(error);
    if whole.contains("bearer token") {
        format!("{whole}; the file that identity.token_file names has to hold a token and no line break")
    } else if whole.contains("certificate") {
        format!("{whole}; set identity.ca_file to what signs the API server's certificate")
    } else {
        whole
    }
}

/// An error with its causes, each of which says something new.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut whole = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !whole.contains(&cause) {
            whole = format!("{whole}: {cause}");
        }
    }
    whole
}
