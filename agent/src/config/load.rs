//! Puts the configuration together: defaults, then the file, then this node's own file, then the environment, then flags.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::keys::{Key, key};
use super::problem::{ConfigErrors, Origin, Problem};
use super::schema::Config;
use super::tree::{self, Item};
use super::{check, environment, rules};

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/prony/prony.toml";

/// The key of the node's name.
const NODE_NAME: &str = "node_name";
/// The folder beside the file that holds what is special to single nodes.
const NODE_FOLDER: &str = "nodes";

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
    /// The files that were read: the one for all nodes, and this node's.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// The files that were read, for people; nothing where there was none.
    pub fn file_names(&self) -> Option<String> {
        let names: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// Loads the configuration from `file` (where `None`: from [`DEFAULT_FILE`] if there is one) and from what the folder
/// `nodes` beside it has for this node, `nodes/NAME.toml`, where the name is `machine` unless a variable or an override
/// says `node_name`; lays `variables` (see [`environment::variables`]) over it and `overrides` over all. Errors are all
/// there are, each with its place and what to write instead.
pub fn load(
    file: Option<&Path>,
    machine: &str,
    variables: &[(String, String)],
    overrides: &[Override],
) -> Result<Loaded, ConfigErrors> {
    let default = Path::new(DEFAULT_FILE);
    let file = file.or_else(|| default.exists().then_some(default));
    let by_flag = overrides.iter().find(|it| it.key == NODE_NAME).map(|it| it.value.as_str());
    let variable = key(NODE_NAME).and_then(Key::variable);
    let by_variable = || variables.iter().find(|it| Some(&it.0) == variable.as_ref()).map(|it| it.1.as_str());
    let node = by_flag.or_else(by_variable).unwrap_or(machine);
    let of_node = file.unwrap_or(default).with_file_name(NODE_FOLDER).join(format!("{node}.toml"));
    // A name with a slash would lead elsewhere.
    let of_node = Some(of_node).filter(|path| !node.contains('/') && path.exists());
    let files: Vec<PathBuf> = file.map(Path::to_owned).into_iter().chain(of_node).collect();
    let texts = files.iter().map(|file| Ok((file.as_path(), read(file)?))).collect::<Result<Vec<_>, ConfigErrors>>()?;
    Ok(Loaded { files: files.clone(), ..load_texts(&texts, variables, overrides)? })
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

/// As [`load`], from the text of one file.
pub fn load_text(
    file: &Path,
    text: &str,
    variables: &[(String, String)],
    overrides: &[Override],
) -> Result<Loaded, ConfigErrors> {
    load_texts(&[(file, text.to_owned())], variables, overrides)
}

/// As [`load`], from the texts of files; what a later one says goes over what an earlier one does.
fn load_texts(
    files: &[(&Path, String)],
    variables: &[(String, String)],
    overrides: &[Override],
) -> Result<Loaded, ConfigErrors> {
    let (mut root, mut problems) = (Item::empty(), Vec::new());
    for (file, text) in files {
        match tree::read(text, &Arc::from(*file)) {
            Ok(tree) => root.lay_over(tree),
            Err(found) => problems.extend(found),
        }
    }
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
                return Ok(Loaded { config, warnings, files: Vec::new() });
            }
        }
        Err(error) => problems.push(Problem::new(&Origin::Default, error.message().to_owned(), "")),
    }
    let place = |path: &Path| files.iter().position(|(file, _)| *file == path);
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::File(path, line) => (place(path), line.unwrap_or(0)),
        Origin::Environment(_) | Origin::Flag(_) | Origin::Default => (Some(usize::MAX), 0),
    });
    Err(ConfigErrors(problems))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
