//! Forms in which commands answer.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

/// For people or for scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

/// Prints `value` as indented JSON. A reader that has gone away is no error.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints `text`. A reader that has gone away is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the place that text goes to can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether it shows more than ASCII.
    pub(super) unicode: bool,
    /// Whether it shows colours.
    pub(super) colour: bool,
    /// How many characters fit on a line.
    pub(super) width: usize,
}

impl Style {
    const WIDEST: usize = 110;
    const NARROWEST: usize = 60;

    /// Of standard output, from the locale, `NO_COLOR` (<https://no-color.org>) and the terminal.
    pub(super) fn of_stdout() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let locale = locale.unwrap_or_default().to_lowercase();
        let terminal = std::io::stdout().is_terminal();
        let columns = if terminal { crossterm::terminal::size().ok() } else { None };
        Self {
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            width: columns.map_or(Self::WIDEST, |(width, _)| usize::from(width)).clamp(Self::NARROWEST, Self::WIDEST),
        }
    }
}
