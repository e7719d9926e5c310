//! PowerAPI's family from the books, for those who have its dashboards: the targets that are written to `InfluxDB` too.

use std::collections::BTreeMap;

use crate::export::powerapi::{Places, TAGS, Target};
use crate::snapshot::Snapshot;
use crate::units::Watts;

use super::exposition::{Exposition, Value};
use super::table;

/// Writes the power of every target. Those that would be one series are one.
pub(super) fn power(page: &mut Exposition, snapshot: &Snapshot) {
    let places = Places::of(snapshot);
    let mut powers: BTreeMap<[String; TAGS.len()], f64> = BTreeMap::new();
    let mut add = |target: &Target<'_>, zone: usize, power: f64| {
        if let Some(place) = places.get(zone) {
            let labels = target.values(&snapshot.node.name, place).map(str::to_owned);
            *powers.entry(labels).or_default() += power;
        }
    };
    for (zone, line) in snapshot.zones.iter().enumerate() {
        add(&Target::measured(line), zone, line.power.0);
        add(&Target::global(), zone, line.active_power.0 + line.idle_power.0);
    }
    for line in &snapshot.cgroups {
        let target = Target::of_cgroup(line);
        line.energy.iter().for_each(|part| add(&target, part.zone, part.power.0));
    }
    snapshot.other_cgroups.energy.iter().for_each(|part| add(&Target::other(), part.zone, part.power.0));
    let mut out = page.family(&table::POWER_ESTIMATION_WATTS);
    for (labels, power) in &powers {
        out.sample(&labels.each_ref().map(String::as_str), Value::Power(Watts(*power)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus::negotiation::Format;
    use crate::export::prometheus::{parser, sample_books};

    #[test]
    fn targets_are_powerapis_and_a_container_is_the_sum_of_its_cgroups() {
        let mut page = Exposition::new(Format::Text, "node-1", 0);
        power(&mut page, &sample_books::full());
        let page = parser::parse(&page.finish(), Format::Text).expect("a good page");
        let value = |labels: &[(&str, &str)]| page.sample("power_estimation_watts", labels).value.clone();
        let cpu = [("sensor", "node-1"), ("scope", "cpu"), ("socket", "0")];
        let of = |target: &'static str| [&cpu[..], &[("target", target)]].concat();
        assert_eq!(value(&of("rapl")), "20.5");
        assert_eq!(value(&of("global")), "20.25", "active and idle, without what is unattributed");
        assert_eq!(value(&of("main")), "3.5");
        assert_eq!(
            value(&[&of("main")[..], &[("k8s_pod_name", "pay-1"), ("k8s_pod_namespace", "shop")]].concat()),
            "3.5"
        );
        assert_eq!(value(&of("/system.slice/a.service")), "5");
        assert_eq!(value(&[("scope", "dram-estimated"), ("target", "estimate"), ("formula", "estimate")]), "20.5");
        assert_eq!(value(&[("scope", "node"), ("target", "meter"), ("kind", "zone")]), "20.5");
        assert_eq!(value(&[("scope", "cpu"), ("socket", "1"), ("target", "other")]), "0.1");
    }
}
