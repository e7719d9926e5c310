//! What a metric family is, and how the two text formats name it.

use crate::telemetry::Kind;

use super::negotiation::Format;

/// One metric family. Every series also carries `node_name`, which is not listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// The name of its samples; a counter's ends in `_total`.
    pub(super) name: &'static str,
    /// What its samples do over time.
    pub(super) kind: Kind,
    /// The unit, which is the name's last part (before `_total`); empty where there is none.
    pub(super) unit: &'static str,
    /// The labels, in the order in which they are written.
    pub(super) labels: &'static [&'static str],
    /// What it means.
    pub(super) help: &'static str,
}

impl Family {
    pub(super) const fn counter(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Counter, unit, labels, help }
    }

    pub(super) const fn gauge(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Gauge, unit, labels, help }
    }

    pub(super) const fn histogram(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit, labels, help }
    }

    /// The name in `# HELP` and `# TYPE`.
    pub(super) fn described_as(&self, format: Format) -> &'static str {
        described_as(self.name, self.kind, format)
    }
}

/// The name of a family in its description: `OpenMetrics` leaves a counter's `_total` to the samples (`OpenMetrics` 1.0,
/// "Counter"), the older format does not.
pub(super) fn described_as(name: &str, kind: Kind, format: Format) -> &str {
    match (kind, format) {
        (Kind::Counter, Format::OpenMetrics) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::export::prometheus::table;
    use crate::telemetry;

    #[test]
    fn names_follow_both_formats() {
        for family in table::all() {
            let bare = described_as(family.name, family.kind, Format::OpenMetrics);
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.unit.is_empty() || bare.ends_with(&format!("_{}", family.unit)), "{}", family.name);
            assert!(!family.labels.contains(&"node_name"), "{}", family.name);
            assert!(!family.help.is_empty() && !family.help.contains(['\n', '\\', '"']), "{}", family.name);
        }
        for metric in telemetry::ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        }
    }

    #[test]
    fn no_name_is_taken_twice() {
        let names: Vec<&str> =
            table::all().map(|family| family.name).chain(telemetry::ALL.iter().map(|metric| metric.name)).collect();
        let distinct: BTreeSet<&str> = names.iter().map(|name| name.trim_end_matches("_total")).collect();
        assert_eq!(distinct.len(), names.len());
    }
}
