//! `prony.invocation.v1.Invocations`: reports in, finished invocations out.

use std::pin::Pin;
use std::sync::Arc;

use prony_proto::invocation::v1 as pb;
use prony_proto::invocation::v1::invocations_server::Invocations;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::clock::{Timestamp, WallAnchor};
use crate::export::reporter_clock::{say_offset, unix_now};
use crate::invocation::{By, ClockOffset, Finished, InvocationHandle, Observed, Place, Refusal};
use crate::units::Nanoseconds;

use super::lines::unix;

/// How many refusals are named in an answer.
const MOST_REFUSALS: usize = 100;
/// How many invocations a message may hold.
const MOST_AT_ONCE: usize = 10_000;
/// How long an id may be, in bytes.
const LONGEST_ID: usize = 128;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct InvocationService {
    handle: InvocationHandle,
    withholds_single: bool,
    stop: CancellationToken,
}

impl InvocationService {
    /// Watches are refused where `withholds_single`: what single invocations use is finer than a second, and the ids of some are
    /// those of processes. They end when `stop` is cancelled.
    pub(super) fn new(handle: InvocationHandle, withholds_single: bool, stop: CancellationToken) -> Self {
        Self { handle, withholds_single, stop }
    }
}

fn stopping() -> Status {
    Status::unavailable("the agent is stopping: try again when it is back")
}

#[tonic::async_trait]
impl Invocations for InvocationService {
    async fn report(
        &self,
        request: Request<Streaming<pb::ReportRequest>>,
    ) -> Result<Response<pb::ReportResponse>, Status> {
        let mut messages = request.into_inner();
        let (mut response, mut offset) = (pb::ReportResponse::default(), ClockOffset::default());
        while let Some(message) = messages.next().await {
            let message = message?;
            if message.invocations.len() > MOST_AT_ONCE {
                return Err(Status::invalid_argument(format!(
                    "invocations has {} entries: at most {MOST_AT_ONCE} in a message",
                    message.invocations.len()
                )));
            }
            let anchor = WallAnchor::take();
            if let Some(sent) = message.sent_at.and_then(|at| nanoseconds(&at)) {
                offset.message(sent, unix_now());
                say_offset(offset.nanoseconds());
                response.clock_offset_seconds = offset.nanoseconds() as f64 / 1e9;
            }
            let (ids, observed) = observe(message.invocations, anchor, offset.nanoseconds())?;
            let answers = self.handle.report(observed).await.map_err(|_| stopping())?;
            for (id, answer) in ids.into_iter().zip(answers) {
                count(&mut response, &id, answer.err());
            }
        }
        Ok(Response::new(response))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        if self.withholds_single {
            return Err(Status::permission_denied(
                "this agent does not know who asks, and withholds single invocations: set access.client_ca_file or \
                 access.token_file in its configuration",
            ));
        }
        let (wanted, anchor) = (request.into_inner(), WallAnchor::take());
        let (mut finished, stop) = (self.handle.subscribe(), self.stop.clone());
        let stream = async_stream::stream! {
            let mut missed = 0;
            loop {
                let received = tokio::select! {
                    received = finished.recv() => received,
                    () = stop.cancelled() => Err(RecvError::Closed),
                };
                match received {
                    Ok(some) => {
                        let invocations = told(&some, &wanted, anchor);
                        if !invocations.is_empty() || missed > 0 {
                            yield Ok(pb::WatchResponse { invocations, missed: std::mem::take(&mut missed) });
                        }
                    }
                    Err(RecvError::Lagged(messages)) => missed += messages,
                    Err(RecvError::Closed) => {
                        yield Err(stopping());
                        return;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }
}

fn count(response: &mut pb::ReportResponse, id: &str, refusal: Option<Refusal>) {
    match refusal {
        None => response.accepted += 1,
        Some(refusal) => {
            response.refused += 1;
            if response.refusals.len() < MOST_REFUSALS {
                response.refusals.push(pb::Refusal { id: id.to_owned(), reason: refusal.to_string() });
            }
        }
    }
}

/// From the wire. What lacks a field is an error: its sender is wrong throughout.
fn observe(
    invocations: Vec<pb::Invocation>,
    anchor: WallAnchor,
    offset: i64,
) -> Result<(Vec<Arc<str>>, Vec<Observed>), Status> {
    let mut observed = Vec::with_capacity(invocations.len());
    for invocation in invocations {
        if invocation.id.len() > LONGEST_ID {
            return Err(Status::invalid_argument(format!(
                "invocations.id has {} bytes, at most {LONGEST_ID} are allowed",
                invocation.id.len()
            )));
        }
        let time = |at: Option<prost_types::Timestamp>, field: &str| {
            let unix = at.as_ref().and_then(nanoseconds).ok_or_else(|| {
                Status::invalid_argument(format!("invocations.{field} has to be a time: {:?} has none", invocation.id))
            })?;
            Ok::<Timestamp, Status>(anchor.monotonic(unix.saturating_add(offset)))
        };
        let place = match &invocation.place {
            Some(pb::invocation::Place::ContainerId(id)) => Place::Container(id.as_str().into()),
            Some(pb::invocation::Place::PodUid(uid)) => Place::Pod(uid.as_str().into()),
            Some(pb::invocation::Place::Function(function)) => Place::Function {
                name: function.name.as_str().into(),
                namespace: (!function.namespace.is_empty()).then(|| function.namespace.as_str().into()),
            },
            None => {
                return Err(Status::invalid_argument(
                    "invocations.place has to be one of container_id, pod_uid and function",
                ));
            }
        };
        let (start, end) = (time(invocation.start, "start")?, time(invocation.end, "end")?);
        observed.push(Observed {
            id: invocation.id.into(),
            place,
            by: By::Report,
            start,
            end,
            on_cpu: invocation.cpu_nanoseconds.map(Nanoseconds),
            reporter: None,
        });
    }
    Ok((observed.iter().map(|it| Arc::clone(&it.id)).collect(), observed))
}

fn nanoseconds(at: &prost_types::Timestamp) -> Option<i64> {
    at.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(at.nanos))
}

fn told(finished: &[Finished], wanted: &pb::WatchRequest, anchor: WallAnchor) -> Vec<pb::FinishedInvocation> {
    let is_wanted = |it: &&Finished| {
        (wanted.function.is_empty() || *wanted.function == *it.function.name)
            && (wanted.namespace.is_empty() || *wanted.namespace == *it.function.namespace)
    };
    finished.iter().filter(is_wanted).map(|it| on_the_wire(it, anchor)).collect()
}

fn on_the_wire(finished: &Finished, anchor: WallAnchor) -> pb::FinishedInvocation {
    let seen_by = match finished.by {
        By::Process => pb::SeenBy::Process,
        By::Report => pb::SeenBy::Report,
        By::Socket => pb::SeenBy::Socket,
    };
    pb::FinishedInvocation {
        id: finished.id.to_string(),
        seen_by: seen_by as i32,
        platform: finished.function.platform.label().to_owned(),
        namespace: finished.function.namespace.to_string(),
        function: finished.function.name.to_string(),
        revision: finished.function.revision.to_string(),
        container_id: finished.container.as_deref().unwrap_or_default().to_owned(),
        start: Some(unix(anchor.unix(finished.start))),
        end: Some(unix(anchor.unix(finished.end))),
        cpu_nanoseconds: finished.cpu_time.0,
        energy: finished
            .energy
            .iter()
            .map(|used| pb::ZoneEnergy {
                zone: used.zone.name.to_string(),
                socket: used.zone.socket,
                microjoules: used.energy.0,
                sigma_microjoules: used.sigma,
            })
            .collect(),
    }
}
