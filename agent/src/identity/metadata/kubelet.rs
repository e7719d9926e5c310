//! The kubelet of this node (`GET /pods`): its own pods and no others.

use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use tracing::info;

use crate::notice::Notice;

use super::catalogue::Catalogue;
use super::http::{HttpError, Server};
use super::pod_list::read_pod_list;
use super::{Source, Tell};

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

static UNAVAILABLE: Notice = Notice::new("kubelet_unavailable");

/// Asks the kubelet again and again.
#[derive(Debug)]
pub(super) struct Kubelet {
    pub(super) url: String,
    pub(super) authorities: PathBuf,
    pub(super) insecure: bool,
    /// Read anew for every request: it is renewed about once an hour.
    pub(super) token_file: PathBuf,
    pub(super) every: Duration,
}

impl Kubelet {
    /// Runs for as long as it is polled.
    pub(super) async fn run(&self, catalogue: &mut Catalogue, tell: &Tell) {
        let (mut pause, mut was_up) = (self.every, false);
        loop {
            match self.ask().await {
                Ok((pods, containers)) => {
                    if !was_up {
                        info!("the kubelet at {} tells of {} pods", self.url, pods.len());
                    }
                    tell.up(Source::Kubelet, true);
                    tell.news(catalogue.replace(pods, containers));
                    (pause, was_up) = (self.every, true);
                }
                Err(problem) => {
                    self.complain(&problem);
                    tell.up(Source::Kubelet, false);
                    (pause, was_up) = ((pause * 2).min(LONGEST_PAUSE), false);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Logs why it tells nothing.
    pub(super) fn complain(&self, problem: &str) {
        UNAVAILABLE.warn(format_args!(
            "pods have no names: the kubelet at {}: {problem}. What is known stays; it is asked again",
            self.url
        ));
    }

    /// Asks once.
    pub(super) async fn ask(&self) -> Result<Pods, String> {
        let server = Server::https(&self.url, &self.authorities, self.insecure).map_err(|error| error.to_string())?;
        let token = std::fs::read_to_string(&self.token_file)
            .map_err(|error| format!("the token in {} cannot be read: {error}", self.token_file.display()))?;
        let json = server.get("/pods", Some(token.trim())).await.map_err(explain)?;
        read_pod_list(&json).map_err(|error| format!("its answer is no list of pods: {error}"))
    }
}

type Pods = (Vec<crate::identity::PodFacts>, Vec<crate::identity::ContainerFacts>);

/// What to do about it.
fn explain(error: HttpError) -> String {
    match error {
        HttpError::Status(StatusCode::FORBIDDEN) => {
            "it forbids it (403): the agent's service account needs the verb `get` on `nodes/pods` (from Kubernetes 1.33 on; \
             before, `nodes/proxy`)"
                .into()
        }
        HttpError::Status(StatusCode::UNAUTHORIZED) => {
            "it does not know the token (401): is identity.token_file the service account's, and does the kubelet use token \
             authentication (authentication.webhook.enabled)?"
                .into()
        }
        HttpError::Tls(problem) => format!(
            "{problem}; set identity.ca_file to what signs the kubelet's certificate, or identity.kubelet_insecure where it \
             signs its own"
        ),
        other => other.to_string(),
    }
}
