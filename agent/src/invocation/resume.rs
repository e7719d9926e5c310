//! Writing down what functions have used their energy for, and going on with what an earlier agent has written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::{Function, Names};
use crate::source::{Provenance, Zone};
use crate::units::Microjoules;

use super::book::InvocationBook;
use super::totals::{FunctionTotals, Phase};

/// The totals of all functions, or of those that have changed since others were written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TotalsRecord {
    zones: Vec<(Zone, Provenance)>,
    functions: BTreeMap<Function, FunctionTotals>,
}

impl TotalsRecord {
    /// Takes over what has changed since.
    pub fn follow(&mut self, mut later: Self) {
        self.functions.append(&mut later.functions);
        self.zones = later.zones;
    }
}

impl InvocationBook {
    /// The totals that have changed since this was asked last, or `whole`, all of them.
    pub fn written(&mut self, names: &Names, whole: bool) -> TotalsRecord {
        let changed = std::mem::take(&mut self.changed);
        let function = |id| names.workloads().function(id).map(|function| Function::clone(function));
        let wanted = self.totals.iter().filter(|(id, _)| whole || changed.contains(id));
        let functions = wanted.filter_map(|(id, totals)| Some((function(*id)?, totals.clone())));
        TotalsRecord { zones: self.zones.clone(), functions: functions.collect() }
    }

    /// Empty books go on with what an earlier agent has written. Functions have `used` energy by zone; what of it is in none
    /// of their totals was not settled when that agent ended, and counts as what kept them warm.
    pub fn resume<'a>(
        &mut self,
        record: TotalsRecord,
        used: impl Iterator<Item = (&'a Function, Vec<Microjoules>)>,
        names: &mut Names,
    ) {
        self.zones = record.zones;
        for (function, totals) in record.functions {
            if let Some(id) = names.remember_function(function) {
                self.totals.insert(id, totals);
            }
        }
        for (function, used) in used {
            let Some(id) = names.remember_function(function.clone()) else { continue };
            let phases = &mut self.totals_of(id).phases;
            for (zone, used) in used.into_iter().enumerate() {
                let settled: Microjoules = Phase::ALL.into_iter().map(|phase| phases.get(phase, zone)).sum();
                phases.add(Phase::KeepWarm, zone, used.saturating_sub(settled));
            }
        }
    }
}
