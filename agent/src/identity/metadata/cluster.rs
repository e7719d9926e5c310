//! In a pod, where nothing else is configured: the kubelet, or the API server where the kubelet cannot be asked.

use std::time::Duration;

use tracing::info;

use super::api_server::ApiServer;
use super::kubelet::Kubelet;
use super::{Source, Tell};

/// The longest pause while neither answers.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Both, until one has answered.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) kubelet: Kubelet,
    pub(super) api_server: ApiServer,
}

impl Cluster {
    /// Runs for as long as it is polled. The first that answers is kept until the end.
    pub(super) async fn run(self, tell: Tell) {
        let mut pause = self.kubelet.every;
        loop {
            let Err(kubelet) = self.kubelet.ask().await else { return self.kubelet.run(tell).await };
            let Err(api_server) = self.api_server.answers().await else {
                info!("the API server is asked for pods, as the kubelet at {} cannot be: {kubelet}", self.kubelet.url);
                return self.api_server.run(tell).await;
            };
            self.kubelet.complain(&kubelet);
            self.api_server.complain(&api_server);
            tell.up(Source::Kubelet, false);
            tell.up(Source::ApiServer, false);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
