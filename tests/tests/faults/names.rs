//! Whoever tells the names of pods does not, or tells monstrous ones.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, Kubelet, Samples, TestCgroup, assert_books, assert_lint, assert_nothing_fell, needs_agent, needs_bpf,
    needs_server, skip, wait_until,
};

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const PATIENCE: Duration = Duration::from_secs(30);
/// What a label of a hostile pod says.
const HOSTILE: &str = "a\"b\\c{d=\"\"},\nf\u{7}";

fn container_id(number: u32) -> String {
    format!("{:056x}{number:08x}", std::process::id())
}

/// The first scrape of which `is_so` holds; nothing falls on the way there.
fn until(agent: &Agent, before: &mut Samples, what: &str, is_so: impl Fn(&Samples) -> bool) -> Result<()> {
    let found = wait_until(PATIENCE, || {
        let samples = agent.samples().ok()?;
        assert_books(&samples).expect("the books are whole");
        assert_nothing_fell(before, &samples);
        *before = samples;
        is_so(before).then_some(())
    });
    found.with_context(|| format!("not so: {what}; the log:\n{}", agent.log()))
}

fn burn(container: &TestCgroup) -> Result<()> {
    let status = container.command(LOAD).args(["spin", "0.1"]).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "the load has failed");
    Ok(())
}

#[test]
fn the_agent_goes_on_says_what_is_wrong_and_names_things_once_it_can() -> Result<()> {
    const NAME: &str = "names::the_agent_goes_on_says_what_is_wrong_and_names_things_once_it_can";
    if let Some(reason) = needs_bpf().or_else(needs_agent).or_else(|| needs_server("promtool")) {
        skip(NAME, &reason);
        return Ok(());
    }
    let kubelet = Kubelet::start()?;
    kubelet.give_token(false)?;
    let config = format!("[source.estimate]\nenabled = true\n{}", kubelet.config(Duration::from_millis(200)));
    let agent = Agent::builder().config(&config).start()?;
    let mut samples = agent.samples()?;
    let up = |samples: &Samples| samples.sum("prony_metadata_up", &[("source", "kubelet")]) > 0.0;
    let joules = |samples: &Samples, function: &str| {
        samples.sum("prony_function_joules_total", &[("function", function), ("part", "active")])
    };

    // A wrong token.
    let first = TestCgroup::container(&container_id(1))?;
    burn(&first)?;
    until(&agent, &mut samples, "its energy waits for a name", |samples| {
        samples.sum("prony_function_pending_joules", &[]) > 0.0 && !up(samples)
    })?;
    assert!(agent.log().contains("does not know the token (401)"), "{}", agent.log());

    // No right to ask.
    kubelet.give_token(true)?;
    kubelet.refuse(Some("403 Forbidden"));
    until(&agent, &mut samples, "the refusals are counted", |samples| {
        samples.sum("prony_problems_total", &[("kind", "kubelet_unavailable")]) >= 2.0
    })?;

    // 5,000 pods, one of them hostile.
    let (long, hostile) = ("x".repeat(65_536), [("faas_function", HOSTILE), ("e\"v\\i\nl", "y")]);
    kubelet.add("u-1", "fn", &hostile, &container_id(1));
    for number in 2..5_000 {
        let labels = [("faas_function", "other"), ("long", if number == 2 { &long } else { "short" })];
        kubelet.add(&format!("u-{number}"), "fn", &labels, &container_id(number));
    }
    kubelet.refuse(None);
    until(&agent, &mut samples, "the function is named", |samples| joules(samples, HOSTILE) > 0.0 && up(samples))?;
    until(&agent, &mut samples, "nothing waits", |samples| samples.sum("prony_function_pending_joules", &[]) == 0.0)?;
    assert_lint(&agent.metrics()?)?;

    // A kubelet that is down: what is known stays.
    kubelet.refuse(Some("503 Service Unavailable"));
    until(&agent, &mut samples, "it is down", |samples| !up(samples))?;
    let before = joules(&samples, HOSTILE);
    burn(&first)?;
    until(&agent, &mut samples, "the function goes on", |samples| joules(samples, HOSTILE) > before)?;
    let second = TestCgroup::container(&container_id(2))?;
    burn(&second)?;
    kubelet.refuse(None);
    until(&agent, &mut samples, "the other function is named", |samples| joules(samples, "other") > 0.0)?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
