//! Folders of files from the text of a case.

use std::fs;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// The most files of a case, and the longest path of one: what a machine has, without what only takes time.
const MOST_FILES: usize = 64;
const LONGEST_PATH: usize = 200;

/// The states that a tree of files is in one after the other. A line `--- PATH` begins a file, which ends before the next
/// such line; a line `===` begins the next state, in which files that are not given are gone.
pub(super) fn states(data: &[u8]) -> Vec<Vec<(PathBuf, Vec<u8>)>> {
    let mut states = vec![Vec::new()];
    let mut file: Option<(PathBuf, Vec<u8>)> = None;
    let mut files = 0;
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        let state = states.last_mut().expect("there is always one");
        if let Some(path) = line.strip_prefix(b"--- ") {
            state.extend(file.take());
            files += 1;
            file = path_of(path).filter(|_| files <= MOST_FILES).map(|path| (path, Vec::new()));
        } else if line.starts_with(b"===") {
            state.extend(file.take());
            states.push(Vec::new());
        } else if let Some((_, content)) = &mut file {
            content.extend(line);
        }
    }
    states.last_mut().expect("there is always one").extend(file);
    states.truncate(4);
    states
}

/// A path that stays below the tree.
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    let path = Path::new(std::str::from_utf8(bytes).ok()?.trim_end());
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let usual = path.as_os_str().len() <= LONGEST_PATH && !bytes.contains(&0);
    (below && usual && path.file_name().is_some()).then(|| path.into())
}

/// A folder that is removed in the end.
pub(super) struct Tree {
    root: TempDir,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file; one that is in the way of its folder, or the other way round, stays.
    pub(super) fn write(&self, path: impl AsRef<Path>, content: &[u8]) {
        let file = self.root.path().join(path);
        let written = file.parent().map(fs::create_dir_all).and_then(Result::ok);
        if written.is_some() {
            let _ = fs::write(file, content);
        }
    }

    /// Replaces all files by these.
    pub(super) fn replace(&self, files: &[(PathBuf, Vec<u8>)]) {
        for entry in fs::read_dir(self.root.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
        for (path, content) in files {
            self.write(path, content);
        }
    }
}
