//! Puts the configuration together: defaults, then the file, then the environment, then flags.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::keys::key;
use super::problem::{ConfigErrors, Origin, Problem};
use super::schema::Config;
use super::tree::{self, Item};
use super::{check, environment, rules};

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/prony/prony.toml";

/// A file larger than this is surely something else.
const LARGEST_FILE: usize = 1 << 20;

/// A value from the command line, which goes over the file and the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The path of the key, for example `activity.window`.
    pub key: &'static str,
    /// The flag, for example `--window`.
    pub flag: &'static str,
    /// The value as it was written.
    pub value: String,
}

/// A good configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// It, with all defaults filled in.
    pub config: Config,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Loads the configuration from `file` (where `None`: from [`DEFAULT_FILE`] if there is one), lays `variables` (see
/// [`environment::variables`]) over it and `overrides` over both. Errors are all there are, each with its place and
/// what to write instead.
pub fn load(
    file: Option<&Path>,
    variables: &[(String, String)],
    overrides: &[Override],
) -> Result<Loaded, ConfigErrors> {
    let default = Path::new(DEFAULT_FILE);
    let file = file.or_else(|| default.exists().then_some(default));
    let text = file.map(read).transpose()?.unwrap_or_default();
    let loaded = load_text(file.unwrap_or(default), &text, variables, overrides)?;
    Ok(Loaded { file: file.map(Path::to_owned), ..loaded })
}

fn read(file: &Path) -> Result<String, ConfigErrors> {
    let refuse =
        |problem: String, fix: &str| ConfigErrors(vec![Problem::new(&Origin::File(file.into(), None), problem, fix)]);
    let bytes = std::fs::read(file).map_err(|error| {
        refuse(format!("cannot be read ({error})"), "name another file with --config, or make this one readable")
    })?;
    if bytes.len() > LARGEST_FILE {
        return Err(refuse(format!("has {} bytes", bytes.len()), "a configuration has at most 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| refuse("is no UTF-8 text".into(), "save it as UTF-8"))
}

/// As [`load`], from the text of a file.
pub fn load_text(
    file: &Path,
    text: &str,
    variables: &[(String, String)],
    overrides: &[Override],
) -> Result<Loaded, ConfigErrors> {
    let file: Arc<Path> = file.into();
    let (mut root, mut problems) = match tree::read(text, &file) {
        Ok(root) => (root, Vec::new()),
        Err(problems) => (Item::empty(), problems),
    };
    let mut warnings = environment::overlay(&mut root, variables);
    for Override { key: path, flag, value } in overrides {
        if let Some(key) = key(path) {
            root.set(path, key.kind.value_of(value), &Origin::Flag((*flag).into()));
        }
    }
    problems.extend(check::check(&mut root));
    match Config::deserialize(root.value()) {
        Ok(config) => {
            problems.extend(rules::errors(&config, &root));
            warnings.extend(rules::warnings(&config, &root));
            if problems.is_empty() {
                return Ok(Loaded { config, warnings, file: None });
            }
        }
        Err(error) => problems.push(Problem::new(&Origin::File(file, None), error.message().to_owned(), "")),
    }
    problems.sort_by_key(|problem| match problem.origin {
        Origin::File(_, line) => line.unwrap_or(0),
        Origin::Environment(_) | Origin::Flag(_) | Origin::Default => usize::MAX,
    });
    Err(ConfigErrors(problems))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
