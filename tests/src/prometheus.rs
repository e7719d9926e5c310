//! A real Prometheus.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Running, free_tcp_address, get, wait_until};

/// Prometheus takes a few seconds to start, and a rate needs two scrapes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server that scrapes one agent. Its data lie in a folder that goes with it.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    folder: tempfile::TempDir,
    _process: Running,
}

impl Prometheus {
    /// One that scrapes `target` every second and evaluates the rules of a file every second.
    ///
    /// # Errors
    /// When it is not installed or cannot be started.
    pub fn start(target: SocketAddr, rules: Option<&Path>) -> Result<Self> {
        Self::start_with(target, rules, "")
    }

    /// As [`Self::start`]; `settings` are more of how it scrapes, in YAML, each line with two spaces before it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(target: SocketAddr, rules: Option<&Path>, settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("prometheus.yml");
        let rules = rules.map(|file| format!("rule_files: ['{}']\n", file.display())).unwrap_or_default();
        let scrape = format!(
            "{rules}scrape_configs:\n- job_name: prony\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
             static_configs:\n  - targets: ['{target}']\n{settings}"
        );
        fs::write(&config, scrape)?;
        let address = free_tcp_address()?;
        let binary = xtask::servers::find("prometheus").map_err(anyhow::Error::msg)?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log);
        Ok(Self { address, _process: Running::start(&mut command)?, folder })
    }

    /// What it answers to a path of its API, if it does.
    pub fn ask(&self, path: &str) -> Option<Value> {
        serde_json::from_slice(&get(self.address, path, &[]).ok()?.body).ok()
    }

    /// Asks until there is an answer that can be used.
    ///
    /// # Errors
    /// When there is none for long; the message has the last answer and the server's log.
    pub fn until<T>(&self, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let mut last = None;
        let found = wait_until(PATIENCE, || {
            last = self.ask(path);
            wanted(last.as_ref()?)
        });
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        found.with_context(|| format!("no answer to {path}; the last one is {last:?}; the log:\n{}", log()))
    }

    /// The values that a query gives, by the labels of each; at least one.
    ///
    /// # Errors
    /// As for [`Self::until`].
    pub fn query(&self, query: &str) -> Result<Vec<(Value, f64)>> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        self.until(&path, |answer| {
            let result = answer["data"]["result"].as_array().filter(|result| !result.is_empty())?;
            let value = |line: &Value| Some((line["metric"].clone(), line["value"][1].as_str()?.parse().ok()?));
            result.iter().map(value).collect()
        })
    }
}

/// Text as it stands in a URL's query.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The linter's only complaint: the unit in which books are exact is no base unit.
const KNOWN_LINT: &str = "prony_books_error_microjoules use base unit \"joules\" instead of \"microjoules\"";

/// Holds a page of metrics against Prometheus' own linter.
///
/// # Errors
/// When it finds something, or is not installed.
pub fn assert_lint(page: &str) -> Result<()> {
    let mut command = xtask::servers::command("promtool").map_err(anyhow::Error::msg)?;
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("promtool comes with Prometheus")?;
    child.stdin.take().context("a pipe")?.write_all(page.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // 3 is a complaint about style; 1 would be an error.
    ensure!([Some(0), Some(3)].contains(&output.status.code()), "{said}");
    let new: Vec<_> = said.lines().filter(|line| !line.is_empty() && *line != KNOWN_LINT).collect();
    ensure!(new.is_empty(), "{new:#?}");
    Ok(())
}
