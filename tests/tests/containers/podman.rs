//! Podman tells the agent itself what its containers are called.

use anyhow::{Context as _, Result, ensure};
use prony_tests::containers::Podman;
use prony_tests::{Agent, assert_books, skip, wait_until};

use crate::{ESTIMATE, SETTLED_WITHIN, needs, rootfs};

/// What each container burns, in milliseconds.
const LIFE: [&str; 3] = ["50", "80", "120"];
/// Containers of each function.
const EACH: usize = 4;

#[test]
fn podman_names_the_functions_of_its_containers() -> Result<()> {
    if let Some(reason) = needs(&["podman", "conmon", "runc"]) {
        skip("podman_names_the_functions_of_its_containers", &reason);
        return Ok(());
    }
    let mut podman = Podman::new(rootfs()?)?;
    let socket = podman.serve()?;
    let config = format!("{ESTIMATE}[identity]\nmetadata = 'podman'\npodman_socket = '{}'\n", socket.display());
    let agent = Agent::builder().config(&config).start()?;
    let functions = [("openfaas", "resize"), ("nuclio", "detect"), ("openwhisk", "hello")];
    for number in 0..EACH {
        let labelled = |label: &'static str| ["--label", label];
        podman.run(&format!("resize.{number}"), &labelled("faas_function=resize"), &["life", LIFE[0]])?;
        podman.run(&format!("detect.{number}"), &labelled("nuclio.io/function-name=detect"), &["life", LIFE[1]])?;
        // By its name alone.
        podman.run(&format!("wsk0{number}_{number}_guest_hello"), &[], &["life", LIFE[2]])?;
    }
    let mut last = Vec::new();
    let all = wait_until(SETTLED_WITHIN, || {
        let samples = agent.samples().ok()?;
        let of = |platform, function| [("platform", platform), ("function", function)];
        last = functions
            .map(|(platform, name)| samples.sum("prony_function_cpu_seconds_total", &of(platform, name)))
            .to_vec();
        let burnt = LIFE.map(|millis| EACH as f64 * millis.parse::<f64>().unwrap_or_default() / 1e3);
        let whole = last.iter().zip(burnt).all(|(billed, burnt)| *billed >= 0.99 * burnt);
        (whole && samples.millionths("prony_function_pending_joules", &[]).ok()? == 0).then_some(samples)
    });
    let samples = all.with_context(|| format!("the functions were billed {last:?} s"))?;
    println!("billed {last:?} s");
    for (platform, name) in functions {
        let of = [("platform", platform), ("function", name)];
        ensure!(samples.sum("prony_function_joules_total", &of) > 0.0, "{name} has no energy");
    }
    assert_books(&samples)
}
