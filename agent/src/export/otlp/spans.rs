//! Which spans of a request are invocations.

use std::fmt;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rustc_hash::FxHashMap;

use crate::invocation::{Place, Refusal};
use crate::units::Nanoseconds;

use super::attributes::{CPU_SECONDS, number, text};

/// How long an invocation's id may be, and the names of its place, in bytes.
const LONGEST_ID: usize = 128;
const LONGEST_NAME: usize = 512;
/// The most CPU time that an invocation can have used, seconds: a day on each of 10,000 CPUs.
const LONGEST_CPU_SECONDS: f64 = 86_400.0 * 1e4;
/// How many spans up an enclosing invocation is looked for: calls nest no deeper, and a ring of parents has an end.
const DEEPEST: usize = 64;

/// A span: its trace's id and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpanId {
    trace: [u8; 16],
    span: [u8; 8],
}

impl SpanId {
    fn new(trace: &[u8], span: &[u8]) -> Option<Self> {
        let id = Self { trace: trace.try_into().ok()?, span: span.try_into().ok()? };
        (id.trace != [0; 16] && id.span != [0; 8]).then_some(id)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}-{:016x}", u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span))
    }
}

/// Where in a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) resource: usize,
    pub(super) scope: usize,
    pub(super) span: usize,
}

impl Position {
    /// The span there.
    pub(super) fn span_of(self, request: &mut ExportTraceServiceRequest) -> Option<&mut Span> {
        request.resource_spans.get_mut(self.resource)?.scope_spans.get_mut(self.scope)?.spans.get_mut(self.span)
    }
}

/// Takes spans out of a request. `gone` is in order; `kept` are positions of others in it, which are moved up accordingly.
pub(super) fn remove<'a>(
    request: &mut ExportTraceServiceRequest,
    gone: &[Position],
    kept: impl Iterator<Item = &'a mut Position>,
) {
    for position in kept {
        let first_of_scope = Position { span: 0, ..*position };
        let before = |end: Position| gone.partition_point(|it| *it < end);
        position.span -= before(*position) - before(first_of_scope);
    }
    for of_scope in gone.chunk_by(|one, other| (one.resource, one.scope) == (other.resource, other.scope)) {
        let Position { resource, scope, .. } = of_scope[0];
        let mut index = 0..;
        request.resource_spans[resource].scope_spans[scope].spans.retain(|_| {
            let index = index.next();
            of_scope.binary_search_by_key(&index, |it| Some(it.span)).is_err()
        });
    }
}

/// A span that is an invocation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) position: Position,
    /// What it says of itself, or why it cannot be taken.
    pub(super) told: Result<Told, Refusal>,
}

/// What a span says of an invocation. Times are nanoseconds since the Unix epoch, by the sender's clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) id: Arc<str>,
    pub(super) place: Place,
    pub(super) start: i64,
    pub(super) end: i64,
    /// CPU time that it says it has used.
    pub(super) on_cpu: Option<Nanoseconds>,
}

/// The invocations among the spans of a request: those that serve something, or say that they are one, and tell where they
/// ran. Of spans within each other in one trace and place the outermost counts.
pub(super) fn invocations(request: &ExportTraceServiceRequest) -> Vec<Found> {
    let mut found = Vec::new();
    let mut parents: FxHashMap<SpanId, Option<SpanId>> = FxHashMap::default();
    for (resource, resource_spans) in request.resource_spans.iter().enumerate() {
        let shared = resource_spans.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        for (scope, scope_spans) in resource_spans.scope_spans.iter().enumerate() {
            for (index, span) in scope_spans.spans.iter().enumerate() {
                if let Some(id) = SpanId::new(&span.trace_id, &span.span_id) {
                    parents.insert(id, SpanId::new(&span.trace_id, &span.parent_span_id));
                }
                let told = invocation(span, shared);
                found.extend(told.map(|told| Found { position: Position { resource, scope, span: index }, told }));
            }
        }
    }
    let mut places: FxHashMap<SpanId, Place> = FxHashMap::default();
    for told in found.iter().filter_map(|found| found.told.as_ref().ok()) {
        places.insert(told.span, told.place.clone());
    }
    let is_within_another = |told: &Told| {
        let above = std::iter::successors(told.parent, |span| parents.get(span).copied().flatten());
        above.take(DEEPEST).any(|span| span != told.span && places.get(&span) == Some(&told.place))
    };
    found.retain(|found| !found.told.as_ref().is_ok_and(is_within_another));
    found
}

fn invocation(span: &Span, shared: &[KeyValue]) -> Option<Result<Told, Refusal>> {
    let attribute = |key: &str| text(&span.attributes, key).or_else(|| text(shared, key));
    let own_id = attribute("faas.invocation_id").or_else(|| attribute("faas.execution"));
    let serves = [SpanKind::Server, SpanKind::Consumer].map(|kind| kind as i32).contains(&span.kind);
    if !serves && own_id.is_none() {
        return None;
    }
    let place = place(attribute)?;
    Some(told(span, own_id, place))
}

fn told(span: &Span, own_id: Option<&str>, place: Place) -> Result<Told, Refusal> {
    let id = SpanId::new(&span.trace_id, &span.span_id).ok_or(Refusal::Malformed)?;
    if own_id.is_some_and(|id| id.len() > LONGEST_ID) || longest_name(&place) > LONGEST_NAME {
        return Err(Refusal::Malformed);
    }
    if span.start_time_unix_nano == 0 || span.end_time_unix_nano == 0 {
        return Err(Refusal::OpenEnded);
    }
    let name = own_id.map_or_else(|| id.to_string(), str::to_owned);
    Ok(Told {
        span: id,
        parent: SpanId::new(&span.trace_id, &span.parent_span_id),
        id: name.into(),
        place,
        start: nanoseconds(span.start_time_unix_nano),
        end: nanoseconds(span.end_time_unix_nano),
        on_cpu: match number(&span.attributes, CPU_SECONDS) {
            None => None,
            Some(seconds) if (0.0..=LONGEST_CPU_SECONDS).contains(&seconds) => {
                Some(Nanoseconds((seconds * 1e9).round() as u64))
            }
            Some(_) => return Err(Refusal::Impossible),
        },
    })
}

fn place<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Option<Place> {
    if let Some(id) = attribute("container.id") {
        return Some(Place::Container(id.into()));
    }
    if let Some(uid) = attribute("k8s.pod.uid") {
        return Some(Place::Pod(uid.into()));
    }
    let name = attribute("faas.name")?;
    Some(Place::Function { name: name.into(), namespace: attribute("k8s.namespace.name").map(Into::into) })
}

fn longest_name(place: &Place) -> usize {
    match place {
        Place::Container(name) | Place::Pod(name) => name.len(),
        Place::Function { name, namespace } => name.len().max(namespace.as_ref().map_or(0, |name| name.len())),
        Place::Process(..) => 0,
    }
}

fn nanoseconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}
