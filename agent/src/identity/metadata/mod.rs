//! Where names and labels of pods and containers come from.
//!
//! The least privilege that works: the kubelet tells of its own node's pods only; the API server is asked where the kubelet
//! cannot be, as it cannot be kept to one node; a container engine's socket is as good as
//! root and is used only where there is no Kubernetes.

mod api_server;
#[cfg(test)]
mod api_server_tests;
mod catalogue;
mod cluster;
mod container_list;
mod engine_api;
mod http;
mod kubelet;
mod pod_list;
#[cfg(test)]
mod tests;
mod watched_pod;

pub use container_list::{ContainerEvent, read_container_event, read_container_list};
pub use pod_list::read_pod_list;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::{IdentityConfig, MetadataChoice};
use crate::telemetry;

use super::MetadataNews;
use api_server::ApiServer;
use cluster::Cluster;
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
}

impl Source {
    /// The name in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::ApiServer => "api-server",
            Self::Docker => "docker",
            Self::Podman => "podman",
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
    let run = |source: Running| drop(runtime.spawn(stop.clone().run_until_cancelled_owned(source)));
    if let [Source::Kubelet, Source::ApiServer] = *sources {
        run(Box::pin(Cluster { kubelet: kubelet(config), api_server: api_server(config, node) }.run(tell)));
        return;
    }
    for source in sources {
        let tell = tell.clone();
        let engine = |socket: &Path| EngineApi { source, socket: socket.to_owned() };
        run(match source {
            Source::Kubelet => Box::pin(kubelet(config).run(tell)),
            Source::ApiServer => Box::pin(api_server(config, node).run(tell)),
            Source::Docker => Box::pin(engine(&config.docker_socket).run(tell)),
            Source::Podman => Box::pin(engine(&config.podman_socket).run(tell)),
        });
    }
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

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
