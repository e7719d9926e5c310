//! One picture as text, JSON or comma-separated values.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use prony_proto::energy::v1 as pb;
use serde::Serialize;

use super::args::{Output, TopArgs};
use super::books::Books;
use super::format::{csv_field, percent, printable, quantity, uncertainty};
use super::rows::{Order, Row, others, rows};
use super::zones::{ZoneGroup, default_group, groups, provenance_label, zone_label};

/// The picture as text.
pub(super) fn render(books: &Books, args: &TopArgs) -> anyhow::Result<String> {
    let zone = zone(books, args)?;
    let rows = match &zone {
        Some(zone) => rows(books, zone, &Order { sort: args.sort, reverse: false, filter: "" }),
        None => Vec::new(),
    };
    let shown = &rows[..rows.len().min(args.lines.unwrap_or(usize::MAX))];
    let rest = zone.as_ref().map(|zone| rest(&rows[shown.len()..], others(books, zone)));
    match args.output {
        Output::Table => Ok(table(books, zone.as_ref(), shown, rest.as_ref())),
        Output::Csv => Ok(csv(zone.as_ref(), shown, rest.as_ref())),
        Output::Json => json(books, zone.as_ref(), shown, rest.as_ref()),
    }
}

fn zone(books: &Books, args: &TopArgs) -> anyhow::Result<Option<ZoneGroup>> {
    let groups = groups(&books.picture.zones);
    let Some(wanted) = &args.zone else { return Ok(groups.get(default_group(&groups)).cloned()) };
    let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
    let found = groups.iter().find(|group| group.label == *wanted);
    let found = found.with_context(|| format!("the agent has no zone '{wanted}'; it has: {}", labels.join(", ")))?;
    Ok(Some(found.clone()))
}

/// The others and the rows that are not shown, as one row.
fn rest(hidden: &[Row], others: Row) -> Row {
    hidden.iter().fold(others, |sum, row| Row {
        watts: sum.watts + row.watts,
        joules: sum.joules + row.joules,
        cpu_percent: sum.cpu_percent.zip(row.cpu_percent).map(|(sum, row)| sum + row),
        ..sum
    })
}

fn table(books: &Books, zone: Option<&ZoneGroup>, shown: &[Row], rest: Option<&Row>) -> String {
    let mut text = String::new();
    let node = books.picture.node.clone().unwrap_or_default();
    let label = zone.map_or("none", |zone| &zone.label);
    let _ = writeln!(text, "{}  {} CPUs  zone {}", printable(&node.name), node.cpus, printable(label));
    for zone in &books.picture.zones {
        let _ = writeln!(
            text,
            "{:<12}{:>9} W  {:<9} {:<10} {}",
            printable(&zone_label(zone)),
            quantity(zone.power_watts),
            uncertainty(zone.uncertainty),
            provenance_label(zone),
            printable(&zone.source),
        );
    }
    let _ = writeln!(text, "{:>9} {:>9} {:>7} {:>8}  NAME", "W", "J", "CPU %", "PID");
    for row in shown.iter().chain(rest) {
        let (watts, joules) = (quantity(row.watts), quantity(row.joules));
        let pid = row.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let line =
            format!("{watts:>9} {joules:>9} {:>7} {pid:>8}  {:<16} {}", percent(row.cpu_percent), row.name, row.place);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn csv(zone: Option<&ZoneGroup>, shown: &[Row], rest: Option<&Row>) -> String {
    let mut text = String::from("zone,watts,joules,cpu_percent,pid,name,place,ended\n");
    let label = csv_field(zone.map_or("", |zone| &zone.label));
    for row in shown.iter().chain(rest) {
        let pid = row.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let cpu = row.cpu_percent.map(|percent| format!("{percent:.3}")).unwrap_or_default();
        let (name, place) = (csv_field(&row.name), csv_field(&row.place));
        let _ = writeln!(text, "{label},{:.6},{:.6},{cpu},{pid},{name},{place},{}", row.watts, row.joules, row.ended);
    }
    text
}

#[derive(Serialize)]
struct JsonPicture<'a> {
    node: &'a str,
    cpus: u32,
    at: String,
    interval_seconds: f64,
    zone: Option<&'a str>,
    zones: Vec<JsonZone<'a>>,
    lines: Vec<JsonRow<'a>>,
    others: Option<JsonRow<'a>>,
}

#[derive(Serialize)]
struct JsonZone<'a> {
    zone: String,
    source: &'a str,
    provenance: &'static str,
    uncertainty: f64,
    watts: f64,
    idle_watts: f64,
    joules: f64,
    active_joules: f64,
    idle_joules: f64,
    unattributed_joules: f64,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    watts: f64,
    joules: f64,
    cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    name: &'a str,
    place: &'a str,
    ended: bool,
}

impl<'a> From<&'a Row> for JsonRow<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            watts: row.watts,
            joules: row.joules,
            cpu_percent: row.cpu_percent,
            pid: row.pid,
            name: &row.name,
            place: &row.place,
            ended: row.ended,
        }
    }
}

impl<'a> From<&'a pb::Zone> for JsonZone<'a> {
    fn from(zone: &'a pb::Zone) -> Self {
        let joules = |microjoules: u64| microjoules as f64 / 1e6;
        Self {
            zone: zone_label(zone),
            source: &zone.source,
            provenance: provenance_label(zone),
            uncertainty: zone.uncertainty,
            watts: zone.power_watts,
            idle_watts: zone.idle_power_watts,
            joules: joules(zone.measured_microjoules),
            active_joules: joules(zone.active_microjoules),
            idle_joules: joules(zone.idle_microjoules),
            unattributed_joules: joules(zone.unattributed_microjoules),
        }
    }
}

fn json(books: &Books, zone: Option<&ZoneGroup>, shown: &[Row], rest: Option<&Row>) -> anyhow::Result<String> {
    let node = books.picture.node.as_ref();
    let picture = JsonPicture {
        node: node.map_or("", |node| &node.name),
        cpus: node.map_or(0, |node| node.cpus),
        at: books.picture.at.as_ref().map(rfc3339).unwrap_or_default(),
        interval_seconds: books.interval.unwrap_or_default().as_secs_f64(),
        zone: zone.map(|zone| zone.label.as_str()),
        zones: books.picture.zones.iter().map(JsonZone::from).collect(),
        lines: shown.iter().map(JsonRow::from).collect(),
        others: rest.map(JsonRow::from),
    };
    let mut text = serde_json::to_string_pretty(&picture).context("cannot write JSON")?;
    text.push('\n');
    Ok(text)
}

/// The last second of the year 9999: RFC 3339 writes none after it.
const LAST_SECOND: i64 = 253_402_300_799;

fn rfc3339(at: &prost_types::Timestamp) -> String {
    let (seconds, nanoseconds) = (at.seconds.clamp(0, LAST_SECOND), at.nanos.clamp(0, 999_999_999));
    let since_epoch = Duration::new(seconds.cast_unsigned(), nanoseconds.cast_unsigned());
    humantime::format_rfc3339_nanos(UNIX_EPOCH + since_epoch).to_string()
}
