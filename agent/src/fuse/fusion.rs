//! The stage itself: readings and windows of activity in, windows of energy out.

use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::clock::Timestamp;
use crate::config::StaticPower;
use crate::notice::Notice;
use crate::profile::Profile;
use crate::source::{IdlePower, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Watts};

use super::drive::Drive;
use super::energy_window::EnergyWindow;
use super::learnt::MeterLearnt;
use super::limits::Limits;
use super::load::Loads;
use super::meter_state::MeterState;
use super::packages::Packages;
use super::position::MeterPosition;
use super::work::Work;
use super::zone::ZoneFusion;
use super::zone_source::SourceFacts;

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
    remembered: Profile,
    /// What sources had shown to an earlier agent, until they are heard of.
    learnt_before: Vec<MeterLearnt>,
    hands_out_models: bool,
    limits: Limits,
    zones: Vec<ZoneFusion>,
    packages: Packages,
    loads: Loads,
    newest: Timestamp,
    /// What drives a zone of which nothing is learned.
    nothing: Arc<Drive>,
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
            remembered: Profile::default(),
            learnt_before: Vec::new(),
            hands_out_models: false,
            limits,
            zones: Vec::new(),
            packages: Packages::default(),
            loads: Loads::default(),
            newest: Timestamp::default(),
            nothing: Arc::default(),
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

    /// The same for sources that are new from now on.
    pub fn know(&mut self, idle_powers: Vec<IdlePower>) {
        self.idle_powers = idle_powers;
    }

    /// The static power that an earlier agent had learned: where it is neither configured nor known by the source, learning
    /// begins with it.
    #[must_use]
    pub fn remembering(mut self, profile: Profile) -> Self {
        self.remembered = profile;
        self
    }

    /// Whether what is learned of a zone's power goes with its windows, for attribution by it.
    #[must_use]
    pub fn hand_out_models(mut self, hands_out: bool) -> Self {
        self.hands_out_models = hands_out;
        self
    }

    /// Goes on with what meters had shown to an earlier agent, and from where its books of each end. Windows of activity that
    /// have waited there are to be given next.
    #[must_use]
    pub fn resuming(mut self, positions: &[MeterPosition], learnt: Vec<MeterLearnt>) -> Self {
        self.learnt_before = learnt;
        for position in positions {
            self.reading(position.reading());
            if let Some(zone) = self.zones.iter_mut().find(|zone| *zone.zone() == position.zone) {
                zone.resume(position);
            }
        }
        self
    }

    /// What each meter has shown.
    pub fn learnt(&self) -> impl Iterator<Item = MeterLearnt> {
        self.zones.iter().flat_map(ZoneFusion::learnt)
    }

    /// Up to where each meter is booked that goes on counting while no agent runs.
    pub fn positions(&self) -> impl Iterator<Item = MeterPosition> {
        self.zones.iter().filter_map(ZoneFusion::position)
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
        let measures = reading.provenance != Provenance::Estimated;
        let remembered = self.remembered.static_power(&reading.zone, &reading.source);
        let facts = SourceFacts { preference, idle_power: idle_power.map(|it| it.power), remembered, measures };
        let before = self.out.len();
        self.zones[place].reading(&reading, facts, &self.limits, &self.packages, &mut self.out);
        let known = |it: &MeterLearnt| it.zone == reading.zone && it.source == reading.source;
        if let Some(index) = self.learnt_before.iter().position(known) {
            self.zones[place].resume_learnt(self.learnt_before.swap_remove(index));
        }
        if self.out.len() > before {
            self.record_packages(before);
            for zone in &mut self.zones {
                zone.book(&self.packages, &mut self.out);
            }
        }
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
        // The whole machine is held against its packages.
        for are_packages in [true, false] {
            for place in 0..self.zones.len() {
                let zone = &mut self.zones[place];
                if Packages::are(zone.zone()) != are_packages {
                    continue;
                }
                let socket = zone.zone().socket;
                let (load, before) = (self.loads.of(socket), self.out.len());
                let drive = match drives.iter().find(|(of, _)| *of == socket) {
                    // Nothing is learned from an estimate.
                    _ if !zone.is_measured() => Arc::clone(&self.nothing),
                    Some((_, drive)) => Arc::clone(drive),
                    None => {
                        let drive = Arc::new(Drive::of(&Work::of(&window, socket)));
                        drives.push((socket, Arc::clone(&drive)));
                        drive
                    }
                };
                zone.window(&window, (load, &drive), &self.limits, &self.packages, &mut self.out);
                self.record_packages(before);
            }
        }
    }

    fn record_packages(&mut self, from: usize) {
        for window in self.out[from..].iter().filter(|window| Packages::are(&window.zone)) {
            self.packages.record(window);
        }
    }

    /// Appends the windows that have become complete to `out`, each zone's in order of time.
    pub fn drain(&mut self, out: &mut Vec<EnergyWindow>) {
        let hands_out = self.hands_out_models;
        out.extend(
            self.out.drain(..).map(|window| EnergyWindow { model: window.model.filter(|_| hands_out), ..window }),
        );
    }

    /// What is known of the meters of each zone.
    pub fn meters(&self) -> impl Iterator<Item = MeterState> {
        self.zones.iter().flat_map(ZoneFusion::meters)
    }

    /// The static power that was learned on an idle machine, by zone and source: what is worth remembering.
    pub fn learned(&self) -> impl Iterator<Item = IdlePower> {
        self.zones.iter().flat_map(ZoneFusion::learned)
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
