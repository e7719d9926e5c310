//! Traces as OpenTelemetry's SDKs send them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceService as _;
use prony::export::otlp::TraceReceiver;
use prony::invocation::{InvocationHandle, Refusal, Taken};
use prost::Message as _;
use tokio::sync::broadcast;

/// A request, sent twice to one receiver. What is told of spans that were refused is no more than there are spans.
pub(super) fn spans(data: &[u8]) {
    let Ok(request) = ExportTraceServiceRequest::decode(data) else { return };
    let spans = request.resource_spans.iter().flat_map(|it| &it.scope_spans).map(|it| it.spans.len()).sum::<usize>();
    let invocations = InvocationHandle::new(broadcast::channel(1).0, |observed, reply| {
        // Whether they can have been is for the books to say.
        assert!(observed.iter().all(|it| !it.id.is_empty()), "{observed:?}");
        let answer = |(index, _)| if index % 2 == 0 { Ok(Taken { offset: None }) } else { Err(Refusal::TooLate) };
        // The receiver waits for it.
        let _ = reply.send(observed.iter().enumerate().map(answer).collect());
        Ok(())
    });
    let receiver = TraceReceiver::new(invocations, None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..2 {
        let answer = runtime.block_on(receiver.export(tonic::Request::new(request.clone())));
        let answer = answer.expect("the books are there").into_inner();
        let refused = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        assert!(usize::try_from(refused).is_ok_and(|refused| refused <= spans), "{refused} of {spans} refused");
    }
}
