//! Spans of invocations that nobody but the kernel has seen.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use rand::Rng as _;

use crate::clock::WallAnchor;
use crate::invocation::Finished;

use super::attributes::{add_energy, with_text};

/// One span for each, in traces of their own.
pub(super) fn spans_of(finished: &[&Finished], anchor: WallAnchor) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans: finished.iter().map(|it| resource_spans(it, anchor)).collect() }
}

fn resource_spans(finished: &Finished, anchor: WallAnchor) -> ResourceSpans {
    let mut resource = vec![with_text("faas.name", &finished.function.name)];
    if !finished.function.namespace.is_empty() {
        resource.push(with_text("k8s.namespace.name", &finished.function.namespace));
    }
    resource.extend(finished.container.as_deref().map(|id| with_text("container.id", id)));
    let mut attributes = vec![with_text("faas.invocation_id", &finished.id)];
    add_energy(&mut attributes, finished);
    let mut random = rand::rng();
    let span = Span {
        trace_id: random.random::<[u8; 16]>().to_vec(),
        span_id: random.random::<[u8; 8]>().to_vec(),
        name: finished.function.name.to_string(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: anchor.unix(finished.start).0,
        end_time_unix_nano: anchor.unix(finished.end).0,
        attributes,
        ..Span::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}
