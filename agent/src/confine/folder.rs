//! Keeping a thread to the files of one folder.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, path_beneath_rules,
};

/// The newest form of Landlock whose rights are made use of; what a kernel does not know of it is left out.
const KNOWN: ABI = ABI::V5;

/// Lets this thread open no file from now on but those in `folder`, which it may make, read, write, rename and remove.
pub(super) fn keep_to(folder: &Path) -> Result<RulesetStatus, RulesetError> {
    let allowed: BitFlags<AccessFs> = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules([folder], allowed))?
        .restrict_self()?;
    Ok(restricted.ruleset)
}
