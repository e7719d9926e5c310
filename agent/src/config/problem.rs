//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file: in a line, counted from 1, or as a whole.
    File(Arc<Path>, Option<usize>),
    /// In a variable of the environment.
    Environment(String),
    /// By a flag on the command line.
    Flag(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, Some(line)) => write!(out, "{}:{line}", path.display()),
            Self::File(path, None) => path.display().fmt(out),
            Self::Environment(name) => write!(out, "environment variable {name}"),
            Self::Flag(name) => out.write_str(name),
            Self::Default => out.write_str("by default"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that is wrong, or, as a warning, one that is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it was given.
    pub origin: Origin,
    /// What is wrong, with the value.
    pub problem: String,
    /// What to write instead; empty where the problem says it all.
    pub fix: String,
}

impl Problem {
    pub(super) fn new(origin: &Origin, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { origin: origin.clone(), problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.origin, self.problem)?;
        if self.fix.is_empty() { Ok(()) } else { write!(out, ": {}", self.fix) }
    }
}

/// Everything that is wrong with a configuration, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{problem}")?;
        }
        Ok(())
    }
}
