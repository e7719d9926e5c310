//! Attribution of one window's energy under a policy.

use crate::apportion::{equal_parts, largest_remainder, proportional_quota};
use crate::config::Policy;
use crate::fuse::{Drawn, EnergyWindow, doubts_of_cpu_time};
use crate::units::Microjoules;

use super::activity::cpu_time;
use super::attribution::{Attribution, Share};

/// Shares a window's energy E out. E = S + D, with S the static energy. D goes to those who ran, in proportion to their
/// activity, which is what the zone's model says that they have drawn, or CPU time where there is none; for a zone with a
/// socket, only what ran there counts. Where nobody ran, D is unattributed. S goes
/// - under [`Policy::Separate`] to the idle line;
/// - under [`Policy::Proportional`] to those who ran, in proportion to their activity, such that active and idle share
///   together are the consumer's proportion of E, to the microjoule;
/// - under [`Policy::Equal`] to those who ran, in equal parts;
/// - to the idle line wherever nobody ran.
///
/// What a consumer is charged as active does not depend on the policy.
pub fn attribute(window: &EnergyWindow, policy: Policy) -> Attribution {
    let measured = window.energy;
    let static_energy = window.static_energy.min(measured);
    let dynamic = measured - static_energy;
    let socket = window.zone.socket;
    let modelled = window.model.as_ref().and_then(|model| model.shares(&window.activity, socket, dynamic.0 as f64));
    let (drawn, doubts) = modelled.unwrap_or_else(|| {
        let drawn = cpu_time(&window.activity, socket);
        let doubts = doubts_of_cpu_time(&drawn, dynamic.0 as f64, static_energy.0 as f64);
        (drawn, doubts)
    });
    let Drawn { consumers, drawn: activity } = drawn;
    let whole: f64 = activity.iter().sum();
    let proportion_of =
        |energy: Microjoules| activity.iter().map(move |&part| proportional_quota(part, whole, energy.0 as f64));

    let active = largest_remainder(&proportion_of(dynamic).collect::<Vec<_>>(), dynamic);
    let idle = match policy {
        Policy::Separate => Vec::new(),
        Policy::Proportional => {
            let missing = proportion_of(measured).zip(&active).map(|(quota, active)| quota - active.0 as f64);
            largest_remainder(&missing.collect::<Vec<_>>(), static_energy)
        }
        Policy::Equal => equal_parts(static_energy, consumers.len()).collect(),
    };
    Attribution {
        zone: window.zone.clone(),
        source: window.source.clone(),
        from: window.activity.from,
        to: window.activity.to,
        measured,
        idle: if idle.is_empty() { static_energy } else { Microjoules::ZERO },
        unattributed: if active.is_empty() { dynamic } else { Microjoules::ZERO },
        shares: consumers
            .into_iter()
            .zip(active)
            .zip(idle.into_iter().chain(std::iter::repeat(Microjoules::ZERO)))
            .zip(&activity)
            .map(|(((consumer, active), idle), activity)| Share {
                consumer,
                active,
                idle,
                doubt: doubts.of(&consumer, *activity),
            })
            .collect(),
        uncertainty: window.uncertainty,
        lasting_uncertainty: window.lasting_uncertainty,
        provenance: window.provenance,
    }
}
