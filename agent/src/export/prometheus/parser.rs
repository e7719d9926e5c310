//! A strict reader of both text formats, for tests: it takes nothing that the formats' descriptions do not allow and
//! Prometheus would let pass with a warning (a series given twice, a family in two places).

use std::collections::{BTreeMap, BTreeSet};

use super::negotiation::Format;

/// What a family's descriptions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) kind: Option<String>,
    pub(super) help: Option<String>,
    pub(super) unit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: String,
}

impl Sample {
    /// A label's value; empty where there is no such label, as in Prometheus.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The value in units of 10^-places, without floating point.
    pub(super) fn scaled(&self, places: usize) -> i128 {
        let (whole, fraction) = self.value.split_once('.').unwrap_or((&self.value, ""));
        assert!(fraction.len() <= places, "{} has more than {places} decimals", self.value);
        format!("{whole}{fraction:0<places$}").parse().unwrap()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// By the name in the descriptions.
    pub(super) families: BTreeMap<String, Description>,
    samples: Vec<Sample>,
    by_family: BTreeMap<String, Vec<usize>>,
}

impl Page {
    /// The samples of this very name.
    pub(super) fn samples(&self, name: &str) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.name == name).collect()
    }

    /// The only sample of this name with these labels.
    pub(super) fn sample(&self, name: &str, labels: &[(&str, &str)]) -> &Sample {
        let found: Vec<&Sample> = self
            .samples(name)
            .into_iter()
            .filter(|sample| labels.iter().all(|(label, value)| sample.label(label) == *value))
            .collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0]
    }

    /// The names of the samples of a family, without doubles.
    pub(super) fn sample_names(&self, family: &str) -> BTreeSet<&str> {
        self.by_family[family].iter().map(|&index| self.samples[index].name.as_str()).collect()
    }

    /// Every sample.
    pub(super) fn all_samples(&self) -> &[Sample] {
        &self.samples
    }
}

/// Reads a page, or says which line is wrong and why.
pub(super) fn parse(text: &str, format: Format) -> Result<Page, String> {
    let mut reader = Reader { format, page: Page::default(), current: String::new(), series: BTreeSet::new() };
    let body = match format {
        Format::Text => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").ok_or("does not end with # EOF")?,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for line in body.split_terminator('\n') {
        reader.line(line).map_err(|error| format!("{error}: {line}"))?;
    }
    for (family, description) in &reader.page.families {
        if description.kind.is_none() {
            return Err(format!("{family} has no type"));
        }
        if !reader.page.by_family.contains_key(family) {
            return Err(format!("{family} has no samples"));
        }
    }
    Ok(reader.page)
}

struct Reader {
    format: Format,
    page: Page,
    current: String,
    series: BTreeSet<(String, BTreeMap<String, String>)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() {
            return if self.format == Format::Text { Ok(()) } else { Err("empty line".into()) };
        }
        match line.strip_prefix("# ") {
            Some(description) => self.description(description),
            None if line.starts_with('#') => Err("comment".into()),
            None => self.sample(line),
        }
    }

    fn description(&mut self, text: &str) -> Result<(), String> {
        let mut parts = text.splitn(3, ' ');
        let (Some(keyword), Some(family), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("incomplete description".into());
        };
        check_name(family, true)?;
        if family != self.current {
            if self.page.families.contains_key(family) {
                return Err("family in two places".into());
            }
            self.current = family.into();
        }
        if self.page.by_family.contains_key(family) {
            return Err("description after samples".into());
        }
        let format = self.format;
        let description = self.page.families.entry(family.into()).or_default();
        let (slot, value) = match keyword {
            "HELP" => (&mut description.help, unescape(value, format == Format::OpenMetrics)?),
            "TYPE" if ["counter", "gauge", "summary", "histogram"].contains(&value) => {
                (&mut description.kind, value.into())
            }
            "TYPE" if format == Format::OpenMetrics && value == "unknown" => (&mut description.kind, value.into()),
            "UNIT" if format == Format::OpenMetrics && family.ends_with(&format!("_{value}")) => {
                (&mut description.unit, value.into())
            }
            _ => return Err("unknown description".into()),
        };
        if slot.replace(value).is_some() {
            return Err("described twice".into());
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        check_name(name, true)?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
        let kind = self.page.families.get(&self.current).and_then(|family| family.kind.clone()).ok_or("no type")?;
        let suffixes: &[&str] = match (kind.as_str(), self.format) {
            ("counter", Format::OpenMetrics) => &["_total"],
            ("summary", _) => &["", "_sum", "_count"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        if !suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(&self.current)) {
            return Err(format!("not a sample of {} {}", kind, self.current));
        }
        let (value, exemplar) = value.split_once(" # ").map_or((value, None), |(value, after)| (value, Some(after)));
        if let Some(exemplar) = exemplar {
            check_exemplar(exemplar, self.format, &kind)?;
        }
        check_value(value, kind != "gauge")?;
        if !self.series.insert((name.into(), labels.clone())) {
            return Err("series given twice".into());
        }
        self.page.by_family.entry(self.current.clone()).or_default().push(self.page.samples.len());
        self.page.samples.push(Sample { name: name.into(), labels, value: value.into() });
        Ok(())
    }
}

fn check_name(name: &str, colon: bool) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (colon && c == ':');
    let good = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if good { Ok(()) } else { Err(format!("bad name '{name}'")) }
}

/// `{label="value"} value timestamp`.
fn check_exemplar(text: &str, format: Format, kind: &str) -> Result<(), String> {
    if format != Format::OpenMetrics || kind != "histogram" {
        return Err("no place for an exemplar".into());
    }
    let (labels, rest) = labels(text.strip_prefix('{').ok_or("exemplar without labels")?)?;
    let length: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    let mut numbers = rest.strip_prefix(' ').ok_or("exemplar without a value")?.split(' ');
    let (Some(value), Some(at), None) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Err("exemplar without value and time".into());
    };
    check_value(value, false)?;
    check_value(at, true)?;
    if length > 128 { Err("exemplar with more than 128 characters".into()) } else { Ok(()) }
}

fn check_value(text: &str, counter: bool) -> Result<(), String> {
    let number = match text {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'e' | b'+')) => {
            text.parse().map_err(|_| "bad value")?
        }
        _ => return Err("bad value".into()),
    };
    if counter && !(number.is_finite() && number >= 0.0) {
        return Err("counter is negative or not finite".into());
    }
    Ok(())
}

/// The labels after the opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    if let Some(after) = rest.strip_prefix('}') {
        return Ok((labels, after));
    }
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("label without value")?;
        check_name(name, false)?;
        let end = closing_quote(after).ok_or("unterminated value")?;
        if labels.insert(name.into(), unescape(&after[..end], true)?).is_some() {
            return Err(format!("label {name} twice"));
        }
        match &after[end + 1..] {
            after if after.starts_with('}') => return Ok((labels, &after[1..])),
            after => rest = after.strip_prefix(',').ok_or("no comma between labels")?,
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => return Err(format!("unknown escape {other:?}")),
            },
            '"' if quotes => return Err("bare quote".into()),
            '\0' => return Err("NUL".into()),
            other => other,
        });
    }
    Ok(plain)
}
