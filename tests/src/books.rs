//! Checking a scrape as an auditor would: everything is added up, in whole microjoules.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::Samples;

/// Asserts that in every zone the parts are the whole, and that what each level's lines and its `other` line are charged
/// is the zone's active and shared idle energy, to the microjoule.
///
/// # Errors
/// When an energy in the scrape is no whole number of microjoules.
///
/// # Panics
/// When the books do not add up.
pub fn assert_books(samples: &Samples) -> Result<()> {
    for error in samples.matching("prony_books_error_microjoules", &[]) {
        assert_eq!(error.text, "0", "the agent itself says that its books are wrong: {:?}", error.labels);
    }
    for measured in samples.matching("prony_zone_measured_joules_total", &[]) {
        let labels: Vec<(&str, &str)> =
            measured.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
        let parts = samples.millionths("prony_zone_joules_total", &labels)?;
        assert_eq!(parts, measured.millionths()?, "the parts of {labels:?}");
    }
    for zone in charged_zones(samples) {
        assert_levels(samples, zone)?;
    }
    Ok(())
}

/// The zones that consumers are charged for.
fn charged_zones(samples: &Samples) -> BTreeSet<&str> {
    samples.matching("prony_other_joules_total", &[]).map(|sample| sample.labels["zone"].as_str()).collect()
}

fn assert_levels(samples: &Samples, zone: &str) -> Result<()> {
    let part = |name: &str, part: &str, level: Option<&str>| {
        let mut labels = vec![("zone", zone), ("part", part)];
        labels.extend(level.map(|level| ("level", level)));
        samples.millionths(name, &labels)
    };
    let mut charged = 0;
    for name in ["active", "idle_shared"] {
        let whole = part("prony_zone_joules_total", name, None)?;
        charged += whole;
        for level in ["cgroup", "command", "function"] {
            let mut lines = part(&format!("prony_{level}_joules_total"), name, None)?;
            if level == "function" {
                lines += part("prony_function_pending_joules", name, None)?;
            }
            let other = part("prony_other_joules_total", name, Some(level))?;
            assert_eq!(lines + other, whole, "{name} energy of the {level}s and others in zone {zone}");
        }
    }
    let of_zone = [("zone", zone)];
    let processes = samples.millionths("kepler_process_cpu_joules_total", &of_zone)?
        + samples.millionths("prony_process_joules_total", &of_zone)?;
    let other = samples.millionths("prony_other_joules_total", &[("zone", zone), ("level", "process")])?;
    assert_eq!(processes + other, charged, "energy of the processes and others in zone {zone}");

    let nodes = samples.millionths("kepler_node_cpu_joules_total", &of_zone)?;
    let node_parts = samples.millionths("kepler_node_cpu_active_joules_total", &of_zone)?
        + samples.millionths("kepler_node_cpu_idle_joules_total", &of_zone)?;
    assert_eq!(node_parts, nodes, "Kepler's active and idle energy of zone {zone}");
    Ok(())
}

/// Asserts that no counter is lower than in an earlier scrape. Series may come and go.
///
/// # Panics
/// When one is.
pub fn assert_nothing_fell(earlier: &Samples, later: &Samples) {
    let counters = |samples: &Samples| -> BTreeMap<(String, BTreeMap<String, String>), f64> {
        let counters = samples.iter().filter(|sample| sample.name.ends_with("_total"));
        counters.map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value)).collect()
    };
    let later = counters(later);
    for (series, value) in counters(earlier) {
        let now = later.get(&series).copied().unwrap_or(value);
        assert!(now >= value, "{series:?} fell from {value} to {now}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
prony_books_error_microjoules{zone=\"dram\",socket=\"0\"} 0
prony_zone_measured_joules_total{zone=\"dram\",socket=\"0\"} 10
prony_zone_joules_total{zone=\"dram\",socket=\"0\",part=\"active\"} 6.000001
prony_zone_joules_total{zone=\"dram\",socket=\"0\",part=\"idle\"} 3.999999
prony_cgroup_joules_total{cgroup=\"/a\",zone=\"dram\",part=\"active\"} 6
prony_other_joules_total{level=\"cgroup\",zone=\"dram\",part=\"active\"} 0.000001
prony_command_joules_total{comm=\"a\",zone=\"dram\",part=\"active\"} 6.000001
prony_function_joules_total{function=\"f\",zone=\"dram\",part=\"active\"} 5
prony_function_pending_joules{zone=\"dram\",part=\"active\"} 0.5
prony_other_joules_total{level=\"function\",zone=\"dram\",part=\"active\"} 0.500001
kepler_process_cpu_joules_total{pid=\"1\",zone=\"dram\"} 6.000001
kepler_node_cpu_joules_total{zone=\"dram\"} 10
kepler_node_cpu_active_joules_total{zone=\"dram\"} 6.000001
kepler_node_cpu_idle_joules_total{zone=\"dram\"} 3.999999
";

    fn scrape(text: &str) -> Samples {
        Samples::parse(text).unwrap()
    }

    #[test]
    fn books_that_add_up_are_good() {
        assert_books(&scrape(GOOD)).unwrap();
    }

    #[test]
    #[should_panic(expected = "the commands and others in zone dram")]
    fn a_missing_microjoule_is_noticed() {
        let _ = assert_books(&scrape(&GOOD.replace(
            "comm=\"a\",zone=\"dram\",part=\"active\"} 6.000001",
            "comm=\"a\",zone=\"dram\",part=\"active\"} 6",
        )));
    }

    #[test]
    fn series_may_come_and_go_and_gauges_may_fall() {
        assert_nothing_fell(&scrape("a_total 1\nb_total 2\ng 4\n"), &scrape("a_total 1\ng 1\n"));
    }

    #[test]
    #[should_panic(expected = "fell from 2 to 1")]
    fn a_counter_that_falls_is_noticed() {
        assert_nothing_fell(&scrape("b_total{x=\"1\"} 2\n"), &scrape("b_total{x=\"1\"} 1\n"));
    }
}
