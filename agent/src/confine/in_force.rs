//! What holds of all that a thread is to give up.

use landlock::RulesetStatus;
use metrics::gauge;

use crate::config::SeccompMode;
use crate::telemetry;

/// Of all threads together: what one of them lacks, all lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) no_new_privs: Part,
    pub(super) capabilities: Part,
    pub(super) seccomp: Part,
    pub(super) landlock: Part,
}

/// One of the ways, the better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// It is not wanted.
    Off,
    /// No thread has asked for it yet.
    Unused,
    /// It holds.
    On,
    /// Calls are only logged.
    Log,
    /// It holds as far as this kernel knows it.
    Partly,
    /// This machine does not have it.
    Unavailable,
}

impl Part {
    const fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unused => "unused",
            Self::On => "on",
            Self::Log => "log",
            Self::Partly => "partly",
            Self::Unavailable => "unavailable",
        }
    }

    /// Takes over what a thread has met: the worst stays.
    pub(super) fn met(&mut self, part: Self) {
        *self = part.max(*self);
    }
}

impl From<SeccompMode> for Part {
    fn from(mode: SeccompMode) -> Self {
        match mode {
            SeccompMode::Enforce => Self::On,
            SeccompMode::Log => Self::Log,
            SeccompMode::Off => Self::Off,
        }
    }
}

impl From<RulesetStatus> for Part {
    fn from(status: RulesetStatus) -> Self {
        match status {
            RulesetStatus::FullyEnforced => Self::On,
            RulesetStatus::PartiallyEnforced => Self::Partly,
            RulesetStatus::NotEnforced => Self::Unavailable,
        }
    }
}

impl InForce {
    /// Before any thread has given up anything.
    pub(super) fn nothing() -> Self {
        Self { no_new_privs: Part::Off, capabilities: Part::Off, seccomp: Part::Off, landlock: Part::Unused }
    }

    /// As telemetry.
    pub(super) fn tell(self) {
        let Self { no_new_privs, capabilities, seccomp, landlock } = self;
        gauge!(
            telemetry::CONFINEMENT.name,
            "no_new_privs" => no_new_privs.label(),
            "capabilities" => capabilities.label(),
            "seccomp" => seccomp.label(),
            "landlock" => landlock.label()
        )
        .set(1.0);
    }
}

impl std::fmt::Display for InForce {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { no_new_privs, capabilities: _, seccomp, landlock } = self;
        write!(
            out,
            "filter of system calls {}, Landlock {}, no new privileges {}",
            seccomp.label(),
            landlock.label(),
            no_new_privs.label()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_thread_lacks_all_lack() {
        let mut part = Part::Unused;
        let mut meet = |status: RulesetStatus| {
            part.met(status.into());
            part
        };
        assert_eq!(meet(RulesetStatus::FullyEnforced), Part::On);
        assert_eq!(meet(RulesetStatus::PartiallyEnforced), Part::Partly);
        assert_eq!(meet(RulesetStatus::FullyEnforced), Part::Partly);
        assert_eq!(meet(RulesetStatus::NotEnforced), Part::Unavailable);
        assert_eq!(meet(RulesetStatus::FullyEnforced), Part::Unavailable);
    }
}
