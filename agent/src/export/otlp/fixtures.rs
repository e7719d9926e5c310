//! Spans for tests.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::attributes::with_text;

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, text)| with_text(key, text)).collect()
}

fn id(number: u64) -> Vec<u8> {
    if number == 0 { Vec::new() } else { number.to_be_bytes().to_vec() }
}

/// A server's span of 10 ms that ends at `end`; `parent` 0 is none.
pub(in crate::export) fn span(number: u64, parent: u64, end: u64, pairs: &[(&str, &str)]) -> Span {
    Span {
        trace_id: vec![0xab; 16],
        span_id: id(number),
        parent_span_id: id(parent),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: end - 10_000_000,
        end_time_unix_nano: end,
        attributes: attributes(pairs),
        ..Span::default()
    }
}

/// Spans of one resource.
pub(in crate::export) fn request(resource: &[(&str, &str)], spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource { attributes: attributes(resource), ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let spans = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }
}
