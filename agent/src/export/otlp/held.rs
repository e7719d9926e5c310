//! What waits: requests for the energy of their spans, then for their turn to be sent. They wait as bytes, which are a small
//! part of what the same request takes as spans.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rustc_hash::FxHashMap;

use crate::clock::Timestamp;
use crate::invocation::{Finished, Observed};

use super::attributes::add_energy;
use super::spans::Position;

/// Requests are put together up to so many bytes: what a collector takes in one is 4 MiB if nobody has told it otherwise.
const TOGETHER: usize = 1024 * 1024;

/// A request that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u64);

/// By what a finished invocation is known again: its id and times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Awaited(Arc<str>, Timestamp, Timestamp);

impl Awaited {
    /// Of an invocation that is reported.
    pub(super) fn of_observed(observed: &Observed) -> Self {
        Self(Arc::clone(&observed.id), observed.start, observed.end)
    }

    fn of_finished(finished: &Finished) -> Self {
        Self(Arc::clone(&finished.id), finished.start, finished.end)
    }
}

/// What waits, oldest first, bounded in bytes.
#[derive(Debug)]
pub(super) struct Waiting {
    most_bytes: usize,
    bytes: usize,
    next: u64,
    held: BTreeMap<Number, Held>,
    awaited: FxHashMap<Awaited, Vec<(Number, Position)>>,
    ready: VecDeque<Ready>,
}

#[derive(Debug)]
struct Held {
    ready: Ready,
    until: Instant,
    awaited: Vec<Awaited>,
    open: usize,
    /// What has become known.
    finished: Vec<(Position, Finished)>,
}

/// A request that can be sent.
#[derive(Debug)]
pub(super) struct Ready {
    encoded: Vec<u8>,
    spans: usize,
}

impl Ready {
    /// A request that waits for nothing.
    pub(super) fn new(request: &ExportTraceServiceRequest) -> Self {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        Self { encoded: request.encode_to_vec(), spans: scopes.map(|scope| scope.spans.len()).sum() }
    }

    /// The request.
    pub(super) fn request(&self) -> ExportTraceServiceRequest {
        // It was encoded here.
        ExportTraceServiceRequest::decode(&*self.encoded).unwrap_or_default()
    }

    /// How many spans it has.
    pub(super) fn spans(&self) -> usize {
        self.spans
    }
}

impl Waiting {
    /// At most `most_bytes` wait.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            next: 0,
            held: BTreeMap::new(),
            awaited: FxHashMap::default(),
            ready: VecDeque::new(),
        }
    }

    /// Takes in a request, which waits for the energy of `awaited` until then at most. How many spans had to give way.
    pub(super) fn hold(
        &mut self,
        request: &ExportTraceServiceRequest,
        awaited: Vec<(Awaited, Position)>,
        until: Instant,
    ) -> (Number, usize) {
        let number = Number(self.next);
        self.next += 1;
        if awaited.is_empty() {
            return (number, self.add(Ready::new(request)));
        }
        let ready = Ready::new(request);
        self.bytes += ready.encoded.len();
        let open = awaited.len();
        for (key, position) in &awaited {
            self.awaited.entry(key.clone()).or_default().push((number, *position));
        }
        let awaited = awaited.into_iter().map(|(key, _)| key).collect();
        self.held.insert(number, Held { ready, until, awaited, open, finished: Vec::new() });
        (number, self.make_room())
    }

    /// Takes in a request that waits for nothing. How many spans had to give way.
    pub(super) fn add(&mut self, ready: Ready) -> usize {
        self.bytes += ready.encoded.len();
        self.ready.push_back(ready);
        self.make_room()
    }

    /// The energy of these will not come.
    pub(super) fn give_up_on(&mut self, number: Number, refused: &[Awaited]) {
        for key in refused {
            let Some(places) = self.awaited.get_mut(key) else { continue };
            places.retain(|(waiting, _)| *waiting != number);
            if places.is_empty() {
                self.awaited.remove(key);
            }
            self.one_less(number);
        }
    }

    /// An invocation's energy is known. Whether it was waited for.
    pub(super) fn finished(&mut self, finished: &Finished) -> bool {
        let Some(places) = self.awaited.remove(&Awaited::of_finished(finished)) else { return false };
        for (number, position) in places {
            if let Some(held) = self.held.get_mut(&number) {
                held.finished.push((position, finished.clone()));
            }
            self.one_less(number);
        }
        true
    }

    /// Lets go of what has waited for long enough.
    pub(super) fn release(&mut self, now: Instant) {
        while let Some((&number, _)) = self.held.first_key_value().filter(|(_, held)| held.until <= now) {
            self.let_go(number);
        }
    }

    /// Lets go of everything.
    pub(super) fn release_all(&mut self) {
        while let Some((&number, _)) = self.held.first_key_value() {
            self.let_go(number);
        }
    }

    /// What is to be sent next.
    pub(super) fn next(&mut self) -> Option<Ready> {
        let mut first = self.ready.pop_front()?;
        while let Some(more) = self.ready.pop_front_if(|more| first.encoded.len() + more.encoded.len() <= TOGETHER) {
            // A message followed by another of its kind is one with the lists of both.
            first.encoded.extend(more.encoded);
            first.spans += more.spans;
        }
        self.bytes -= first.encoded.len();
        Some(first)
    }

    /// Puts back what could not be sent: it is the oldest. How many spans had to give way.
    pub(super) fn put_back(&mut self, ready: Ready) -> usize {
        self.bytes += ready.encoded.len();
        self.ready.push_front(ready);
        self.make_room()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn one_less(&mut self, number: Number) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.open = held.open.saturating_sub(1);
        if held.open == 0 {
            self.let_go(number);
        }
    }

    fn let_go(&mut self, number: Number) {
        let Some(Held { mut ready, finished, .. }) = self.take_out(number) else { return };
        if !finished.is_empty() {
            let mut request = ready.request();
            for (position, finished) in &finished {
                if let Some(span) = position.span_of(&mut request) {
                    add_energy(&mut span.attributes, finished);
                }
            }
            ready = Ready::new(&request);
        }
        self.bytes += ready.encoded.len();
        self.ready.push_back(ready);
    }

    fn take_out(&mut self, number: Number) -> Option<Held> {
        let held = self.held.remove(&number)?;
        self.bytes -= held.ready.encoded.len();
        for key in &held.awaited {
            if let Some(places) = self.awaited.get_mut(key) {
                places.retain(|(waiting, _)| *waiting != number);
                if places.is_empty() {
                    self.awaited.remove(key);
                }
            }
        }
        Some(held)
    }

    /// Drops the oldest until there is room: how many spans.
    fn make_room(&mut self) -> usize {
        let mut dropped = 0;
        while self.bytes > self.most_bytes {
            let oldest = self.ready.pop_front().inspect(|ready| self.bytes -= ready.encoded.len()).or_else(|| {
                let number = *self.held.first_key_value()?.0;
                Some(self.take_out(number)?.ready)
            });
            let Some(oldest) = oldest else { break };
            dropped += oldest.spans;
        }
        dropped
    }
}
