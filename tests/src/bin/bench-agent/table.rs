//! Figures beside their limits.

use std::fmt;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    limit: Option<f64>,
    remark: String,
}

impl Row {
    /// A figure without a limit.
    pub(crate) fn new(what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, unit, limit: None, remark: String::new() }
    }

    /// Sets what it may not exceed, in the same unit.
    #[must_use]
    pub(crate) fn at_most(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Says how it came about.
    #[must_use]
    pub(crate) fn remark(self, remark: impl Into<String>) -> Self {
        Self { remark: remark.into(), ..self }
    }

    /// The figure.
    pub(crate) fn measured(&self) -> f64 {
        self.measured
    }

    /// Whether it exceeds its limit.
    pub(crate) fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.measured > limit || self.measured.is_nan())
    }
}

/// Begins the table.
pub(crate) fn begin() {
    println!("| agent | measured | limit | |");
    println!("|---|---:|---:|---|");
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, measured, unit, limit, remark } = self;
        let limit = limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit} {unit}"));
        let over = if self.is_over() { "**over**; " } else { "" };
        write!(out, "| {what} | {measured:.3} {unit} | {limit} | {over}{remark} |")
    }
}
