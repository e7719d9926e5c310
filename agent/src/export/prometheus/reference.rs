//! `docs/metrics.md`, from the very tables that metrics are written from.

use std::fmt::Write as _;

use crate::telemetry;

use super::table;

/// The text of `docs/metrics.md`.
pub fn reference() -> String {
    let mut out = String::from(include_str!("reference_introduction.md"));
    for section in table::SECTIONS {
        let rows = section
            .families
            .iter()
            .map(|family| Row {
                name: family.name,
                kind: family.kind.label(),
                unit: family.unit,
                labels: family.labels,
                help: family.help,
            })
            .collect();
        push_section(&mut out, section.title, section.introduction, rows);
    }
    let rows = telemetry::ALL
        .iter()
        .map(|metric| Row {
            name: metric.name,
            kind: metric.kind.label(),
            unit: "",
            labels: metric.labels,
            help: metric.help,
        })
        .collect();
    push_section(&mut out, "The agent's own telemetry", "How the agent itself is doing.", rows);
    out
}

struct Row {
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

fn push_section(out: &mut String, title: &str, introduction: &str, rows: Vec<Row>) {
    let _ = write!(
        out,
        "\n## {title}\n\n{introduction}\n\n| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n"
    );
    for Row { name, kind, unit, labels, help } in rows {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "| `{name}` | {kind} | {unit} | {labels} | {} |", help.replace('|', "\\|"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_committed_reference_is_what_the_code_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        if std::env::var_os("PRONY_REGENERATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, reference()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == reference(),
            "docs/metrics.md is not what the code says; write it anew with\n    \
             PRONY_REGENERATE=1 cargo test -p prony --lib export::prometheus::reference"
        );
    }
}
