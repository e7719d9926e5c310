//! Tells and counts what came from a meter.

use std::fmt::Display;
use std::io;

use metrics::{Counter, counter};

use crate::notice::Notice;
use crate::source::SourceId;
use crate::telemetry::{
    METER_DATAGRAMS, METER_LOST_SECONDS, METER_REBOOTS, METER_REPORTS_LOST, METER_REQUESTS, METER_SATURATED,
};
use crate::units::Nanoseconds;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It became a reading.
    Accepted,
    /// It was a copy of an earlier one.
    Duplicate,
    /// It was late, and a newer one had been accepted.
    Reordered,
    /// It fits nothing yet; more like it may show that the meter rebooted or that its counter was reset.
    Held,
    /// It is of another channel, device or subscription.
    Foreign,
    /// It is not a message of the protocol.
    Malformed,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Reordered => "reordered",
            Self::Held => "held",
            Self::Foreign => "foreign",
            Self::Malformed => "malformed",
        }
    }
}

/// The counters and notices of one meter.
#[derive(Debug)]
pub(crate) struct MeterTelemetry {
    source: SourceId,
    requests: Counter,
    reboots: Counter,
    lost_seconds: Counter,
    reports_lost: Counter,
    saturated: Counter,
    lost: Nanoseconds,
    on_malformed: Notice,
    on_foreign: Notice,
    on_reboot: Notice,
    on_reset: Notice,
    on_saturated: Notice,
    on_silence: Notice,
    on_unreachable: Notice,
    on_no_reading: Notice,
}

impl MeterTelemetry {
    pub(crate) fn new(source: SourceId) -> Self {
        let label = source.to_string();
        let telemetry = Self {
            source,
            requests: counter!(METER_REQUESTS.name, "source" => label.clone()),
            reboots: counter!(METER_REBOOTS.name, "source" => label.clone()),
            lost_seconds: counter!(METER_LOST_SECONDS.name, "source" => label.clone()),
            reports_lost: counter!(METER_REPORTS_LOST.name, "source" => label.clone()),
            saturated: counter!(METER_SATURATED.name, "source" => label),
            lost: Nanoseconds::ZERO,
            on_malformed: Notice::new("meter_malformed_datagram"),
            on_foreign: Notice::new("meter_foreign_datagram"),
            on_reboot: Notice::new("meter_reboot"),
            on_reset: Notice::new("meter_counter_reset"),
            on_saturated: Notice::new("meter_saturated"),
            on_silence: Notice::new("meter_silent"),
            on_unreachable: Notice::new("meter_unreachable"),
            on_no_reading: Notice::new("meter_channel_without_reading"),
        };
        telemetry.reboots.increment(0);
        telemetry.lost_seconds.increment(0);
        telemetry
    }

    pub(crate) fn datagram(&self, outcome: Outcome) {
        counter!(METER_DATAGRAMS.name, "source" => self.source.to_string(), "outcome" => outcome.label()).increment(1);
    }

    pub(crate) fn malformed(&self, why: impl Display) {
        self.on_malformed.warn(format_args!("{}: a datagram was dropped: {why}", self.source));
    }

    pub(crate) fn foreign(&self, hint: impl Display) {
        self.on_foreign
            .warn(format_args!("{}: a datagram that is not of this meter's stream was dropped: {hint}", self.source));
    }

    pub(crate) fn rebooted(&mut self, lost: Nanoseconds) {
        self.reboots.increment(1);
        self.add_lost(lost);
        self.on_reboot.warn(format_args!(
            "{}: the meter rebooted; what was used in the {:.1} s before it counted again is lost. \
             If this happens often, look at the meter's power supply",
            self.source,
            lost.seconds()
        ));
    }

    pub(crate) fn counter_reset(&mut self, lost: Nanoseconds) {
        self.add_lost(lost);
        self.on_reset.warn(format_args!(
            "{}: the meter's counter jumped without a reboot, and {:.1} s are lost; counting goes on from its new \
             value. A meter that answers with the wrong channel needs to be restarted",
            self.source,
            lost.seconds()
        ));
    }

    pub(crate) fn saturated(&self) {
        self.saturated.increment(1);
        self.on_saturated.warn(format_args!(
            "{}: the meter is at full scale, and the true energy is larger than it says: give it a smaller shunt",
            self.source
        ));
    }

    pub(crate) fn reports_lost(&self, reports: u64) {
        self.reports_lost.increment(reports);
    }

    pub(crate) fn requested(&self) {
        self.requests.increment(1);
    }

    pub(crate) fn silent(&self, since: Nanoseconds) {
        self.on_silence.warn(format_args!(
            "{}: nothing heard from the meter for {:.0} s, asking again: check its address, port and channel, and that \
             UDP is let through",
            self.source,
            since.seconds()
        ));
    }

    /// Tells of an error of the meter's socket; gives it back where the socket has to be opened anew. A host that answers
    /// that nobody listens (a meter that is starting, perhaps) leaves the socket as good as it was.
    pub(crate) fn outlive(&self, error: io::Error) -> io::Result<()> {
        if error.kind() != io::ErrorKind::ConnectionRefused {
            return Err(error);
        }
        self.unreachable(error);
        Ok(())
    }

    pub(crate) fn unreachable(&self, error: impl Display) {
        self.on_unreachable.warn(format_args!("{}: cannot reach the meter, trying again: {error}", self.source));
    }

    pub(crate) fn no_reading(&self, why: impl Display) {
        self.on_no_reading.warn(format_args!("{}: {why}", self.source));
    }

    fn add_lost(&mut self, lost: Nanoseconds) {
        self.lost += lost;
        self.lost_seconds.absolute(self.lost.seconds().round() as u64);
    }
}
