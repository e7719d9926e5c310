//! The screen as it is drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Row as TableRow, Table};

use super::args::Granularity;
use super::format::{percent, printable, quantity, uncertainty};
use super::rows::Row;
use super::screen::{Link, Screen};
use super::zones::{provenance_label, zone_label};

/// Zones beyond these are told by their number only, so that the table keeps its place.
const MAX_ZONE_LINES: usize = 5;

const HELP: &str = "\
p m c o f  by process, command, cgroup, container, function
Tab      the next of these
w j u n  sort by watts, joules, CPU, name
r        the other way round
z        the next zone
/        type a filter; Esc takes it away
Space    pause
arrows, PgUp, PgDn, Home, End   scroll
q        quit
any key closes this";

/// With or without colours (<https://no-color.org>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Colour,
    Plain,
}

impl Theme {
    /// Without colours where `NO_COLOR` is set and not empty.
    pub(super) fn from_environment() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if refused { Self::Plain } else { Self::Colour }
    }

    fn colour(self, colour: Color) -> Style {
        match self {
            Self::Colour => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }
}

/// Draws everything; tells the screen how many rows fit.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen, theme: Theme) {
    let zones = zone_lines(screen, theme);
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(zones.len() as u16),
        Constraint::Min(2),
        Constraint::Length(1),
    ]);
    let [title, head, body, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(title_line(screen)).style(Modifier::BOLD), title);
    frame.render_widget(Paragraph::new(zones), head);
    screen.height = usize::from(body.height.saturating_sub(1));
    frame.render_widget(table(screen, body.width), body);
    frame.render_widget(Paragraph::new(status(screen)).style(status_style(screen, theme)), foot);
    if screen.help {
        help(frame);
    }
}

fn title_line(screen: &Screen) -> String {
    let node = screen.shown().picture.node.clone().unwrap_or_default();
    let zone = screen.zone().map_or_else(|| "-".into(), |zone| zone.label);
    let order = if screen.reverse { ", reversed" } else { "" };
    let (by, sort) = (screen.by.label(), screen.sort.label());
    let (name, cpus) = (printable(&node.name), node.cpus);
    format!("prony top  {name}  {cpus} CPUs  by {by}, zone {}, sorted by {sort}{order}", printable(&zone))
}

fn zone_lines(screen: &Screen, theme: Theme) -> Vec<Line<'static>> {
    let zones = &screen.shown().picture.zones;
    let line = |zone: &prony_proto::energy::v1::Zone| {
        let text = format!(
            "{:<12}{:>9} W  {:<9} {:<10} idle {:>8} W  {}",
            printable(&zone_label(zone)),
            quantity(zone.power_watts),
            uncertainty(zone.uncertainty),
            provenance_label(zone),
            quantity(zone.idle_power_watts),
            printable(&zone.source),
        );
        let colour = if provenance_label(zone) == "measured" { Color::Green } else { Color::Yellow };
        Line::styled(text, theme.colour(colour))
    };
    let mut lines: Vec<Line<'static>> = zones.iter().take(MAX_ZONE_LINES).map(line).collect();
    if zones.len() > MAX_ZONE_LINES {
        lines.push(Line::from(format!("and {} more (z shows each)", zones.len() - MAX_ZONE_LINES)));
    }
    lines
}

fn table(screen: &mut Screen, width: u16) -> Table<'static> {
    let rows = screen.rows();
    screen.top = screen.top.min(rows.len().saturating_sub(screen.height));
    let by = screen.by;
    let shown = rows.iter().skip(screen.top).take(screen.height).map(|row| {
        let style = if row.ended { Style::new().add_modifier(Modifier::DIM) } else { Style::new() };
        TableRow::new(cells(row, by)).style(style)
    });
    let (heads, widths) = columns(by, width);
    Table::new(shown, widths).header(TableRow::new(heads).style(Modifier::REVERSED))
}

fn columns(by: Granularity, width: u16) -> (Vec<String>, Vec<Constraint>) {
    let mut heads: Vec<String> = [("W", 9), ("J", 9), ("CPU %", 7)].map(|(head, wide)| format!("{head:>wide$}")).into();
    let mut widths = vec![Constraint::Length(9), Constraint::Length(9), Constraint::Length(7)];
    let name = |text: &str| text.to_owned();
    match by {
        Granularity::Process => {
            heads.extend([format!("{:>7}", "PID"), name("COMMAND"), name("CGROUP")]);
            widths.extend([Constraint::Length(7), Constraint::Length(17), Constraint::Min(10)]);
        }
        Granularity::Command => {
            heads.extend([name("COMMAND"), name("CGROUP")]);
            widths.extend([Constraint::Length(17), Constraint::Min(10)]);
        }
        Granularity::Cgroup => {
            heads.extend([name("CGROUP"), name("CONTAINER")]);
            let container = if width >= 60 { 12 } else { 0 };
            widths.extend([Constraint::Min(10), Constraint::Length(container)]);
        }
        Granularity::Container => {
            heads.extend([name("CONTAINER"), name("POD OR RUNTIME")]);
            widths.extend([Constraint::Length(12), Constraint::Min(10)]);
        }
        Granularity::Function => {
            heads.extend([name("FUNCTION"), name("PLATFORM AND NAMESPACE")]);
            widths.extend([Constraint::Fill(1), Constraint::Fill(1)]);
        }
    }
    (heads, widths)
}

fn cells(row: &Row, by: Granularity) -> Vec<String> {
    let mut cells = vec![
        format!("{:>9}", quantity(row.watts)),
        format!("{:>9}", quantity(row.joules)),
        format!("{:>7}", percent(row.cpu_percent)),
    ];
    if by == Granularity::Process {
        cells.push(format!("{:>7}", row.pid.unwrap_or_default()));
    }
    cells.extend([row.name.clone(), row.place.clone()]);
    cells
}

fn status(screen: &Screen) -> String {
    if screen.typing {
        return format!("filter: {}_   (Enter keeps it, Esc takes it away)", printable(&screen.filter));
    }
    let link = match &screen.link {
        Link::Connecting => format!("connecting to {}", screen.endpoint),
        Link::Following => screen.endpoint.clone(),
        Link::Lost(reason) | Link::Refused(reason) => return printable(reason),
    };
    let mut parts = vec![link];
    if screen.paused.is_some() {
        parts.push("PAUSED".into());
    }
    if let Some(others) = screen.others() {
        parts.push(format!("others {} W {} J", quantity(others.watts), quantity(others.joules)));
    }
    if screen.books.missed > 0 {
        parts.push(format!("{} messages missed", screen.books.missed));
    }
    if !screen.filter.is_empty() {
        parts.push(format!("filter '{}'", printable(&screen.filter)));
    }
    parts.push("? help".into());
    parts.join("  ")
}

fn status_style(screen: &Screen, theme: Theme) -> Style {
    match screen.link {
        Link::Lost(_) | Link::Refused(_) => theme.colour(Color::Red).add_modifier(Modifier::BOLD),
        _ => Style::new(),
    }
}

fn help(frame: &mut Frame<'_>) {
    let (width, height) = (58, HELP.lines().count() as u16 + 2);
    let area = frame.area();
    let area = Rect {
        x: area.x + area.width.saturating_sub(width) / 2,
        y: area.y + area.height.saturating_sub(height) / 2,
        width: width.min(area.width),
        height: height.min(area.height),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" keys ")), area);
}
