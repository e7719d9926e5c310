//! Functions in containers that live for a moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::containers::Runc;
use prony_tests::{Agent, Kubelet, Samples, Stolen, assert_books, assert_nothing_fell, skip, wait_until};

use crate::{ESTIMATE, SETTLED_WITHIN, id, needs, rootfs, uid};

const CONTAINERS: usize = 200;
/// More than there are CPUs on a small machine: a CPU second of a quiet machine costs another energy than one of a busy
/// machine, by the estimate's curve.
const AT_ONCE: usize = 3;

/// A function as its platform labels its pods.
struct Function {
    platform: &'static str,
    namespace: &'static str,
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
}

const FUNCTIONS: [Function; 5] = [
    Function { platform: "openfaas", namespace: "openfaas-fn", name: "resize", labels: &[("faas_function", "resize")] },
    Function {
        platform: "knative",
        namespace: "shop",
        name: "cart",
        labels: &[("serving.knative.dev/service", "cart"), ("serving.knative.dev/revision", "cart-00002")],
    },
    Function {
        platform: "openwhisk",
        namespace: "guest",
        name: "hello",
        labels: &[("user-action-pod", "true"), ("openwhisk/action", "hello"), ("openwhisk/namespace", "guest")],
    },
    Function {
        platform: "fission",
        namespace: "default",
        name: "thumbnail",
        labels: &[
            ("functionName", "thumbnail"),
            ("functionNamespace", "default"),
            ("environmentName", "go"),
            ("executorType", "poolmgr"),
        ],
    },
    Function {
        platform: "nuclio",
        namespace: "nuclio",
        name: "detect",
        labels: &[("nuclio.io/function-name", "detect"), ("nuclio.io/project-name", "default")],
    },
];

impl Function {
    fn of(number: usize) -> usize {
        // Short and long lives come to every function.
        number * 7 % FUNCTIONS.len()
    }

    fn sum(&self, samples: &Samples, family: &str) -> f64 {
        let labels = [("platform", self.platform), ("namespace", self.namespace), ("function", self.name)];
        samples.sum(family, &labels)
    }
}

/// What a container burns, in milliseconds: 50 to 500, mostly little.
fn life(number: usize) -> usize {
    let place = number * 61 % CONTAINERS;
    50 + 450 * place * place / (CONTAINERS * CONTAINERS)
}

/// By both of the kubelet's cgroup drivers.
fn cgroup(number: usize) -> String {
    let (id, uid) = (id(number), uid(number));
    if number.is_multiple_of(2) {
        format!("/kubepods/burstable/pod{uid}/{id}")
    } else {
        let uid = uid.replace('-', "_");
        format!(
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid}.slice/cri-containerd-{id}.scope"
        )
    }
}

/// Runs one container to its end; the CPU time that the kernel has counted for it.
fn run(runc: &Runc, kubelet: &Kubelet, number: usize) -> Result<Duration> {
    let function = &FUNCTIONS[Function::of(number)];
    let container = runc.create(&id(number), &cgroup(number), &["life", &life(number).to_string()])?;
    // Before it runs, or when it has gone.
    let tell = || kubelet.add(&uid(number), function.namespace, function.labels, &id(number));
    if !number.is_multiple_of(3) {
        tell();
    }
    container.start()?;
    container.wait()?;
    let used = container.cgroup().usage()?;
    drop(container);
    if number.is_multiple_of(3) {
        tell();
    }
    Ok(used)
}

fn run_all(runc: &Runc, kubelet: &Kubelet) -> Result<[Duration; FUNCTIONS.len()]> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<_> {
        let mut used = [Duration::ZERO; FUNCTIONS.len()];
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= CONTAINERS {
                return Ok(used);
            }
            used[Function::of(number)] += run(runc, kubelet, number)?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        let mut all = [Duration::ZERO; FUNCTIONS.len()];
        for worker in workers {
            let used = worker.join().expect("a worker has failed")?;
            all.iter_mut().zip(used).for_each(|(all, used)| *all += used);
        }
        Ok(all)
    })
}

#[test]
fn every_short_lived_container_is_named_and_functions_have_their_share() -> Result<()> {
    if let Some(reason) = needs(&["runc"]) {
        skip("every_short_lived_container_is_named_and_functions_have_their_share", &reason);
        return Ok(());
    }
    let (runc, kubelet) = (Runc::new(rootfs()?)?, Kubelet::start()?);
    let config = format!("{ESTIMATE}{}", kubelet.config(Duration::from_secs(1)));
    let agent = Agent::builder().config(&config).start()?;
    let before = agent.samples()?;
    let stolen = Stolen::from_now()?;
    let used = run_all(&runc, &kubelet)?;
    // The last names and the last window's energy come.
    let settled = wait_until(SETTLED_WITHIN, || {
        let samples = agent.samples().ok()?;
        (samples.millionths("prony_function_pending_joules", &[]).ok()? == 0).then_some(samples)
    });
    settled.context("not all were named")?;
    thread::sleep(Duration::from_secs(2));
    let samples = agent.samples()?;
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples);

    let all_energy: f64 = FUNCTIONS.iter().map(|it| it.sum(&samples, "prony_function_joules_total")).sum();
    let all_time = used.iter().sum::<Duration>().as_secs_f64();
    for (function, used) in FUNCTIONS.iter().zip(used.map(|used| used.as_secs_f64())) {
        let billed = function.sum(&samples, "prony_function_cpu_seconds_total");
        let energy = function.sum(&samples, "prony_function_joules_total");
        let share = energy / all_energy / (used / all_time);
        stolen.agrees(function.name, billed, used, 0.01)?;
        println!("{energy:.2} J, {:+.2} % off its share", (share - 1.0) * 100.0);
        let allowed = 0.01 + stolen.seconds()? / used;
        ensure!((share - 1.0).abs() <= allowed, "{}'s energy is {share} of its share of CPU time", function.name);
    }
    all_are_named(&samples)
}

/// Every container has a line under its id, in its pod, or is part of a pod's line.
fn all_are_named(samples: &Samples) -> Result<()> {
    for number in 0..CONTAINERS {
        let (id, uid) = (id(number), uid(number));
        let name = format!("pod-{uid}");
        let namespace = FUNCTIONS[Function::of(number)].namespace;
        let pod = [("pod_id", uid.as_str()), ("pod_name", &name), ("pod_namespace", namespace)];
        let of = [("container_id", id.as_str()), ("container_name", "main"), ("pod_id", &uid)];
        let named = samples.sum("kepler_container_cpu_joules_total", &of);
        ensure!(named > 0.0, "the container {number} ({}) is not named", cgroup(number));
        ensure!(samples.sum("kepler_pod_cpu_joules_total", &pod) > 0.0, "the pod {number} is not named");
    }
    Ok(())
}

#[test]
fn every_process_of_a_fork_server_in_a_container_is_an_invocation() -> Result<()> {
    if let Some(reason) = needs(&["runc"]) {
        skip("every_process_of_a_fork_server_in_a_container_is_an_invocation", &reason);
        return Ok(());
    }
    let (runc, kubelet) = (Runc::new(rootfs()?)?, Kubelet::start()?);
    let config =
        format!("{ESTIMATE}{}[invocation]\nfork_servers = 'prony-load'\n", kubelet.config(Duration::from_millis(500)));
    let agent = Agent::builder().config(&config).start()?;
    let stolen = Stolen::from_now()?;
    let number = CONTAINERS;
    let container = runc.create(&id(number), &cgroup(number), &["storm", "200", "5", "2", "handler"])?;
    kubelet.add(&uid(number), "openfaas-fn", &[("faas_function", "forking")], &id(number));
    container.start()?;
    container.wait()?;
    let done: serde_json::Value = serde_json::from_str(&container.output()?).context("the storm has failed")?;
    let started = done["started"].as_u64().context("no count")?;
    let of = [("function", "forking"), ("namespace", "openfaas-fn")];
    let all = wait_until(SETTLED_WITHIN, || {
        let samples = agent.samples().ok()?;
        let parts = samples.millionths("prony_function_phase_joules_total", &of).ok()?;
        (parts > 0 && parts == samples.millionths("prony_function_joules_total", &of).ok()?).then_some(samples)
    });
    let samples = all.context("the phases do not become the whole")?;
    let by_process = [of[0], of[1], ("by", "process")];
    let counted = samples.sum("prony_function_invocations_total", &by_process) as u64;
    let cpu = samples.sum("prony_function_cpu_seconds_total", &of);
    let kernels = container.cgroup().usage()?.as_secs_f64();
    ensure!(counted == started, "{counted} of {started} invocations were counted");
    stolen.agrees("billed", cpu, kernels, 0.01)?;
    assert_books(&samples)
}
