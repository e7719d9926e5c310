//! The result for people.

use std::fmt::Write as _;

use super::findings::Findings;

/// A table with a line for each zone and source, and what should be known.
pub(super) fn text(found: &Findings) -> String {
    let loads = found.steps.iter().map(|step| match step.busy_cpus {
        0 => "idle".to_owned(),
        1 => "1 CPU".to_owned(),
        cpus => format!("{cpus} CPUs"),
    });
    let heads: Vec<String> = ["ZONE", "SOURCE", "STATIC W"].map(str::to_owned).into_iter().chain(loads).collect();
    let watts =
        |watts: Option<crate::units::Watts>| watts.map_or_else(|| "-".into(), |watts| format!("{:.3}", watts.0));
    let lines = found.zones.iter().map(|found| {
        let steps = found.watts.iter().map(|step| watts(*step));
        let own = [found.zone.to_string(), found.source.to_string(), watts(found.static_watts)];
        own.into_iter().chain(steps).collect::<Vec<_>>()
    });
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(lines).collect();
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Names to the left, figures to the right.
            let _ = if place < 2 { write!(line, "{cell:width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for note in &found.notes {
        let _ = writeln!(out, "{note}");
    }
    for (what, file) in [("kept in", &found.profile), ("power by load for other machines in", &found.power_profile)] {
        if let Some(file) = file {
            let _ = writeln!(out, "{what} {file}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::findings::{StepFound, ZoneFound};
    use super::*;
    use crate::source::SourceId;
    use crate::units::{RelativeUncertainty, Watts};

    #[test]
    fn each_zone_is_a_line() {
        let found = Findings {
            steps: [0, 1, 16, 0].map(|busy_cpus| StepFound { busy_cpus, seconds: 7.5, load_percent: None }).into(),
            zones: vec![ZoneFound {
                zone: "package-0".parse().unwrap(),
                source: SourceId("rapl-perf".into()),
                static_watts: Some(Watts(8.25)),
                watts: vec![Some(Watts(8.2)), Some(Watts(20.0)), None, Some(Watts(8.3))],
                uncertainty: RelativeUncertainty(0.02),
            }],
            notes: vec!["a note".into()],
            profile: Some("profile.json".into()),
            power_profile: None,
        };
        assert_eq!(
            text(&found),
            "ZONE       SOURCE     STATIC W   idle   1 CPU  16 CPUs   idle\n\
             package-0  rapl-perf     8.250  8.200  20.000        -  8.300\n\
             a note\nkept in profile.json\n"
        );
    }
}
