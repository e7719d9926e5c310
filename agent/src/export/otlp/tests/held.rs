//! What waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::clock::Timestamp;
use crate::export::otlp::fixtures::{request, span};
use crate::export::otlp::held::{Awaited, Ready, Waiting};
use crate::export::otlp::spans::Position;
use crate::identity::{Function, Platform};
use crate::invocation::{By, Finished, Observed, Place, ZoneEnergy};
use crate::source::{Provenance, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds};

const END: u64 = 1_700_000_000_000_000_000;

/// An invocation of a function that used 42 uJ on one socket and 58 uJ on the other.
pub(super) fn finished(id: &Arc<str>, start: Timestamp, end: Timestamp) -> Finished {
    let function =
        Function { platform: Platform::OpenFaas, namespace: "fn".into(), name: "hello".into(), revision: "".into() };
    let zone = |socket, energy, provenance| ZoneEnergy {
        zone: Zone { name: ZoneName::Package, socket: Some(socket) },
        energy: Microjoules(energy),
        idle: Microjoules::ZERO,
        sigma: 2.0,
        provenance,
    };
    Finished {
        id: Arc::clone(id),
        by: By::Report,
        function: Arc::new(function),
        container: Some("aa".into()),
        start,
        end,
        cpu_time: Nanoseconds(5_000_000),
        energy: vec![zone(0, 42, Provenance::Measured), zone(1, 58, Provenance::Estimated)],
    }
}

/// The text or number of an attribute.
pub(super) fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::DoubleValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn first_span(ready: &Ready) -> Span {
    ready.request().resource_spans[0].scope_spans[0].spans[0].clone()
}

fn awaited(id: &str, index: usize) -> (Awaited, Position) {
    let observed = Observed {
        id: id.into(),
        place: Place::Container("aa".into()),
        by: By::Report,
        start: Timestamp(1),
        end: Timestamp(2),
        on_cpu: None,
        reporter: None,
    };
    (Awaited::of_observed(&observed), Position { resource: 0, scope: 0, span: index })
}

fn done(id: &str) -> Finished {
    finished(&id.into(), Timestamp(1), Timestamp(2))
}

#[test]
fn a_request_waits_until_the_energy_of_all_its_spans_is_known() {
    let mut waiting = Waiting::new(1 << 20);
    let forged = [("prony.energy.package.joules", "1"), ("kept", "as it was")];
    let spans = vec![span(1, 0, END, &forged), span(2, 0, END, &[])];
    let (number, dropped) = waiting.hold(&request(&[], spans), vec![awaited("a", 0), awaited("b", 1)], Instant::now());
    assert_eq!(dropped, 0);
    assert!(waiting.finished(&done("a")) && !waiting.finished(&done("c")));
    assert!(waiting.next().is_none(), "b is not known");
    waiting.give_up_on(number, &[awaited("b", 1).0]);
    let ready = waiting.next().expect("nothing is left to wait for");
    let expected = [
        ("kept", "as it was"),
        ("prony.cpu.seconds", "0.005"),
        ("prony.energy.package.joules", "0.0001"),
        ("prony.energy.package.uncertainty_joules", "0.000004"),
        ("prony.energy.package.provenance", "estimated"),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(&first_span(&ready), key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(first_span(&ready).attributes.len(), expected.len());
    assert_eq!((ready.spans(), waiting.bytes()), (2, 0));
}

#[test]
fn what_does_not_come_in_time_is_not_waited_for() {
    let mut waiting = Waiting::new(1 << 20);
    let now = Instant::now();
    let original = request(&[], vec![span(1, 0, END, &[])]);
    waiting.hold(&original, vec![awaited("a", 0)], now + Duration::from_secs(1));
    waiting.release(now);
    assert!(waiting.next().is_none());
    waiting.release(now + Duration::from_secs(1));
    assert_eq!(waiting.next().expect("time is up").request(), original, "unchanged");
    assert!(!waiting.finished(&done("a")), "nobody waits any more");
    assert_eq!(waiting.bytes(), 0);
}

#[test]
fn the_oldest_gives_way_and_what_was_put_back_is_the_oldest() {
    let one = |number| request(&[], vec![span(number, 0, END, &[])]);
    let size = one(1).encoded_len();
    let mut waiting = Waiting::new(2 * size);
    assert_eq!(waiting.add(Ready::new(&one(1))), 0);
    assert_eq!(waiting.hold(&one(2), vec![awaited("a", 0)], Instant::now()).1, 0);
    assert_eq!(waiting.add(Ready::new(&one(3))), 1, "the first has to go");
    let third = waiting.next().expect("it is there");
    assert_eq!(first_span(&third).span_id[7], 3);
    assert_eq!(waiting.add(Ready::new(&one(4))), 0);
    assert_eq!(waiting.put_back(third), 1, "it is older than all that can be sent");
    assert_eq!(waiting.add(Ready::new(&one(5))) + waiting.add(Ready::new(&one(6))), 2, "then the fourth, the fifth");
    waiting.release_all();
    let rest = waiting.next().expect("two are left");
    assert_eq!((rest.spans(), waiting.bytes()), (2, 0), "they go together");
}
