//! The filter of a thread's system calls.

use std::env::consts::ARCH;

use seccompiler::{BackendError, BpfProgram, SeccompAction as Action, SeccompFilter, TargetArch, apply_filter};

use crate::config::SeccompMode;

use super::calls::{self, Calls, NOT_THERE};
use super::role::Role;

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    /// It cannot be made for this machine.
    #[error("it cannot be made for {ARCH} ({0})")]
    NotMade(#[from] BackendError),
    /// The kernel does not take it.
    #[error("the kernel does not take it ({0})")]
    Refused(#[from] seccompiler::Error),
}

/// Filters the calls of this thread, and of those that it starts, from now on.
pub(super) fn install(role: &Role, mode: SeccompMode, watches_sockets: bool) -> Result<(), FilterError> {
    for program in programs(role, mode, watches_sockets)? {
        apply_filter(&program)?;
    }
    Ok(())
}

fn programs(role: &Role, mode: SeccompMode, watches_sockets: bool) -> Result<Vec<BpfProgram>, BackendError> {
    let not_allowed = match mode {
        SeccompMode::Off => return Ok(Vec::new()),
        SeccompMode::Log => Action::Log,
        SeccompMode::Enforce => Action::Errno(libc::EPERM as u32),
    };
    let mut programs = Vec::new();
    if mode == SeccompMode::Enforce {
        // Before the other, which lets none come after it. Of their answers the kernel takes the stricter one.
        let not_there = NOT_THERE.iter().map(|&call| (call, Vec::new())).collect();
        programs.push(program(not_there, Action::Allow, Action::Errno(libc::ENOSYS as u32))?);
    }
    programs.push(program(calls::of(role, watches_sockets)?, not_allowed, Action::Allow)?);
    Ok(programs)
}

fn program(calls: Calls, otherwise: Action, then: Action) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(calls, otherwise, then, TargetArch::try_from(ARCH)?)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_filter_that_is_small() {
        let roles = [Role::Attend, Role::Serve, Role::Account, Role::Measure, Role::Record, Role::Write("/".into())];
        for role in roles {
            let lengths = |mode| {
                let programs = programs(&role, mode, true).unwrap();
                programs.iter().map(Vec::len).collect::<Vec<_>>()
            };
            assert_eq!(lengths(SeccompMode::Enforce).len(), 2, "{role:?}");
            assert!(lengths(SeccompMode::Log)[0] < 1_000, "{role:?}: {:?}", lengths(SeccompMode::Log));
            assert!(lengths(SeccompMode::Off).is_empty());
        }
    }
}
