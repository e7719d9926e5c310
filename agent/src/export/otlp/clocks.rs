//! The clocks of who sends spans. Nothing says when a request was sent, but no span ends after that: where the latest ends
//! after it has arrived, the sender's clock is ahead. That one is behind cannot be told from spans that wait to be sent.

use std::net::IpAddr;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::export::reporter_clock::arrived;
use crate::invocation::ClockOffset;

/// How many senders are told apart.
const MOST: usize = 4_096;
/// How far ahead a clock may be, nanoseconds; what is beyond that is no clock but a wrong span.
const AHEAD: i64 = 1_000_000_000;

/// The clocks of all senders, by address and by what they say of themselves, as a digest.
#[derive(Debug, Default)]
pub(super) struct Clocks(FxHashMap<(Option<IpAddr>, [u8; 32]), ClockOffset>);

impl Clocks {
    /// What has to be added to the times of these spans, nanoseconds. They came from `sender` and have arrived `now`.
    pub(super) fn offset(&mut self, sender: Option<IpAddr>, spans: &ResourceSpans, now: i64) -> i64 {
        let ends = spans.scope_spans.iter().flat_map(|scope| &scope.spans).map(|span| span.end_time_unix_nano);
        let ends = ends.filter_map(|end| i64::try_from(end).ok());
        let latest = ends.filter(|end| end.saturating_sub(now) <= AHEAD).max().unwrap_or(now);
        let resource = spans.resource.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default();
        if self.0.len() >= MOST {
            self.0.clear();
        }
        arrived(self.0.entry((sender, Sha256::digest(&resource).into())).or_default(), latest.max(now), now)
    }
}
