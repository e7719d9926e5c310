//! Reading Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>) and OpenMetrics' as far as it is
//! the same.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels, with escapes undone.
    pub labels: BTreeMap<String, String>,
    /// Its value, in the unit of the metric.
    pub value: f64,
    /// Its value as it is written.
    pub text: String,
}

impl Sample {
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|&(label, value)| self.labels.get(label).is_some_and(|found| found == value))
    }

    /// `name{label="value",...} value [timestamp] [# exemplar]`
    fn parse(line: &str) -> Result<Self> {
        let end = line.find(['{', ' ']).context("a sample has a name and a value")?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => parse_labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.split_whitespace().next().context("a sample has a value")?;
        let number = value.parse().with_context(|| format!("{value} is no number"))?;
        Ok(Self { name: name.to_owned(), labels, value: number, text: value.to_owned() })
    }

    /// Its value in millionths, exactly: microjoules of joules. Floating point would hide a missing microjoule.
    ///
    /// # Errors
    /// When the value is no plain decimal with at most six digits after the point.
    pub fn millionths(&self) -> Result<u64> {
        millionths(&self.text).with_context(|| format!("{} is {}, no whole number of millionths", self.name, self.text))
    }
}

fn millionths(decimal: &str) -> Option<u64> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits || whole.is_empty() || fraction.len() > 6 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
}

/// Reads `label="value",...}` and returns the labels and what follows.
fn parse_labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (label, quoted) = rest.split_once("=\"").context("a label has a quoted value")?;
        let (value, after) = parse_value(quoted)?;
        labels.insert(label.to_owned(), value);
        rest = after;
    }
}

/// Reads a label's value up to its closing quote and returns it and what follows.
fn parse_value(quoted: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => bail!("a backslash in a label's value stands before n, a quote or a backslash"),
            },
            other => value.push(other),
        }
    }
    bail!("a label's value has no closing quote")
}

/// All samples of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    samples: Vec<Sample>,
}

impl Samples {
    /// Reads a scrape.
    ///
    /// # Errors
    /// When a line is not of the format; the message has the line.
    pub fn parse(text: &str) -> Result<Self> {
        let samples = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| Sample::parse(line).with_context(|| format!("in the line `{line}`")))
            .collect::<Result<_>>()?;
        Ok(Self { samples })
    }

    /// The samples of that name that have at least these labels.
    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.name == name && sample.has(labels))
    }

    /// The value of the only sample of that name that has at least these labels.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let mut found = self.matching(name, labels);
        let first = found.next().with_context(|| format!("there is no {name} with {labels:?}"))?;
        if let Some(second) = found.next() {
            bail!("there is more than one {name} with {labels:?}: {:?}, {:?}", first.labels, second.labels);
        }
        Ok(first.value)
    }

    /// The sum over all samples of that name that have at least these labels; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// The exact sum in millionths (see [`Sample::millionths`]) over all samples of that name that have at least these
    /// labels; 0 when there is none.
    ///
    /// # Errors
    /// When one of them is no whole number of millionths.
    pub fn millionths(&self, name: &str, labels: &[(&str, &str)]) -> Result<u64> {
        self.matching(name, labels).map(Sample::millionths).sum()
    }

    /// The samples that have no such label.
    #[must_use]
    pub fn without(&self, label: &str) -> Self {
        Self { samples: self.iter().filter(|sample| !sample.labels.contains_key(label)).cloned().collect() }
    }

    /// All samples, in the order of the scrape.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = "\
# HELP kepler_node_cpu_joules_total Energy
# TYPE kepler_node_cpu_joules_total counter
kepler_node_cpu_joules_total{zone=\"package-0\",path=\"/sys\"} 12.5
kepler_node_cpu_joules_total{zone=\"dram-0\",path=\"/sys\"} 2.25 1712345678901

prony_books_error_microjoules 0
kepler_process_cpu_joules_total{comm=\"a \\\"b\\\" {c}, d=\\\\\\n\",pid=\"7\"} 1e-3 # {trace=\"x\"} 1
go_gc_bytes{le=\"+Inf\",} +Inf
# EOF
";

    #[test]
    fn finds_samples_by_name_and_labels() {
        let samples = Samples::parse(SCRAPE).unwrap();
        assert_eq!(samples.iter().count(), 5);
        assert_eq!(
            samples.value("kepler_node_cpu_joules_total", &[("zone", "dram-0")]).unwrap().to_bits(),
            2.25_f64.to_bits()
        );
        assert_eq!(samples.sum("kepler_node_cpu_joules_total", &[]).to_bits(), 14.75_f64.to_bits());
        assert_eq!(samples.value("prony_books_error_microjoules", &[]).unwrap().to_bits(), 0);
        assert!(samples.value("go_gc_bytes", &[]).unwrap().is_infinite());
    }

    #[test]
    fn undoes_escapes_in_labels() {
        let samples = Samples::parse(SCRAPE).unwrap();
        let process = samples.matching("kepler_process_cpu_joules_total", &[("pid", "7")]).next().unwrap();
        assert_eq!(process.labels["comm"], "a \"b\" {c}, d=\\\n");
        assert_eq!(process.value.to_bits(), 1e-3_f64.to_bits());
    }

    #[test]
    fn millionths_are_exact_or_refused() {
        assert_eq!(millionths("9007199254.740993"), Some(9_007_199_254_740_993));
        assert_eq!((millionths("0"), millionths("0.5"), millionths("12")), (Some(0), Some(500_000), Some(12_000_000)));
        for text in ["", "-1", "1e3", "+Inf", "NaN", "0.0000001", ".5", "99999999999999999999"] {
            assert_eq!(millionths(text), None, "{text}");
        }
        let samples = Samples::parse(SCRAPE).unwrap();
        assert_eq!(samples.millionths("kepler_node_cpu_joules_total", &[]).unwrap(), 14_750_000);
        assert!(samples.millionths("go_gc_bytes", &[]).is_err());
    }

    #[test]
    fn none_and_several_are_told_apart() {
        let samples = Samples::parse(SCRAPE).unwrap();
        let none = samples.value("kepler_node_cpu_joules_total", &[("zone", "psys")]).unwrap_err();
        assert!(none.to_string().contains("there is no"), "{none}");
        let several = samples.value("kepler_node_cpu_joules_total", &[]).unwrap_err();
        assert!(several.to_string().contains("more than one"), "{several}");
    }

    #[test]
    fn a_line_that_is_no_sample_is_an_error_that_shows_it() {
        for line in ["up", "up one", "up{a=\"b} 1", "up{a} 1", "up{a=\"\\x\"} 1"] {
            let error = Samples::parse(line).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }
}
