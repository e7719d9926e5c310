//! The spans that were taken lately, so that what is sent again is not counted again.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::invocation::Place;

use super::spans::SpanId;

/// How many are remembered: as many as may wait to be settled.
const MOST: usize = 65_536;

/// Spans that were taken lately.
#[derive(Debug, Default)]
pub(super) struct Recent {
    places: FxHashMap<SpanId, Place>,
    order: VecDeque<SpanId>,
}

impl Recent {
    /// Remembers a span; `false` where it is known already.
    pub(super) fn remember(&mut self, span: SpanId, place: &Place) -> bool {
        if self.places.contains_key(&span) {
            return false;
        }
        while self.order.len() >= MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.places.remove(&oldest);
            }
        }
        self.places.insert(span, place.clone());
        self.order.push_back(span);
        true
    }

    /// Forgets a span that was not taken after all: it may come again.
    pub(super) fn forget(&mut self, span: SpanId) {
        // Its turn in the order stays, which at worst makes the span be forgotten a little early once it is known again.
        self.places.remove(&span);
    }

    /// Whether a span of this place is known.
    pub(super) fn has(&self, span: SpanId, place: &Place) -> bool {
        self.places.get(&span) == Some(place)
    }
}
