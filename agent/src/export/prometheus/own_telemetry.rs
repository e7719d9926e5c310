//! The agent's own telemetry, as `metrics-exporter-prometheus` renders it (text 0.0.4, families in no order, an empty
//! line after each), brought into an order and into the format that was asked for.

use crate::telemetry::Kind;

use super::family::described_as;
use super::negotiation::Format;

/// One family of the recorder's text.
#[derive(Debug, Default)]
struct Block<'a> {
    name: &'a str,
    kind: &'a str,
    help: Option<&'a str>,
    samples: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn parse(text: &'a str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                block.name = name;
                block.help = Some(help);
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                block.name = name;
                block.kind = kind;
            } else if !line.is_empty() {
                block.samples.push(line);
            }
        }
        block.samples.sort_unstable();
        block
    }

    fn write(&self, format: Format, out: &mut String) {
        let (name, kind) = match (format, self.kind) {
            // A counter without `_total` has no place in OpenMetrics.
            (Format::OpenMetrics, "counter") if !self.name.ends_with("_total") => (self.name, "unknown"),
            (_, "counter") => (described_as(self.name, Kind::Counter, format), "counter"),
            (_, kind) => (self.name, kind),
        };
        let mut line = |parts: &[&str]| {
            for part in parts {
                out.push_str(part);
            }
            out.push('\n');
        };
        match self.help {
            // Only OpenMetrics wants quotes escaped here.
            Some(help) if format == Format::OpenMetrics => {
                line(&["# HELP ", name, " ", &help.replace('"', "\\\"")]);
            }
            Some(help) => line(&["# HELP ", name, " ", help]),
            None => {}
        }
        line(&["# TYPE ", name, " ", kind]);
        for sample in &self.samples {
            line(&[sample]);
        }
    }
}

/// The recorder's text in `format`.
pub(super) fn adapt(rendered: &str, format: Format) -> String {
    let mut blocks: Vec<Block<'_>> = rendered
        .split("\n\n")
        .map(Block::parse)
        .filter(|block| !block.kind.is_empty() && !block.samples.is_empty())
        .collect();
    blocks.sort_unstable_by_key(|block| block.name);
    let mut out = String::with_capacity(rendered.len());
    for block in &blocks {
        block.write(format, &mut out);
    }
    out
}

/// The sum of a metric's samples in the recorder's text; `None` where there is none.
pub(in crate::export) fn sum(rendered: &str, metric: &str) -> Option<f64> {
    let value = |line: &str| -> Option<f64> {
        let labels = line.strip_prefix(metric)?;
        if !labels.starts_with(['{', ' ']) {
            return None;
        }
        labels.rsplit_once(' ')?.1.parse().ok()
    };
    rendered.lines().filter_map(value).fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::export::prometheus::parser;

    fn rendered() -> String {
        let recorder = PrometheusBuilder::new().add_global_label("node_name", "n\"1").build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("b_things_total", "Things, \"quoted\" and with a \\ and\na second line.");
            metrics::counter!("b_things_total", "kind" => "x\"y\\z\nw").increment(2);
            metrics::counter!("b_things_total", "kind" => "a").increment(3);
            metrics::describe_gauge!("a_level_ratio", "A level.");
            metrics::gauge!("a_level_ratio").set(0.25);
            metrics::counter!("undescribed").increment(1);
            metrics::histogram!("took_seconds").record(0.5);
        });
        handle.render()
    }

    #[test]
    fn is_valid_in_both_formats() {
        for format in [Format::Text, Format::OpenMetrics] {
            let mut text = adapt(&rendered(), format);
            assert!(text.starts_with("# HELP a_level_ratio A level.\n"), "{text}");
            if format == Format::OpenMetrics {
                text.push_str("# EOF\n");
            }
            let page = parser::parse(&text, format).unwrap();
            assert_eq!(page.sample("b_things_total", &[("kind", "x\"y\\z\nw")]).value, "2");
            assert_eq!(page.sample("a_level_ratio", &[("node_name", "n\"1")]).value, "0.25");
            assert_eq!(page.sample("undescribed", &[]).value, "1");
            assert_eq!(page.sample("took_seconds_sum", &[]).value, "0.5");
            let counter = if format == Format::Text { "b_things_total" } else { "b_things" };
            let help = page.families[counter].help.clone().unwrap();
            assert_eq!(help, "Things, \"quoted\" and with a \\ and\na second line.");
        }
    }

    #[test]
    fn samples_of_a_metric_are_added_up() {
        let rendered = rendered();
        assert_eq!(sum(&rendered, "b_things_total"), Some(5.0));
        assert_eq!(sum(&rendered, "a_level_ratio"), Some(0.25));
        assert_eq!(sum(&rendered, "b_things"), None);
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(adapt("", Format::OpenMetrics), "");
    }
}
