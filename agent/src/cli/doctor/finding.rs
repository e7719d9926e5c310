//! What the doctor says about one thing.

use serde::Serialize;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is there and works.
    Ok,
    /// It is not there.
    Missing,
    /// It is there in part, or works with losses.
    Degraded,
    /// It could not be found out.
    Unknown,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// The machine and its configuration.
    Machine,
    /// What the kernel offers.
    Kernel,
    /// What this process may do.
    Permissions,
    /// What measures power.
    Power,
    /// What tells processes and containers apart.
    Workloads,
    /// What the agent serves.
    Exports,
}

impl Section {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Machine, Self::Kernel, Self::Permissions, Self::Power, Self::Workloads, Self::Exports];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Machine => "Machine",
            Self::Kernel => "Kernel",
            Self::Permissions => "Permissions",
            Self::Power => "Power",
            Self::Workloads => "Workloads",
            Self::Exports => "Exports",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it belongs.
    pub section: Section,
    /// Its name, which scripts may rely on.
    pub name: String,
    /// How it stands.
    pub status: Status,
    /// Whether the agent cannot account for anything without it.
    pub required: bool,
    /// What was found and what it means.
    pub meaning: String,
    /// How to get what is missing; empty where nothing is.
    pub fix: String,
}

impl Finding {
    /// A finding that is not required and has nothing to mend.
    pub fn new(section: Section, name: impl Into<String>, status: Status, meaning: impl Into<String>) -> Self {
        Self { section, name: name.into(), status, required: false, meaning: meaning.into(), fix: String::new() }
    }

    /// The same, with how to get what is missing.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// The same, as something that the agent cannot do without.
    #[must_use]
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Whether the agent cannot account for anything because of this.
    pub fn is_fatal(&self) -> bool {
        self.required && self.status == Status::Missing
    }
}
