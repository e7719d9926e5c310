//! Where names and labels of pods and containers come from.
//!
//! The least privilege that works: the kubelet tells of its own node's pods only; the API server is asked where the kubelet
//! cannot be, as it cannot be kept to one node; a container engine's socket is as good as root and is used only where there
//! is no Kubernetes, and a Kubernetes node's runtime only where that is asked for.

mod api_server;
#[cfg(test)]
mod api_server_tests;
mod catalogue;
mod cluster;
mod container_list;
mod cri;
mod cri_answers;
#[cfg(test)]
mod cri_tests;
mod engine_api;
pub(crate) mod http;
mod kubelet;
mod pod_list;
#[cfg(test)]
mod tests;
mod watched_pod;

pub use container_list::{ContainerEvent, read_container_event, read_container_list};
pub use cri_answers::CriAnswers;
pub use pod_list::read_pod_list;

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::{IdentityConfig, MetadataChoice};
use crate::telemetry;

use super::MetadataNews;
use api_server::ApiServer;
use catalogue::Catalogue;
use cluster::Cluster;
use cri::Cri;
use engine_api::EngineApi;
use kubelet::Kubelet;

/// What tells of pods and containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kubelet of this node.
    Kubelet,
    /// The cluster's API server.
    ApiServer,
    /// Docker's engine.
    Docker,
    /// Podman's service.
    Podman,
    /// The container runtime of a Kubernetes node.
    Cri,
}

impl Source {
    /// The name in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::ApiServer => "api-server",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Cri => "cri",
        }
    }
}

/// How a source tells what it has heard.
#[derive(Clone)]
struct Tell(Arc<dyn Fn(Vec<MetadataNews>) + Send + Sync>);

impl Tell {
    fn news(&self, news: Vec<MetadataNews>) {
        if !news.is_empty() {
            (self.0)(news);
        }
    }

    #[expect(clippy::unused_self, reason = "a source tells all through this")]
    fn up(&self, source: Source, up: bool) {
        metrics::gauge!(telemetry::METADATA_UP.name, "source" => source.label()).set(f64::from(u8::from(up)));
    }
}

/// The sources that are used with this configuration on this machine. For `auto`: where there is a service account (in a
/// pod) the kubelet, or if it cannot be asked the API server; else the sockets of engines that are there.
pub fn chosen(config: &IdentityConfig) -> Vec<Source> {
    match config.metadata {
        MetadataChoice::Auto if config.token_file.exists() => vec![Source::Kubelet, Source::ApiServer],
        MetadataChoice::Auto => {
            let sockets = [(Source::Docker, &config.docker_socket), (Source::Podman, &config.podman_socket)];
            sockets.into_iter().filter(|(_, socket)| socket.exists()).map(|(source, _)| source).collect()
        }
        MetadataChoice::Kubelet => vec![Source::Kubelet],
        MetadataChoice::ApiServer => vec![Source::ApiServer],
        MetadataChoice::Docker => vec![Source::Docker],
        MetadataChoice::Podman => vec![Source::Podman],
        MetadataChoice::Cri => vec![Source::Cri],
        MetadataChoice::Off => Vec::new(),
    }
}

/// Starts the chosen sources. They run until `stop` and tell by `tell`. The cluster knows this node as `node`.
pub fn start(
    config: &IdentityConfig,
    node: &str,
    runtime: &Handle,
    tell: impl Fn(Vec<MetadataNews>) + Send + Sync + 'static,
    stop: &CancellationToken,
) {
    let tell = Tell(Arc::new(tell));
    let sources = chosen(config);
    if sources.is_empty() {
        info!("nothing tells the names of containers and functions (identity.metadata is {})", config.metadata.label());
    }
    let run = |source: Following| {
        let tell = tell.clone();
        let running = async move { source.run(&mut Catalogue::default(), &tell).await };
        drop(runtime.spawn(stop.clone().run_until_cancelled_owned(running)));
    };
    if let [Source::Kubelet, Source::ApiServer] = *sources {
        let (kubelet, api_server) = (kubelet(config), api_server(config, node));
        run(Following::Cluster(Cluster { kubelet, api_server, look_again: cluster::LOOK_AGAIN }));
        return;
    }
    for source in sources {
        let engine = |socket: &Path| Following::Engine(EngineApi { source, socket: socket.to_owned() });
        run(match source {
            Source::Kubelet => Following::Kubelet(kubelet(config)),
            Source::ApiServer => Following::ApiServer(api_server(config, node)),
            Source::Docker => engine(&config.docker_socket),
            Source::Podman => engine(&config.podman_socket),
            Source::Cri => {
                Following::Cri(Cri { socket: cri::socket(config.cri_socket.as_deref()), every: config.every })
            }
        });
    }
}

/// Something that is followed until the agent ends.
#[derive(Debug)]
enum Following {
    Cluster(Cluster),
    Kubelet(Kubelet),
    ApiServer(ApiServer),
    Engine(EngineApi),
    Cri(Cri),
}

impl Following {
    async fn run(&self, catalogue: &mut Catalogue, tell: &Tell) {
        match self {
            Self::Cluster(cluster) => cluster.run(catalogue, tell).await,
            Self::Kubelet(kubelet) => kubelet.run(catalogue, tell).await,
            Self::ApiServer(api_server) => api_server.run(catalogue, tell).await,
            Self::Engine(engine) => engine.run(catalogue, tell).await,
            Self::Cri(cri) => cri.run(tell).await,
        }
    }
}

fn kubelet(config: &IdentityConfig) -> Kubelet {
    Kubelet {
        url: config.kubelet_url.clone(),
        authorities: config.ca_file.clone(),
        insecure: config.kubelet_insecure,
        token_file: config.token_file.clone(),
        every: config.every,
    }
}

fn api_server(config: &IdentityConfig, node: &str) -> ApiServer {
    ApiServer {
        url: config.api_server_url.clone(),
        authorities: config.ca_file.clone(),
        token_file: config.token_file.clone(),
        node: node.to_owned(),
        patience: api_server::PATIENCE,
        every: config.every,
    }
}
