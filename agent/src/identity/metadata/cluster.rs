//! In a pod, where nothing else is configured: the kubelet, or the API server where the kubelet cannot be asked.

use std::time::Duration;

use tracing::info;

use super::api_server::ApiServer;
use super::catalogue::Catalogue;
use super::kubelet::Kubelet;
use super::{Source, Tell};

/// The longest pause while neither answers.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often the kubelet is tried while the API server is asked.
pub(super) const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// Both.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) kubelet: Kubelet,
    pub(super) api_server: ApiServer,
    /// How often the kubelet is tried while the API server is asked.
    pub(super) look_again: Duration,
}

impl Cluster {
    /// Runs for as long as it is polled. Once the kubelet has answered, it is the one to ask.
    pub(super) async fn run(&self, catalogue: &mut Catalogue, tell: &Tell) {
        let mut pause = self.kubelet.every;
        loop {
            let Err(kubelet) = Box::pin(self.kubelet.ask()).await else {
                return Box::pin(self.kubelet.run(catalogue, tell)).await;
            };
            match Box::pin(self.api_server.answers()).await {
                Ok(()) => {
                    info!(
                        "the API server is asked for pods, as the kubelet at {} cannot be: {kubelet}",
                        self.kubelet.url
                    );
                    tokio::select! {
                        () = Box::pin(self.api_server.run(catalogue, tell)) => {}
                        () = self.kubelet_is_back() => {}
                    }
                    tell.up(Source::ApiServer, false);
                    pause = self.kubelet.every;
                }
                Err(api_server) => {
                    self.kubelet.complain(&kubelet);
                    self.api_server.complain(&api_server);
                    tell.up(Source::Kubelet, false);
                    tell.up(Source::ApiServer, false);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn kubelet_is_back(&self) {
        loop {
            tokio::time::sleep(self.look_again).await;
            if self.kubelet.ask().await.is_ok() {
                return;
            }
        }
    }
}
