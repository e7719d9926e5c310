//! Writes the two text formats: Prometheus text 0.0.4 and `OpenMetrics` 1.0, which differ in the descriptions' names, in
//! `# UNIT` and in `# EOF`. One buffer, nothing allocated per sample.

use crate::invocation::{BUCKETS, Exemplar, Histogram};
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::family::Family;
use super::negotiation::Format;
use super::number::{Digits, push_float, push_millionths, push_scaled};

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// A whole number.
    Count(u64),
    /// A whole number that may be negative.
    Signed(i64),
    /// Energy, written in joules exactly.
    Energy(Microjoules),
    /// A span, written in seconds exactly.
    Time(Nanoseconds),
    /// Power, written in watts to the nearest microwatt.
    Power(Watts),
    /// Any number.
    Float(f64),
}

/// A page of metrics that is being written.
#[derive(Debug)]
pub(super) struct Exposition {
    out: String,
    format: Format,
    /// `{node_name="..."`, the beginning of every series' labels.
    opening: String,
    exemplars: bool,
}

impl Exposition {
    /// An empty page with room for `capacity` bytes. It will have exemplars, where the format does.
    pub(super) fn new(format: Format, node_name: &str, capacity: usize) -> Self {
        let mut opening = String::from("{");
        push_label(&mut opening, "node_name", node_name);
        Self { out: String::with_capacity(capacity), format, opening, exemplars: true }
    }

    /// The page with exemplars or without.
    pub(super) fn with_exemplars(mut self, exemplars: bool) -> Self {
        self.exemplars = exemplars;
        self
    }

    /// The format that is written.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Begins a family. Its description is written with its first sample.
    pub(super) fn family(&mut self, family: &'static Family) -> FamilyWriter<'_> {
        FamilyWriter { page: self, family, described: false, series: String::new(), fixed: 0 }
    }

    /// Appends families that are already text in this page's format.
    pub(super) fn append(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// The finished page.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

/// Writes the samples of one family.
#[derive(Debug)]
pub(super) struct FamilyWriter<'a> {
    page: &'a mut Exposition,
    family: &'static Family,
    described: bool,
    /// The name and the labels that several samples share.
    series: String,
    /// How many labels are in `series`.
    fixed: usize,
}

impl FamilyWriter<'_> {
    /// Sets the values of the first labels for the samples that follow.
    pub(super) fn fix(&mut self, values: &[&str]) {
        self.series.clear();
        self.series.push_str(self.family.name);
        self.series.push_str(&self.page.opening);
        for (name, value) in self.family.labels.iter().zip(values) {
            self.series.push(',');
            push_label(&mut self.series, name, value);
        }
        self.fixed = values.len();
    }

    /// Writes a sample; `values` are those of the labels that are not fixed.
    pub(super) fn sample(&mut self, values: &[&str], value: Value) {
        debug_assert_eq!(self.fixed + values.len(), self.family.labels.len(), "{}", self.family.name);
        if self.series.is_empty() {
            self.fix(&[]);
        }
        if !self.described {
            self.describe();
        }
        let out = &mut self.page.out;
        out.push_str(&self.series);
        for (name, value) in self.family.labels[self.fixed..].iter().zip(values) {
            out.push(',');
            push_label(out, name, value);
        }
        out.push_str("} ");
        push_value(out, value);
        out.push('\n');
    }

    /// Writes a histogram whose sum is `sum`; `values` are those of all labels. Buckets above the last that holds any are
    /// left out, but for the one that holds all.
    pub(super) fn histogram(&mut self, values: &[&str], histogram: &Histogram, sum: Value) {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{}", self.family.name);
        if !self.described {
            self.describe();
        }
        let mut labels = self.page.opening.clone();
        for (name, value) in self.family.labels.iter().zip(values) {
            labels.push(',');
            push_label(&mut labels, name, value);
        }
        let Exposition { format, exemplars, ref mut out, .. } = *self.page;
        let name = self.family.name;
        let mut cumulative = 0;
        let ends = BUCKETS.iter().copied().chain([f64::INFINITY]);
        for ((end, count), exemplar) in ends.zip(histogram.counts).zip(&histogram.exemplars) {
            cumulative += count;
            let is_of_account = cumulative > 0 && cumulative - count < histogram.count();
            if !is_of_account && end.is_finite() {
                continue;
            }
            out.extend([name, "_bucket", &labels, ",le=\""]);
            push_float(out, end);
            out.push_str("\"} ");
            out.push_str(Digits::of(cumulative).as_str());
            if let (Format::OpenMetrics, true, Some(exemplar)) = (format, exemplars, exemplar) {
                push_exemplar(out, exemplar);
            }
            out.push('\n');
        }
        out.extend([name, "_sum", &labels, "} "]);
        push_value(out, sum);
        out.extend(["\n", name, "_count", &labels, "} ", Digits::of(histogram.count()).as_str(), "\n"]);
    }

    fn describe(&mut self) {
        let name = self.family.described_as(self.page.format);
        let out = &mut self.page.out;
        push_line(out, ["# HELP ", name, " ", self.family.help]);
        push_line(out, ["# TYPE ", name, " ", self.family.kind.label()]);
        if self.page.format == Format::OpenMetrics && !self.family.unit.is_empty() {
            push_line(out, ["# UNIT ", name, " ", self.family.unit]);
        }
        self.described = true;
    }
}

/// How long an exemplar's labels may be together, in characters (`OpenMetrics` 1.0, "Exemplars").
const EXEMPLAR_CHARACTERS: usize = 128;

fn push_exemplar(out: &mut String, exemplar: &Exemplar) {
    const LABEL: &str = "invocation_id";
    if LABEL.len() + exemplar.id.chars().count() > EXEMPLAR_CHARACTERS {
        return;
    }
    out.push_str(" # {");
    push_label(out, LABEL, &exemplar.id);
    out.push_str("} ");
    push_float(out, exemplar.value);
    out.push(' ');
    push_scaled(out, exemplar.at_unix.0, 9);
}

fn push_line(out: &mut String, parts: [&str; 4]) {
    for part in parts {
        out.push_str(part);
    }
    out.push('\n');
}

fn push_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value);
    out.push('"');
}

/// Escapes a label's value. Both formats know these three escapes and no other, and allow every character but NUL,
/// which Prometheus takes for the end of its input and which is replaced (no name that the kernel gives has one).
fn push_escaped(out: &mut String, value: &str) {
    let is_special = |byte: u8| matches!(byte, b'\\' | b'"' | b'\n' | 0);
    // Without a way out in between this looks at many bytes at once, and hardly any value has one.
    if !value.bytes().fold(false, |found, byte| found | is_special(byte)) {
        return out.push_str(value);
    }
    let mut rest = value;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        out.push_str(match special.as_bytes()[0] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            b'\n' => "\\n",
            _ => "\u{fffd}",
        });
        rest = &special[1..];
    }
    out.push_str(rest);
}

fn push_value(out: &mut String, value: Value) {
    match value {
        Value::Count(count) => out.push_str(Digits::of(count).as_str()),
        Value::Signed(number) => {
            if number < 0 {
                out.push('-');
            }
            out.push_str(Digits::of(number.unsigned_abs()).as_str());
        }
        Value::Energy(energy) => push_scaled(out, energy.0, 6),
        Value::Time(time) => push_scaled(out, time.0, 9),
        Value::Power(power) => push_millionths(out, power.0),
        Value::Float(number) => push_float(out, number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::export::prometheus::parser;
    use crate::export::prometheus::table;

    fn one_sample(format: Format, node: &str, comm: &str, value: Value) -> parser::Page {
        let mut page = Exposition::new(format, node, 0);
        page.family(&table::COMMAND_PROCESSES).sample(&["/a", "7", comm], value);
        parser::parse(&page.finish(), format).unwrap()
    }

    #[test]
    fn a_family_without_samples_is_not_described() {
        let mut page = Exposition::new(Format::Text, "n", 0);
        page.family(&table::BUILD_INFO);
        assert_eq!(page.finish(), "");
    }

    #[test]
    fn negative_numbers_keep_their_sign() {
        let mut page = Exposition::new(Format::Text, "n", 0);
        page.family(&table::BOOKS_ERROR).sample(&["package", "0", "rapl"], Value::Signed(i64::MIN));
        assert!(page.finish().ends_with(" -9223372036854775808\n"));
    }

    proptest! {
        #[test]
        fn any_name_comes_back_as_it_was(node in "[^\0]*", comm in "([\\\\\"\n\r{},=# ]|[^\0])*", open: bool) {
            let format = if open { Format::OpenMetrics } else { Format::Text };
            let page = one_sample(format, &node, &comm, Value::Count(1));
            let sample = &page.samples("prony_command_processes_total")[0];
            prop_assert_eq!(sample.label("node_name"), node);
            prop_assert_eq!(sample.label("comm"), comm);
        }

        #[test]
        fn energy_and_time_come_back_to_the_last_digit(raw: u64) {
            let energy = one_sample(Format::OpenMetrics, "n", "c", Value::Energy(Microjoules(raw)));
            prop_assert_eq!(energy.samples("prony_command_processes_total")[0].scaled(6), i128::from(raw));
            let time = one_sample(Format::Text, "n", "c", Value::Time(Nanoseconds(raw)));
            prop_assert_eq!(time.samples("prony_command_processes_total")[0].scaled(9), i128::from(raw));
        }
    }

    #[test]
    fn nul_cannot_end_the_page_early() {
        let page = one_sample(Format::Text, "n", "a\0b", Value::Count(1));
        assert_eq!(page.samples("prony_command_processes_total")[0].label("comm"), "a\u{fffd}b");
    }
}
