//! The stage itself: readings and windows of activity in, windows of energy out.

use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::clock::Timestamp;
use crate::config::StaticPower;
use crate::notice::Notice;
use crate::source::{IdlePower, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Watts};

use super::drive::Drive;
use super::energy_window::EnergyWindow;
use super::limits::Limits;
use super::load::Loads;
use super::zone::{SourceFacts, ZoneFusion};

static OUT_OF_ORDER: Notice = Notice::new("activity_window_out_of_order");

/// Puts readings on windows of activity, each zone by itself.
///
/// It does not matter whether a window or a reading as of its end is given first. The same calls in the same order give
/// the same windows, bit for bit.
#[derive(Debug)]
pub struct Fusion {
    static_power: StaticPower,
    preference: Vec<SourceId>,
    idle_powers: Vec<IdlePower>,
    learns: bool,
    limits: Limits,
    zones: Vec<ZoneFusion>,
    loads: Loads,
    newest: Timestamp,
    out: Vec<EnergyWindow>,
}

/// What became of one zone's energy: `accepted = emitted + held`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneBooks {
    /// Which zone.
    pub zone: Zone,
    /// By which source it is measured now.
    pub source: SourceId,
    /// What the readings that were booked add up to: the sum of the counter's movements.
    pub accepted: Microjoules,
    /// What was handed out in windows.
    pub emitted: Microjoules,
    /// What waits until readings and activity cover a window to its end.
    pub held: Microjoules,
}

impl Fusion {
    /// A stage without any readings yet. Zones that `static_power` names (by their full name, as `package-0`, or for all
    /// sockets, as `package`) have that static power; for the others it is learned.
    pub fn new(static_power: &StaticPower, limits: Limits) -> Self {
        Self {
            static_power: static_power.clone(),
            preference: Vec::new(),
            idle_powers: Vec::new(),
            learns: false,
            limits,
            zones: Vec::new(),
            loads: Loads::default(),
            newest: Timestamp::default(),
            out: Vec::new(),
        }
    }

    /// The order in which sources of the same provenance are preferred where several measure one zone. Those that are
    /// not listed follow, in the order of their first reading.
    #[must_use]
    pub fn prefer(mut self, sources: Vec<SourceId>) -> Self {
        self.preference = sources;
        self
    }

    /// The static power of zones whose source knows it, which need not be learned then. What is configured goes first.
    #[must_use]
    pub fn knowing(mut self, idle_powers: Vec<IdlePower>) -> Self {
        self.idle_powers = idle_powers;
        self
    }

    /// Learns how the power of each zone follows from what runs, where a meter measures it.
    #[must_use]
    pub fn learn(mut self, learns: bool) -> Self {
        self.learns = learns;
        self
    }

    /// Takes a reading of any source.
    #[expect(clippy::needless_pass_by_value, reason = "readings go one way and end here")]
    pub fn reading(&mut self, reading: Reading) {
        let preference = self.preference.iter().position(|source| *source == reading.source).unwrap_or(usize::MAX);
        let place = self.zones.iter().position(|zone| *zone.zone() == reading.zone).unwrap_or_else(|| {
            self.zones.push(ZoneFusion::new(&reading, self.configured(&reading.zone)));
            self.zones.len() - 1
        });
        let idle_power = self.idle_powers.iter().find(|it| it.source == reading.source && it.zone == reading.zone);
        // A model of ours would only learn the model that it is fed with.
        let learns = self.learns && reading.provenance != Provenance::Estimated;
        let facts = SourceFacts { preference, idle_power: idle_power.map(|it| it.power), learns };
        self.zones[place].reading(&reading, facts, &self.limits, &mut self.out);
    }

    /// Takes a window of activity; they come in order.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "windows are handed over; each zone that waits keeps a reference"
    )]
    pub fn window(&mut self, window: Arc<ActivityWindow>) {
        if window.to <= self.newest || window.from >= window.to {
            OUT_OF_ORDER.warn("a window of activity came late or has no length; it is left out of the books");
            return;
        }
        self.newest = window.to;
        self.loads.measure(&window);
        let mut drives: Vec<(Option<u32>, Arc<Drive>)> = Vec::new();
        for zone in &mut self.zones {
            let socket = zone.zone().socket;
            if self.learns && drives.iter().all(|(of, _)| *of != socket) {
                drives.push((socket, Arc::new(Drive::of(&window, socket))));
            }
            let drive = drives.iter().find(|(of, _)| *of == socket).map(|(_, drive)| drive);
            zone.window(&window, (self.loads.of(socket), drive), &self.limits, &mut self.out);
        }
    }

    /// Appends the windows that have become complete to `out`, each zone's in order of time.
    pub fn drain(&mut self, out: &mut Vec<EnergyWindow>) {
        out.append(&mut self.out);
    }

    /// What became of each zone's energy, in the order of the zones' first readings.
    pub fn books(&self) -> impl Iterator<Item = ZoneBooks> {
        self.zones.iter().map(|zone| ZoneBooks {
            zone: zone.zone().clone(),
            source: zone.source().clone(),
            accepted: zone.accepted(),
            emitted: zone.emitted(),
            held: zone.held(),
        })
    }

    fn configured(&self, zone: &Zone) -> Option<Watts> {
        self.static_power.get(&zone.to_string()).or_else(|| self.static_power.get(&zone.name.to_string())).copied()
    }
}
