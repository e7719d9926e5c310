//! Which spans are invocations.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::export::otlp::fixtures::{request, span};
use crate::export::otlp::spans::{Found, invocations, remove};
use crate::invocation::{Place, Refusal};
use crate::units::Nanoseconds;

const END: u64 = 1_700_000_000_000_000_000;

fn found(resource: &[(&str, &str)], spans: Vec<Span>) -> Vec<Found> {
    invocations(&request(resource, spans))
}

fn ids(found: &[Found]) -> Vec<String> {
    found.iter().filter_map(|it| Some(it.told.as_ref().ok()?.id.to_string())).collect()
}

fn of_kind(kind: SpanKind, span: Span) -> Span {
    Span { kind: kind as i32, ..span }
}

#[test]
fn spans_that_serve_and_say_where_are_invocations() {
    let spans = vec![
        span(1, 0, END, &[]),
        span(2, 1, END, &[]),
        of_kind(SpanKind::Client, span(3, 1, END, &[])),
        of_kind(SpanKind::Consumer, span(4, 9, END, &[("container.id", "cc")])),
        of_kind(SpanKind::Internal, span(5, 0, END, &[("faas.invocation_id", "mine")])),
        of_kind(SpanKind::Internal, span(6, 0, END, &[("faas.execution", "old")])),
    ];
    let found = found(&[("faas.name", "hello"), ("k8s.namespace.name", "fn")], spans);
    let trace = "ab".repeat(16);
    let numbered = |number: u64| format!("{trace}-{number:016x}");
    assert_eq!(ids(&found), [numbered(1), numbered(4), "mine".into(), "old".into()]);
    let places: Vec<_> = found.iter().map(|it| it.told.as_ref().expect("good").place.clone()).collect();
    let function = Place::Function { name: "hello".into(), namespace: Some("fn".into()) };
    assert_eq!((&places[0], &places[1]), (&function, &Place::Container("cc".into())));
}

#[test]
fn a_span_may_tell_its_cpu_time() {
    let with_cpu = |value: Option<any_value::Value>| {
        let attribute =
            KeyValue { key: "prony.cpu.seconds".into(), value: Some(AnyValue { value }), ..KeyValue::default() };
        let told = span(1, 0, END, &[("container.id", "c")]);
        let attributes = told.attributes.iter().cloned().chain([attribute]).collect();
        found(&[], vec![Span { attributes, ..told }])[0].told.clone().map(|told| told.on_cpu)
    };
    let milliseconds = |number: u64| Ok(Some(Nanoseconds(number * 1_000_000)));
    assert_eq!(with_cpu(Some(any_value::Value::DoubleValue(0.004))), milliseconds(4));
    assert_eq!(with_cpu(Some(any_value::Value::IntValue(2))), milliseconds(2_000));
    assert_eq!(with_cpu(Some(any_value::Value::StringValue("4".into()))), Ok(None));
    for impossible in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(with_cpu(Some(any_value::Value::DoubleValue(impossible))), Err(Refusal::Impossible));
    }
}

#[test]
fn the_most_exact_place_counts_and_the_span_goes_before_the_resource() {
    for (resource, own, place) in [
        (&[("faas.name", "f"), ("k8s.pod.uid", "u")][..], &[][..], Place::Pod("u".into())),
        (&[("k8s.pod.uid", "u"), ("container.id", "c")], &[], Place::Container("c".into())),
        (&[("container.id", "c")], &[("container.id", "own")], Place::Container("own".into())),
        (&[("container.id", "")], &[("faas.name", "f")], Place::Function { name: "f".into(), namespace: None }),
    ] {
        let found = found(resource, vec![span(1, 0, END, own)]);
        assert_eq!(found[0].told.as_ref().expect("good").place, place);
    }
    assert!(found(&[("service.name", "shop")], vec![span(1, 0, END, &[])]).is_empty(), "of nothing known");
}

#[test]
fn of_spans_within_each_other_the_outermost_counts() {
    let inside = of_kind(SpanKind::Internal, span(2, 1, END, &[]));
    let function = [("faas.name", "f")];
    let nested = vec![span(3, 2, END, &[]), inside, span(1, 0, END, &[])];
    assert_eq!(ids(&found(&function, nested)).len(), 1, "whatever lies between, and in any order");
    let called = vec![span(1, 0, END, &[]), span(2, 1, END, &[("faas.name", "other")])];
    assert_eq!(ids(&found(&function, called)).len(), 2, "another function is another invocation");
    let ring = vec![span(1, 2, END, &[]), span(2, 1, END, &[]), span(3, 3, END, &[])];
    assert!(found(&function, ring).len() <= 3, "nonsense has an end");
}

#[test]
fn what_cannot_be_one_is_refused_with_the_reason() {
    let good = || span(1, 0, END, &[]);
    let long_id = "x".repeat(129);
    let long_name = "x".repeat(64 * 1024);
    for (broken, refusal) in [
        (Span { end_time_unix_nano: 0, ..good() }, Refusal::OpenEnded),
        (Span { start_time_unix_nano: 0, ..good() }, Refusal::OpenEnded),
        (Span { trace_id: vec![1; 3], ..good() }, Refusal::Malformed),
        (Span { span_id: Vec::new(), ..good() }, Refusal::Malformed),
        (span(1, 0, END, &[("faas.invocation_id", &long_id)]), Refusal::Malformed),
        (span(1, 0, END, &[("container.id", &long_name)]), Refusal::Malformed),
    ] {
        let found = found(&[("faas.name", "f")], vec![broken]);
        assert_eq!(found[0].told, Err(refusal));
    }
    let far = Span { end_time_unix_nano: u64::MAX, ..good() };
    assert_eq!(found(&[("faas.name", "f")], vec![far])[0].told.as_ref().expect("for the books to judge").end, i64::MAX);
}

#[test]
fn what_is_taken_out_moves_up_the_others() {
    let mut request = request(&[("faas.name", "f")], (1..=5).map(|number| span(number, 0, END, &[])).collect());
    let mut positions: Vec<_> = invocations(&request).into_iter().map(|it| it.position).collect();
    let gone = [positions.remove(3), positions.remove(1)];
    let gone = [gone[1], gone[0]];
    remove(&mut request, &gone, positions.iter_mut());
    let left: Vec<u8> = positions.iter().map(|it| it.span_of(&mut request).expect("there").span_id[7]).collect();
    assert_eq!(left, [1, 3, 5]);
}
