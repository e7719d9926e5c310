//! A real `InfluxDB`, version 1.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Running, encoded, free_tcp_address, get, wait_until};

/// It takes some seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server with one database, which may go away and come back. Its data lie in a folder that goes with it.
#[derive(Debug)]
pub struct InfluxDb {
    address: SocketAddr,
    folder: TempDir,
    process: Option<Running>,
}

/// The points of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// Its tags.
    pub tags: Value,
    /// Nanoseconds since the Unix epoch, and the first field; those without a value are left out.
    pub points: Vec<(u64, f64)>,
}

impl InfluxDb {
    /// The database's name.
    pub const DATABASE: &str = "power";

    /// One that runs.
    ///
    /// # Errors
    /// When it is not installed or does not answer.
    pub fn start() -> Result<Self> {
        let mut server = Self { address: free_tcp_address()?, folder: tempfile::tempdir()?, process: None };
        server.come_back()?;
        server.make(Self::DATABASE)?;
        Ok(server)
    }

    /// Makes a database.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn make(&self, database: &str) -> Result<()> {
        self.ask(&format!("CREATE DATABASE {database}")).map(drop)
    }

    /// The agent's configuration for it.
    pub fn config(&self) -> String {
        format!("[influxdb]\nurl = 'http://{}'\ndatabase = '{}'\n", self.address, Self::DATABASE)
    }

    /// Ends it at once, as `kill -9` does. What it has taken stays on its disk.
    pub fn go_away(&mut self) {
        self.process = None;
    }

    /// Starts it again.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn come_back(&mut self) -> Result<()> {
        let binary = xtask::servers::find("influxd").map_err(anyhow::Error::msg)?;
        let within = |name: &str| self.folder.path().join(name);
        let log = File::options().create(true).append(true).open(within("log"))?;
        let mut command = Command::new(binary);
        command
            .args(["run", "-config", "/dev/null"])
            .env("INFLUXDB_HTTP_BIND_ADDRESS", self.address.to_string())
            .env("INFLUXDB_BIND_ADDRESS", free_tcp_address()?.to_string())
            .env("INFLUXDB_META_DIR", within("meta"))
            .env("INFLUXDB_DATA_DIR", within("data"))
            .env("INFLUXDB_DATA_WAL_DIR", within("wal"))
            .env("INFLUXDB_REPORTING_DISABLED", "true")
            .env("INFLUXDB_MONITOR_STORE_ENABLED", "false")
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(Running::start(&mut command)?);
        let answers =
            wait_until(PATIENCE, || get(self.address, "/ping", &[]).is_ok_and(|it| it.status == 204).then_some(()));
        let log = || fs::read_to_string(within("log")).unwrap_or_default();
        answers.with_context(|| format!("InfluxDB does not answer; its log:\n{}", log()))
    }

    /// What a query gives: the series of its only statement.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub fn query(&self, query: &str) -> Result<Vec<Points>> {
        let answer = self.ask(query)?;
        let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
        series.iter().map(points).collect()
    }

    fn ask(&self, query: &str) -> Result<Value> {
        let path = format!("/query?db={}&epoch=ns&q={}", Self::DATABASE, encoded(query));
        let answer: Value = serde_json::from_slice(&get(self.address, &path, &[])?.body)?;
        let error = answer["error"].as_str().or_else(|| answer["results"][0]["error"].as_str());
        ensure!(error.is_none(), "{query}: {error:?}");
        Ok(answer)
    }
}

fn points(series: &Value) -> Result<Points> {
    let rows = series["values"].as_array().context("a series has values")?;
    let point = |row: &Value| Some((row[0].as_u64()?, row[1].as_f64()?));
    Ok(Points { tags: series["tags"].clone(), points: rows.iter().filter_map(point).collect() })
}

impl Points {
    /// The integral: every value counts since the point before it.
    pub fn integral(&self) -> f64 {
        self.points.windows(2).map(|two| two[1].1 * (two[1].0 - two[0].0) as f64 / 1e9).sum()
    }
}
