//! How the agent says to the database who it is.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::config::InfluxdbConfig;

/// A larger file is surely something else.
const LARGEST: u64 = 64 << 10;

/// By what, which is read from its file whenever it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    Token(PathBuf),
    Password { user: String, file: PathBuf },
}

impl Credentials {
    pub(super) fn of(config: &InfluxdbConfig) -> Self {
        match (&config.token_file, &config.user, &config.password_file) {
            (Some(file), ..) => Self::Token(file.clone()),
            (None, Some(user), Some(file)) => Self::Password { user: user.clone(), file: file.clone() },
            _ => Self::None,
        }
    }

    /// The value of the header `Authorization`.
    ///
    /// # Errors
    /// Where the file cannot be read or used. The text names the key and the file, and shows no secret.
    pub(super) fn header(&self) -> anyhow::Result<Option<HeaderValue>> {
        let (key, file, text) = match self {
            Self::None => return Ok(None),
            Self::Token(file) => ("influxdb.token_file", file, format!("Token {}", read("influxdb.token_file", file)?)),
            Self::Password { user, file } => {
                let password = read("influxdb.password_file", file)?;
                let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                ("influxdb.password_file", file, text)
            }
        };
        let mut header = HeaderValue::from_str(&text).with_context(|| {
            format!("{key} {} has characters that no token has: write it alone, in one line", file.display())
        })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    /// What to look at where the database does not let the agent in.
    pub(super) fn keys(&self) -> &'static str {
        match self {
            Self::None => {
                "set influxdb.token_file (version 2), or influxdb.user and influxdb.password_file (version 1)"
            }
            Self::Token(_) => "does the token in influxdb.token_file have the right to write to influxdb.bucket?",
            Self::Password { .. } => {
                "are influxdb.user and what influxdb.password_file has right, and may that user write to influxdb.database?"
            }
        }
    }
}

fn read(key: &str, file: &Path) -> anyhow::Result<String> {
    let unreadable = || {
        format!("{key} {} cannot be read: name a file that is there and that the agent's user may read", file.display())
    };
    let mut text = String::new();
    File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)).with_context(unreadable)?;
    ensure!(text.len() as u64 <= LARGEST, "{key} {} has more than 64 KiB: is it the right file?", file.display());
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(!secret.is_empty(), "{key} {} is empty: write the secret into it, in one line", file.display());
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, text).expect("written");
        (folder, file)
    }

    #[test]
    fn a_line_is_a_secret_and_never_shown() {
        let (_folder, file) = written("s3cr:et\n");
        let token = Credentials::Token(file.clone()).header().expect("good").expect("there");
        assert_eq!(token, "Token s3cr:et");
        let password = Credentials::Password { user: "prony".into(), file }.header().expect("good").expect("there");
        assert_eq!(password, "Basic cHJvbnk6czNjcjpldA==");
        assert!(!format!("{token:?}{password:?}").contains("s3cr"));
    }

    #[test]
    fn what_is_wrong_is_told_by_key_and_file() {
        for (text, told) in [("", "is empty"), ("two\nlines\n", "has characters that no token has")] {
            let (_folder, file) = written(text);
            let error = format!("{:#}", Credentials::Token(file).header().expect_err(told));
            assert!(error.starts_with("influxdb.token_file /") && error.contains(told), "{error}");
            assert!(!error.contains("lines"), "{error}");
        }
        let error = Credentials::Token("/nowhere".into()).header().expect_err("no file").to_string();
        assert!(error.starts_with("influxdb.token_file /nowhere cannot be read"), "{error}");
    }
}
