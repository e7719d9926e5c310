//! A real Chromium without a screen, driven by `WebDriver` (<https://www.w3.org/TR/webdriver2/>).

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Running, free_tcp_address, needs_server, wait_until};

/// Chromium takes a few seconds to start, more so on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What Chromium is started with: no screen, nothing asked for of anybody but the page. Root has no sandbox.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A window with one page. It is closed when it is dropped.
#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    client: Client,
    _driver: Running,
    _profile: TempDir,
}

/// Why there can be none here.
pub fn needs_browser() -> Option<String> {
    needs_server("chromium").or_else(|| needs_server("chromedriver"))
}

impl Browser {
    /// One of this many pixels.
    ///
    /// # Errors
    /// When Chromium or its driver is not installed or cannot be started.
    pub fn start((width, height): (u32, u32)) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let address = free_tcp_address()?;
        let mut driver = xtask::servers::command("chromedriver").map_err(anyhow::Error::msg)?;
        let browser = xtask::servers::command("chromium").map_err(anyhow::Error::msg)?;
        // It starts the browser, which finds its libraries by what the driver was told.
        driver.envs(browser.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let log = File::create(profile.path().join("driver.log"))?;
        driver.arg(format!("--port={}", address.port())).stdout(Stdio::null()).stderr(log);
        let driver = Running::start(&mut driver)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.path().join("profile").display()));
        let options = json!({ "args": arguments, "binary": browser.get_program().to_string_lossy() });
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://{address}");
        let client = wait_until(PATIENCE, || runtime.block_on(builder.connect(&url)).ok());
        let client = client.context("Chromium does not start")?;
        Ok(Self { runtime, client, _driver: driver, _profile: profile })
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn go(&self, url: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.client.goto(url))?)
    }

    /// What a script returns: the body of a function.
    ///
    /// # Errors
    /// When it throws.
    pub fn run(&self, script: &str) -> Result<Value> {
        Ok(self.runtime.block_on(self.client.execute(script, Vec::new()))?)
    }

    /// What a script returns as soon as that is not null.
    ///
    /// # Errors
    /// When it throws, or that takes long; the error has what the page says then.
    pub fn until(&self, what: &str, script: &str) -> Result<Value> {
        let mut last = Ok(Value::Null);
        let found = wait_until(PATIENCE, || {
            last = self.run(script);
            last.as_ref().ok().filter(|value| !value.is_null() && **value != Value::Bool(false)).cloned()
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let text = self.run("return document.body.innerText")?;
        anyhow::bail!("{what}: {last:?}; the page says: {text}")
    }

    /// Presses a key, anywhere on the page.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn press(&self, key: &str) -> Result<()> {
        let press =
            format!("document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))");
        self.run(&press).map(drop)
    }

    /// A picture of the window, as PNG.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn screenshot(&self) -> Result<Vec<u8>> {
        Ok(self.runtime.block_on(self.client.screenshot())?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its driver is killed next, whatever it says.
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}
