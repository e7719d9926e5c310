//! What a guest found.

use serde::{Deserialize, Serialize};

/// All that was looked at in one guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The kernel, as `uname -r` says it.
    pub kernel: String,
    /// How the agent has attached itself to context switches.
    pub attachment: String,
    /// What was looked at, in that order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it is.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// Figures, or what is wrong.
    pub detail: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As it has to be.
    Good,
    /// Not as it has to be.
    Bad,
    /// Not there on this kernel or machine, and why.
    Absent,
}

impl Report {
    /// Adds what `look` finds: its figures, or its error.
    pub fn check(&mut self, name: &str, look: impl FnOnce() -> anyhow::Result<String>) {
        let (outcome, detail) = match look() {
            Ok(figures) => (Outcome::Good, figures),
            Err(error) => (Outcome::Bad, format!("{error:#}")),
        };
        println!("{name}: {outcome:?}: {detail}");
        self.checks.push(Check { name: name.to_owned(), outcome, detail });
    }

    /// Adds that something is not there.
    pub fn absent(&mut self, name: &str, why: &str) {
        println!("{name}: not there: {why}");
        self.checks.push(Check { name: name.to_owned(), outcome: Outcome::Absent, detail: why.to_owned() });
    }

    /// The checks that came out so.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.outcome == outcome)
    }
}
