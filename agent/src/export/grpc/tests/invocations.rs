//! Reports and watches against the real server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use prony_proto::invocation::v1 as pb;
use prony_proto::invocation::v1::invocations_client::InvocationsClient;
use tokio::sync::broadcast;
use tonic::transport::Channel;

use super::books::Books;
use super::server::{Running, serve_with};
use crate::clock::Timestamp;
use crate::identity::{Function, Platform};
use crate::invocation::{By, Finished, InvocationHandle, Observed, Place, Refusal, Taken, ZoneEnergy};
use crate::source::{Provenance, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds};

pub(super) struct Agent {
    pub(super) running: Running,
    pub(super) observed: Arc<Mutex<Vec<Observed>>>,
    finished: broadcast::Sender<Arc<[Finished]>>,
}

/// Books that take everything but what is called `late`.
pub(super) fn agent() -> Agent {
    let (finished, _) = broadcast::channel(2);
    let observed = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&observed);
    let handle = InvocationHandle::new(finished.clone(), move |some: Vec<Observed>, reply| {
        let answer = |it: &Observed| if &*it.id == "late" { Err(Refusal::TooLate) } else { Ok(Taken::default()) };
        reply.send(some.iter().map(answer).collect()).expect("somebody waits");
        taken.lock().unwrap().extend(some);
        Ok(())
    });
    Agent { running: serve_with(&Books::new(), 4, handle), observed, finished }
}

async fn client(agent: &Agent) -> InvocationsClient<Channel> {
    InvocationsClient::connect(format!("http://{}", agent.running.address)).await.expect("it listens")
}

fn wall(offset_millis: i64) -> prost_types::Timestamp {
    let now = SystemTime::now();
    let span = Duration::from_millis(offset_millis.unsigned_abs());
    (if offset_millis < 0 { now - span } else { now + span }).into()
}

/// One that lasted 10 ms and has just ended, by a clock that is so far ahead.
fn invocation(id: &str, ahead: i64) -> pb::Invocation {
    pb::Invocation {
        id: id.into(),
        place: Some(pb::invocation::Place::ContainerId("aa".into())),
        start: Some(wall(ahead - 10)),
        end: Some(wall(ahead)),
        cpu_nanoseconds: None,
    }
}

fn request(invocations: Vec<pb::Invocation>, sent_ahead: Option<i64>) -> pb::ReportRequest {
    pb::ReportRequest { invocations, sent_at: sent_ahead.map(wall) }
}

#[tokio::test]
async fn what_is_reported_reaches_the_books_and_refusals_are_named() {
    let agent = agent();
    let messages = vec![
        request(vec![invocation("one", 0), invocation("late", 0)], None),
        request(vec![pb::Invocation { cpu_nanoseconds: Some(7_000_000), ..invocation("two", 0) }], None),
    ];
    let response = client(&agent).await.report(tokio_stream::iter(messages)).await.expect("an answer").into_inner();
    assert_eq!((response.accepted, response.refused, response.clock_offset_seconds.to_bits()), (2, 1, 0));
    assert_eq!(response.refusals[0].id, "late");
    assert!(response.refusals[0].reason.contains("invocation.lateness"));
    let observed = agent.observed.lock().unwrap();
    assert_eq!(
        (&*observed[0].id, &observed[0].place, observed[0].by),
        ("one", &Place::Container("aa".into()), By::Report)
    );
    let own: Vec<_> = observed.iter().filter(|it| it.on_cpu.is_some()).map(|it| (&*it.id, it.on_cpu)).collect();
    assert_eq!(own, [("two", Some(Nanoseconds(7_000_000)))]);
    assert!(Timestamp::now().since(observed[0].end) < Nanoseconds::SECOND);
    assert!(observed[0].end.since(observed[0].start).0.abs_diff(10_000_000) < 1_000_000);
}

#[tokio::test]
async fn the_clock_of_a_reporter_is_put_right() {
    let agent = agent();
    let messages: Vec<_> = (0..5).map(|_| request(vec![invocation("x", 700)], Some(700))).collect();
    let response = client(&agent).await.report(tokio_stream::iter(messages)).await.expect("an answer").into_inner();
    assert!((-0.7..0.0).contains(&response.clock_offset_seconds), "{}", response.clock_offset_seconds);
    let now = Timestamp::now();
    assert!(agent.observed.lock().unwrap().iter().all(|it| it.end <= now), "none ends in the future");
}

#[tokio::test]
async fn what_lacks_a_field_is_refused_by_name() {
    let agent = agent();
    for (broken, field) in [
        (pb::Invocation { end: None, ..invocation("x", 0) }, "invocations.end"),
        (pb::Invocation { place: None, ..invocation("x", 0) }, "invocations.place"),
        (invocation(&"x".repeat(129), 0), "invocations.id"),
    ] {
        let report = client(&agent).await.report(tokio_stream::iter([request(vec![broken], None)])).await;
        let status = report.expect_err("refused");
        assert!(status.code() == tonic::Code::InvalidArgument && status.message().starts_with(field), "{status}");
    }
}

fn finished(function: &str) -> Arc<[Finished]> {
    let function =
        Function { platform: Platform::OpenFaas, namespace: "fn".into(), name: function.into(), revision: "".into() };
    Arc::new([Finished {
        id: "7-9".into(),
        by: By::Process,
        function: Arc::new(function),
        container: Some("aa".into()),
        start: Timestamp(1),
        end: Timestamp(2),
        cpu_time: Nanoseconds(5),
        energy: vec![ZoneEnergy {
            zone: Zone { name: ZoneName::Package, socket: Some(1) },
            energy: Microjoules(42),
            idle: Microjoules::ZERO,
            sigma: 1.5,
            provenance: Provenance::Measured,
        }],
    }])
}

#[tokio::test]
async fn a_watch_tells_what_is_wanted_and_what_was_missed_and_ends_with_the_agent() {
    let agent = agent();
    let wanted = pb::WatchRequest { function: "hello".into(), namespace: String::new() };
    let mut stream = client(&agent).await.watch(wanted).await.expect("a stream").into_inner();
    for name in ["other", "hello"] {
        agent.finished.send(finished(name)).expect("somebody listens");
    }
    let message = stream.message().await.expect("a message").expect("not the end");
    let told = &message.invocations[0];
    assert_eq!((told.function.as_str(), told.seen_by(), told.cpu_nanoseconds), ("hello", pb::SeenBy::Process, 5));
    let energy = &told.energy[0];
    assert_eq!((energy.zone.as_str(), energy.socket, energy.microjoules), ("package", Some(1), 42));
    agent.running.shutdown.cancel();
    assert_eq!(stream.message().await.expect_err("the end").code(), tonic::Code::Unavailable);
}
