//! Where names and labels of pods and containers come from.
//!
//! The least privilege that works: the kubelet tells of its own node's pods only; a container engine's socket is as good as
//! root and is used only where there is no Kubernetes.

mod catalogue;
mod container_list;
mod engine_api;
mod http;
mod kubelet;
mod pod_list;
#[cfg(test)]
mod tests;

pub use container_list::{ContainerEvent, read_container_event, read_container_list};
pub use pod_list::read_pod_list;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::{IdentityConfig, MetadataChoice};
use crate::telemetry;

use super::MetadataNews;
use engine_api::EngineApi;
use kubelet::Kubelet;

/// What tells of pods and containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kubelet of this node.
    Kubelet,
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

/// The sources that are used with this configuration on this machine. For `auto`: the kubelet where there is a service
/// account (in a pod), else the sockets of engines that are there.
pub fn chosen(config: &IdentityConfig) -> Vec<Source> {
    match config.metadata {
        MetadataChoice::Auto if config.token_file.exists() => vec![Source::Kubelet],
        MetadataChoice::Auto => {
            let sockets = [(Source::Docker, &config.docker_socket), (Source::Podman, &config.podman_socket)];
            sockets.into_iter().filter(|(_, socket)| socket.exists()).map(|(source, _)| source).collect()
        }
        MetadataChoice::Kubelet => vec![Source::Kubelet],
        MetadataChoice::Docker => vec![Source::Docker],
        MetadataChoice::Podman => vec![Source::Podman],
        MetadataChoice::Off => Vec::new(),
    }
}

/// Starts the chosen sources. They run until `stop` and tell by `tell`.
pub fn start(
    config: &IdentityConfig,
    runtime: &Handle,
    tell: impl Fn(Vec<MetadataNews>) + Send + Sync + 'static,
    stop: &CancellationToken,
) {
    let tell = Tell(Arc::new(tell));
    let sources = chosen(config);
    if sources.is_empty() {
        info!("nothing tells the names of containers and functions (identity.metadata is {})", config.metadata.label());
    }
    for source in sources {
        let (tell, stop) = (tell.clone(), stop.clone());
        match source {
            Source::Kubelet => {
                let kubelet = Kubelet {
                    url: config.kubelet_url.clone(),
                    authorities: config.ca_file.clone(),
                    insecure: config.kubelet_insecure,
                    token_file: config.token_file.clone(),
                    every: config.every,
                };
                runtime.spawn(stop.run_until_cancelled_owned(kubelet.run(tell)));
            }
            Source::Docker | Source::Podman => {
                let socket = if source == Source::Docker { &config.docker_socket } else { &config.podman_socket };
                let engine = EngineApi { source, socket: socket.clone() };
                runtime.spawn(stop.run_until_cancelled_owned(engine.run(tell)));
            }
        }
    }
}
