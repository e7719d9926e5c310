//! It shows the load that the test makes, goes on after the agent was restarted, and asks for a token where it needs one.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, Browser, Running, TestCgroup, free_tcp_address, get, needs_agent, needs_bpf, needs_browser, needs_root, skip,
};

const WIDE: (u32, u32) = (1400, 1000);

fn needs() -> Option<String> {
    needs_root().or_else(needs_bpf).or_else(needs_agent).or_else(needs_browser)
}

fn burn(group: &TestCgroup, seconds: &str) -> Result<Running> {
    let mut spin = group.command(env!("CARGO_BIN_EXE_prony-load"));
    Ok(Running::start(spin.args(["spin", seconds]).stdout(Stdio::null()))?)
}

fn agent(address: SocketAddr, state: &Path) -> Result<Agent> {
    Agent::builder().metrics_at(address).arguments([Path::new("--state"), state]).start()
}

#[test]
fn the_load_is_seen_and_a_restart_is_got_over() {
    match needs() {
        Some(reason) => skip("the_load_is_seen_and_a_restart_is_got_over", &reason),
        None => see().unwrap(),
    }
}

fn see() -> Result<()> {
    let (address, state) = (free_tcp_address()?, tempfile::tempdir()?);
    let first = agent(address, state.path())?;
    let group = TestCgroup::new("page")?;
    let _load = burn(&group, "120")?;
    let browser = Browser::start(WIDE)?;
    browser.go(&format!("http://{address}/#level=cgroup&length=60000"))?;
    browser.until("it is live", "return document.body.dataset.connection === 'live'")?;
    let id = std::fs::metadata(group.path())?.ino();
    browser.until(
        "the load is in the chart's legend",
        &format!("return document.querySelector('#legend [data-line-id=\"g:{id}\"]') !== null"),
    )?;
    let row = format!(
        "document.querySelector('#consumers-panel').scrollIntoView();\
         const row = document.querySelector('#consumers [data-line-id=\"g:{id}\"]');\
         return row !== null && Number(row.dataset.microjoules) > 0"
    );
    browser.until("the load's cgroup has energy in the table", &row)?;
    let watts = browser
        .until("the total", "return Number(document.querySelector('[data-total-watts]').dataset.totalWatts) || null")?;
    ensure!(watts.as_f64().is_some_and(|watts| watts > 0.0), "{watts}");
    let sequence = "return Number(document.body.dataset.sequence) || null";
    let before = browser.until("a frame", sequence)?.as_u64().context("a number")?;
    browser.until("further frames", &format!("return Number(document.body.dataset.sequence) > {before}"))?;
    browser.run("window.scrollTo(0, 0)")?;
    std::thread::sleep(Duration::from_secs(1));
    keep_picture(&browser, "page")?;

    first.stop()?;
    browser.until("it says that it lost the agent", "return document.body.dataset.connection === 'lost'")?;
    let second = agent(address, state.path())?;
    browser.until("it is live again", "return document.body.dataset.connection === 'live'")?;
    browser.until("the load is seen again", &row)?;
    let kept = browser.run(
        "return fetch('/live/history?span=hour&level=cgroup').then(answer => answer.json()).then(history => history.ends.length)",
    )?;
    ensure!(kept.as_u64() > Some(before), "the history goes on: {kept} frames, and {before} before the restart");
    let errors = browser.run("return window.pronyErrors ?? []")?;
    ensure!(errors.as_array().is_some_and(Vec::is_empty), "{errors}");
    second.stop().map(drop)
}

#[test]
fn who_has_a_token_gets_in() {
    match needs() {
        Some(reason) => skip("who_has_a_token_gets_in", &reason),
        None => get_in().unwrap(),
    }
}

fn get_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef0123456789abcdef\n")?;
    std::os::unix::fs::chown(&tokens, Some(0), Some(0))?;
    std::fs::set_permissions(&tokens, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let agent = Agent::builder().config(&format!("[access]\ntoken_file = '{}'\n", tokens.display()));
    let agent = agent
        .start_until(|agent| get(agent.metrics_address(), "/healthz", &[]).is_ok_and(|answer| answer.status == 200))?;
    let browser = Browser::start(WIDE)?;
    browser.go(&format!("http://{}/", agent.metrics_address()))?;
    browser.until("it asks for a token", "return document.body.dataset.connection === 'token'")?;
    let enter = |token: &str| {
        browser.run(&format!(
            "const field = document.querySelector('form input[type=password]'); field.value = '{token}'; field.form.requestSubmit()"
        ))
    };
    enter("another")?;
    std::thread::sleep(Duration::from_secs(2));
    browser.until("it asks again", "return document.body.dataset.connection === 'token'")?;
    enter("0123456789abcdef0123456789abcdef")?;
    browser.until("it is live", "return document.body.dataset.connection === 'live'")?;
    agent.stop().map(drop)
}

/// Keeps what is seen, where `PRONY_SCREENSHOTS` names a folder.
fn keep_picture(browser: &Browser, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PRONY_SCREENSHOTS") else { return Ok(()) };
    let file = Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(&file, browser.screenshot()?).with_context(|| format!("cannot write {}", file.display()))
}
