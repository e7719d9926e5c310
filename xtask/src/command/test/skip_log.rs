//! The file in which tests write down that they could not run here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// A file that tests append `name: reason` to; its path is in their environment.
#[derive(Debug)]
pub(super) struct SkipLog {
    path: PathBuf,
}

impl SkipLog {
    /// The variable that has the file's path.
    pub(super) const VARIABLE: &str = "PRONY_SKIP_LOG";

    /// A new, empty file.
    pub(super) fn create() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("prony-skipped-{}", process::id()));
        fs::write(&path, "")?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The tests that skipped since the last call, each once, with their reasons.
    pub(super) fn take(&self) -> io::Result<Vec<(String, String)>> {
        let text = fs::read_to_string(&self.path)?;
        fs::write(&self.path, "")?;
        Ok(parse(&text))
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

fn parse(text: &str) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_once(": ").unwrap_or((line, "no reason given")))
        .filter(|(name, _)| seen.insert(*name))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_says_it_twice_is_skipped_once() {
        let skips = parse("a::b: not root: run it with sudo\na::b: not root: run it with sudo\n\nc: no BTF\n");
        assert_eq!(
            skips,
            [("a::b".to_owned(), "not root: run it with sudo".to_owned()), ("c".to_owned(), "no BTF".to_owned())]
        );
    }
}
