//! Carbon and cost, where factors for them are configured: what zones and functions have used since the last page, times what a
//! kilowatt-hour stood for meanwhile.

use std::collections::{BTreeMap, HashMap};

use crate::config::FootprintConfig;
use crate::footprint::{Factor, Share};
use crate::identity::FunctionId;
use crate::snapshot::Snapshot;
use crate::units::{Microjoules, Nanoseconds};

use super::exposition::{Exposition, Value};
use super::family::Family;
use super::invocations;
use super::table;
use super::zones::ZoneGroups;

const MICROJOULES_PER_KILOWATT_HOUR: f64 = 3.6e12;

/// What has been counted so far. It begins with the first page.
#[derive(Debug)]
pub(super) struct Footprint {
    figures: Vec<Figure>,
    seen: Option<Seen>,
}

/// Grams, or money.
#[derive(Debug)]
struct Figure {
    /// The name in the families of what could not be counted.
    name: &'static str,
    of_zones: &'static Family,
    of_functions: &'static Family,
    /// `currency`, for money.
    label: Option<String>,
    factor: Factor,
    zones: BTreeMap<String, f64>,
    functions: HashMap<(FunctionId, String), f64>,
    /// Microjoules for which there was no factor, by zone.
    uncounted: BTreeMap<String, f64>,
}

/// The books as of the last page.
#[derive(Debug)]
struct Seen {
    at: Nanoseconds,
    zones: BTreeMap<String, Microjoules>,
    functions: HashMap<(FunctionId, String), Microjoules>,
}

impl Footprint {
    /// By the configuration; `None` where it has no factor.
    pub(super) fn new(config: &FootprintConfig) -> Option<Self> {
        let figure = |name, of_zones, of_functions, label, factor| Figure {
            name,
            of_zones,
            of_functions,
            label,
            factor,
            zones: BTreeMap::new(),
            functions: HashMap::new(),
            uncounted: BTreeMap::new(),
        };
        let carbon = Factor::new(config.carbon, config.carbon_file.clone(), config.hold)
            .map(|factor| figure("co2e", &table::ZONE_CO2E, &table::FUNCTION_CO2E, None, factor));
        let currency = Some(config.currency.clone().unwrap_or_default());
        let cost = Factor::new(config.price, config.price_file.clone(), config.hold)
            .map(|factor| figure("cost", &table::ZONE_COST, &table::FUNCTION_COST, currency, factor));
        let figures: Vec<_> = carbon.into_iter().chain(cost).collect();
        (!figures.is_empty()).then_some(Self { figures, seen: None })
    }

    /// Counts what has been used since the last snapshot. What was used before the first, and by a zone that is new, is not
    /// counted: nobody knows when it was.
    pub(super) fn update(&mut self, snapshot: &Snapshot) {
        let now = Seen::of(snapshot);
        for figure in &mut self.figures {
            figure.take(self.seen.as_ref(), &now);
        }
        self.seen = Some(now);
    }

    /// Writes the families.
    pub(super) fn write(&self, page: &mut Exposition, snapshot: &Snapshot) {
        for figure in &self.figures {
            let label = figure.label.as_deref();
            let mut out = page.family(figure.of_zones);
            for (zone, value) in &figure.zones {
                out.fix(&[zone]);
                out.sample(label.as_slice(), Value::Float(*value));
            }
            let mut functions: Vec<_> = snapshot.functions.iter().collect();
            functions.sort_by_key(|line| &line.function);
            let mut out = page.family(figure.of_functions);
            for line in functions {
                out.fix(&invocations::labels(&line.function));
                for zone in figure.zones.keys() {
                    let Some(value) = figure.functions.get(&(line.id, zone.clone())) else { continue };
                    let labels: Vec<&str> = std::iter::once(zone.as_str()).chain(label).collect();
                    out.sample(&labels, Value::Float(*value));
                }
            }
        }
        let mut out = page.family(&table::FOOTPRINT_UNCOUNTED_JOULES);
        for figure in &self.figures {
            for (zone, microjoules) in &figure.uncounted {
                out.fix(&[figure.name]);
                out.sample(&[zone], Value::Float(microjoules / 1e6));
            }
        }
    }
}

impl Figure {
    fn take(&mut self, before: Option<&Seen>, now: &Seen) {
        let Share { mean, known } =
            before.map_or(Share { mean: 0.0, known: 1.0 }, |before| self.factor.over(before.at, now.at));
        let counted = |used: f64| used * known * mean / MICROJOULES_PER_KILOWATT_HOUR;
        for (zone, total) in &now.zones {
            let earlier = before.and_then(|before| before.zones.get(zone)).unwrap_or(total);
            let used = total.saturating_sub(*earlier).0 as f64;
            *self.zones.entry(zone.clone()).or_default() += counted(used);
            *self.uncounted.entry(zone.clone()).or_default() += used * (1.0 - known);
        }
        for (key, total) in &now.functions {
            let is_new = before.is_none_or(|before| !before.zones.contains_key(&key.1));
            let earlier = before.and_then(|before| before.functions.get(key)).copied();
            let earlier = earlier.unwrap_or(if is_new { *total } else { Microjoules::ZERO });
            *self.functions.entry(key.clone()).or_default() += counted(total.saturating_sub(earlier).0 as f64);
        }
        self.functions.retain(|key, _| now.functions.contains_key(key));
    }
}

impl Seen {
    fn of(snapshot: &Snapshot) -> Self {
        let groups = ZoneGroups::of(snapshot);
        let zones = groups.groups.iter().map(|group| {
            let measured = group.sockets.iter().map(|line| line.measured).sum();
            (group.label.to_string(), measured)
        });
        let mut functions = HashMap::new();
        let mut usage = Vec::new();
        for line in &snapshot.functions {
            groups.sum([&*line.energy], &mut usage);
            for (group, used) in groups.groups.iter().zip(&usage) {
                let Some(used) = used else { continue };
                let all = used.active + used.idle;
                functions.insert((line.id, group.label.to_string()), all);
            }
        }
        Self { at: snapshot.at_unix, zones: zones.collect(), functions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus::sample_books;

    fn footprint(hold: u64, file: Option<std::path::PathBuf>) -> Footprint {
        let config = FootprintConfig {
            carbon: file.is_none().then_some(360.0),
            carbon_file: file,
            price: Some(0.36),
            currency: Some("EUR".into()),
            hold: std::time::Duration::from_secs(hold),
            ..FootprintConfig::default()
        };
        Footprint::new(&config).unwrap()
    }

    /// The same books so many seconds later, with so much more used by each zone and function.
    fn later(books: &Snapshot, seconds: f64, joules: u64) -> Snapshot {
        let mut later = books.clone();
        later.at_unix += Nanoseconds::from_seconds(seconds);
        for zone in &mut later.zones {
            zone.measured += Microjoules(joules * 1_000_000);
        }
        for line in later.functions.iter_mut().flat_map(|function| &mut function.energy) {
            line.active += Microjoules(joules * 1_000_000);
        }
        later
    }

    /// All that functions are said to stand for.
    fn of_functions(figure: &Figure) -> f64 {
        figure.functions.values().sum()
    }

    #[test]
    fn what_was_used_since_the_last_page_is_counted() {
        let (mut footprint, books) = (footprint(0, None), sample_books::full());
        footprint.update(&books);
        assert!(footprint.figures[0].zones.values().all(|value| value.abs() < 1e-12), "what was before is not counted");
        let next = later(&books, 10.0, 10_000);
        footprint.update(&next);
        footprint.update(&next);
        // 10 kJ are a 360th of a kilowatt-hour.
        let [carbon, cost] = &footprint.figures[..] else { panic!("two figures") };
        assert!((carbon.zones["node"] - 1.0).abs() < 1e-9, "{:?}", carbon.zones);
        let lines = books.functions[0].energy.len() as f64;
        assert!((of_functions(carbon) - lines).abs() < 1e-9, "{:?}", carbon.functions);
        assert!((cost.zones["node"] - 0.001).abs() < 1e-12, "{:?}", cost.zones);
        assert!(carbon.uncounted.values().all(|joules| joules.abs() < 1e-12));
    }

    #[test]
    fn where_there_is_no_factor_there_is_no_figure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("carbon.csv");
        let books = sample_books::full();
        let begin = books.at_unix.seconds();
        std::fs::write(&path, format!("{begin},360\n")).unwrap();
        let mut footprint = footprint(5, Some(path));
        footprint.update(&books);
        footprint.update(&later(&books, 20.0, 10_000));
        let carbon = &footprint.figures[0];
        assert!((carbon.zones["node"] - 0.25).abs() < 1e-6, "{:?}", carbon.zones);
        assert!((carbon.uncounted["node"] - 7_500e6).abs() < 1e3, "{:?}", carbon.uncounted);
    }

    #[test]
    fn a_function_that_is_new_is_counted_whole_and_one_that_is_gone_is_left_out() {
        let (mut footprint, books) = (footprint(0, None), sample_books::full());
        let without = Snapshot { functions: Vec::new(), ..books.clone() };
        footprint.update(&without);
        footprint.update(&later(&books, 10.0, 10_000));
        let lines = books.functions[0].energy.len() as f64;
        assert!(of_functions(&footprint.figures[0]) > lines, "also what it had used before it had a line");
        footprint.update(&later(&without, 20.0, 20_000));
        assert!(footprint.figures[0].functions.is_empty());
    }
}
