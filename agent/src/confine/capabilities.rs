//! The capabilities of a thread.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::{Errno, Result};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::role::Role;

/// What some configurations need beyond the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    /// Programs are attached to the packets of cgroups that come later.
    pub(super) sockets: bool,
    /// A meter pushes to a port below 1024, which is opened when its network is there.
    pub(super) low_port: bool,
}

/// What a role needs, whether or not this process has it.
pub(super) fn needed(role: &Role, extras: Extras) -> CapabilitySet {
    let when = |wanted: bool, capability: CapabilitySet| if wanted { capability } else { CapabilitySet::empty() };
    match role {
        Role::Attend | Role::Measure => CapabilitySet::DAC_READ_SEARCH,
        Role::Serve => when(extras.low_port, CapabilitySet::NET_BIND_SERVICE),
        Role::Account => {
            CapabilitySet::BPF
                | CapabilitySet::PERFMON
                | CapabilitySet::DAC_READ_SEARCH
                | CapabilitySet::SYS_PTRACE
                | when(extras.sockets, CapabilitySet::NET_ADMIN)
        }
        Role::Record => CapabilitySet::empty(),
        Role::Write(folder) => {
            let is_ours = fs::metadata(folder).is_ok_and(|folder| folder.uid() == geteuid().as_raw());
            when(!is_ours, CapabilitySet::DAC_OVERRIDE)
        }
    }
}

/// Keeps of what this thread has only what is needed, and returns what that is.
pub(super) fn keep(needed: CapabilitySet) -> Result<CapabilitySet> {
    let permitted = capabilities(None)?.permitted;
    let kept = of_permitted(needed, permitted);
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(kept)
}

/// Before kernel 5.8, and in containers made for it, `CAP_SYS_ADMIN` stands for the two that came then.
fn of_permitted(needed: CapabilitySet, permitted: CapabilitySet) -> CapabilitySet {
    let newer = needed & (CapabilitySet::BPF | CapabilitySet::PERFMON);
    let instead = if permitted.contains(newer) { CapabilitySet::empty() } else { CapabilitySet::SYS_ADMIN };
    (needed | instead) & permitted
}

/// Empties the sets that programs started by this thread could have capabilities from.
pub(super) fn leave_none_to_programs() -> Result<()> {
    match clear_ambient_capability_set() {
        // Before kernel 4.3 there is none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    for (_, capability) in CapabilitySet::all().iter_names() {
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability)?,
            // This kernel does not know it.
            Ok(false) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// As they are called elsewhere; `none` where there are none.
pub(super) fn names(capabilities: CapabilitySet) -> String {
    let names: Vec<_> = capabilities.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_newer_capabilities_the_older_one_is_kept() {
        let needed = needed(&Role::Account, Extras::default());
        let old = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::SYS_MODULE;
        assert_eq!(of_permitted(needed, old), CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE);
        assert_eq!(of_permitted(needed, CapabilitySet::all()), needed);
        assert_eq!(of_permitted(CapabilitySet::empty(), old), CapabilitySet::empty());
    }

    #[test]
    fn what_a_configuration_needs_more_is_kept_where_it_is_needed() {
        let extras = Extras { sockets: true, low_port: true };
        let more = |role: &Role| names(needed(role, extras) - needed(role, Extras::default()));
        assert_eq!(more(&Role::Account), "CAP_NET_ADMIN");
        assert_eq!(more(&Role::Serve), "CAP_NET_BIND_SERVICE");
        assert_eq!(more(&Role::Measure), "none");
    }

    #[test]
    fn a_folder_of_ones_own_needs_no_capability() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(needed(&Role::Write(folder.path().into()), Extras::default()), CapabilitySet::empty());
    }
}
