//! The doctor's answer for people.

use std::fmt::Write;

use crate::cli::output::Style;

use super::Report;
use super::finding::{Finding, Section, Status};

const INDENT: usize = 2;

/// The report as text.
pub(super) fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let names = report.findings.iter().map(|finding| finding.name.chars().count());
    let column = names.max().unwrap_or(0).min(24);
    for section in Section::ALL {
        let mut findings = report.findings.iter().filter(|finding| finding.section == section).peekable();
        if findings.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "{}", style.heading(section.title()));
        for finding in findings {
            line(&mut out, finding, column, style);
        }
        out.push('\n');
    }
    summary(&mut out, report, column, style);
    out
}

fn line(out: &mut String, finding: &Finding, column: usize, style: Style) {
    let mark = style.mark(finding);
    let indent = INDENT + style.mark_width() + 1 + column + 2;
    let _ = write!(out, "{:INDENT$}{mark} {:column$}  ", "", finding.name);
    if finding.name.chars().count() > column {
        let _ = write!(out, "\n{:indent$}", "");
    }
    wrapped(out, &finding.meaning, indent, style.width);
    let mends = finding.status != Status::Ok || finding.name == "estimate";
    if mends && !finding.fix.is_empty() {
        let arrow = if style.unicode { "→ " } else { "-> " };
        let _ = write!(out, "{:indent$}{arrow}", "");
        wrapped(out, &finding.fix, indent + arrow.chars().count(), style.width);
    }
}

fn summary(out: &mut String, report: &Report, column: usize, style: Style) {
    let plan = &report.will_use;
    let none = |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    let rows = [
        ("CPU time", plan.cpu_time.clone()),
        ("energy", none(&plan.energy)),
        ("groups", plan.groups.clone()),
        ("exports", none(&plan.exports)),
    ];
    let _ = writeln!(out, "{}", style.heading("Will use"));
    let indent = INDENT + style.mark_width() + 1 + column + 2;
    for (name, what) in rows {
        let _ = write!(out, "{:width$}{name:column$}  ", "", width = INDENT + style.mark_width() + 1);
        wrapped(out, &what, indent, style.width);
    }
    let verdict = if report.ok {
        "Ready: start the agent with 'prony run'."
    } else {
        "Not ready: what the agent cannot do without is marked above."
    };
    let _ = write!(out, "\n{verdict}\n");
}

/// Writes words with a break before the width is passed; the cursor stands at `indent`.
fn wrapped(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut at = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if at > indent && at + 1 + length > width {
            let _ = write!(out, "\n{:indent$}", "");
            at = indent;
        } else if at > indent {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
    }
    out.push('\n');
}

impl Style {
    fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// A required thing that is missing and an optional one have marks of their own.
    fn mark(self, finding: &Finding) -> String {
        let (sign, ascii, colour) = match finding.status {
            Status::Ok => ("✔", "ok", "32"),
            Status::Missing if finding.required => ("✘", "!!", "31"),
            Status::Missing => ("–", "no", "2"),
            Status::Degraded => ("▲", "! ", "33"),
            Status::Unknown => ("?", "? ", "36"),
        };
        self.paint(colour, if self.unicode { sign } else { ascii })
    }

    fn mark_width(self) -> usize {
        if self.unicode { 1 } else { 2 }
    }

    /// `colour` as a parameter of the terminal's SGR sequence (ECMA-48, 8.3.117).
    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
