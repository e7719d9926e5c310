//! Every kind of container is recognised by its cgroup.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::containers::{Containerd, Podman, Runc};
use prony_tests::{Agent, Samples, Stolen, assert_books, skip, wait_until};

use crate::{ESTIMATE, SETTLED_WITHIN, id, needs, rootfs, uid};

/// What each container burns, in milliseconds.
const LIFE: &str = "60";
/// What of that is billed to it at least. A runtime's own work in the container's cgroup comes to it.
const BURNT: f64 = 0.060 * 0.99;

/// What the agent has to tell of a container.
#[derive(Debug)]
struct Expected {
    id: String,
    runtime: &'static str,
    pod: Option<String>,
    cgroup: String,
}

impl Expected {
    fn in_pod(number: usize, runtime: &'static str, cgroup: &str) -> Self {
        let (id, pod) = (id(number), uid(number));
        let cgroup = cgroup
            .replace("{node}", &id.replace('0', "e"))
            .replace("{id}", &id)
            .replace("{uid}", &pod)
            .replace("{u_i_d}", &pod.replace('-', "_"));
        let pod = cgroup.contains("pod").then_some(pod);
        Self { id, runtime, pod, cgroup }
    }

    fn wait_for(&self, agent: &Agent) -> Result<()> {
        let mut last = None;
        let found = wait_until(SETTLED_WITHIN, || {
            let outcome = agent.samples().and_then(|samples| self.check(&samples));
            last = outcome.as_ref().err().map(|error| format!("{error:#}"));
            outcome.ok()
        });
        found.with_context(|| format!("{self:?}: {}", last.unwrap_or_default()))
    }

    fn check(&self, samples: &Samples) -> Result<()> {
        let of = [("container_id", self.id.as_str())];
        let line = samples.matching("kepler_container_cpu_joules_total", &of).next().context("it has no line")?;
        ensure!(line.value > 0.0, "it has used no energy");
        ensure!(line.labels["runtime"] == self.runtime, "its runtime is '{}'", line.labels["runtime"]);
        let pod = self.pod.as_deref().unwrap_or_default();
        ensure!(line.labels["pod_id"] == pod, "its pod is '{}'", line.labels["pod_id"]);
        let of = [("container_id", self.id.as_str()), ("pod_id", pod), ("cgroup", self.cgroup.as_str())];
        let billed = samples.sum("prony_cgroup_cpu_seconds_total", &of);
        ensure!(billed >= BURNT, "its cgroup was billed {billed} s");
        if !pod.is_empty() {
            ensure!(samples.sum("kepler_pod_cpu_joules_total", &[("pod_id", pod)]) > 0.0, "its pod has no energy");
        }
        Ok(())
    }
}

/// Paths that the kubelet, Docker and kind give to `runc`, by both cgroup drivers.
const BY_RUNC: [(&str, &str); 10] = [
    ("/kubepods/burstable/pod{uid}/{id}", ""),
    ("/kubepods/besteffort/pod{uid}/{id}", ""),
    ("/kubepods/pod{uid}/{id}", ""),
    ("/kubepods/burstable/pod{uid}/crio-{id}", "crio"),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{u_i_d}.slice/cri-containerd-{id}.scope",
        "containerd",
    ),
    ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{u_i_d}.slice/crio-{id}.scope", "crio"),
    ("/kubepods.slice/kubepods-pod{u_i_d}.slice/docker-{id}.scope", "docker"),
    (
        "/docker/{node}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{u_i_d}.slice/cri-containerd-{id}.scope",
        "containerd",
    ),
    ("/docker/{id}", "docker"),
    ("/system.slice/docker-{id}.scope", "docker"),
];

#[test]
fn containers_of_runc_are_recognised_in_every_layout() -> Result<()> {
    if let Some(reason) = needs(&["runc"]) {
        skip("containers_of_runc_are_recognised_in_every_layout", &reason);
        return Ok(());
    }
    let runc = Runc::new(rootfs()?)?;
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let mut containers = Vec::new();
    for (number, (cgroup, runtime)) in BY_RUNC.into_iter().enumerate() {
        let expected = Expected::in_pod(number, runtime, cgroup);
        let container = runc.create(&expected.id, &expected.cgroup, &["life", LIFE])?;
        container.start()?;
        containers.push((expected, container));
    }
    for (expected, container) in &containers {
        container.wait()?;
        expected.wait_for(&agent)?;
    }
    let all: Vec<Expected> = containers.into_iter().map(|(expected, _)| expected).collect();
    let ended = wait_until(SETTLED_WITHIN, || {
        let samples = agent.samples().ok()?;
        let has_ended = |expected: &Expected| {
            let of = [("container_id", expected.id.as_str()), ("state", "terminated")];
            samples.matching("kepler_container_cpu_joules_total", &of).next().is_some()
        };
        all.iter().all(has_ended).then_some(())
    });
    ended.context("some are not told to have ended")?;
    assert_books(&agent.samples()?)
}

/// The group of a process in the hierarchy of version 2.
fn group_of(pid: u32) -> Result<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    groups.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned).context("not in the v2 hierarchy")
}

#[test]
fn containers_of_containerd_are_recognised() -> Result<()> {
    if let Some(reason) = needs(&["containerd", "ctr", "runc"]) {
        skip("containers_of_containerd_are_recognised", &reason);
        return Ok(());
    }
    let containerd = Containerd::start(rootfs()?)?;
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let table = [
        ("default", None, "/default/{id}"),
        ("k8s.io", None, "/k8s.io/{id}"),
        ("k8s.io", Some("/kubepods/burstable/pod{uid}/{id}"), "/kubepods/burstable/pod{uid}/{id}"),
        // What the kubelet's systemd driver gives to a containerd that was not told of systemd.
        ("k8s.io", Some("kubepods-burstable-pod{u_i_d}.slice:cri-containerd:{id}"), ""),
    ];
    for (number, (namespace, given, cgroup)) in table.into_iter().enumerate() {
        let runtime = if cgroup.starts_with("/kubepods") { "" } else { "containerd" };
        let mut expected = Expected::in_pod(100 + number, runtime, given.unwrap_or(cgroup));
        let given = given.map(|_| expected.cgroup.clone());
        // It burns until it is dropped.
        let task = containerd.run(namespace, &expected.id, given.as_deref(), &["spin", "20"])?;
        let real = group_of(task.pid()?)?;
        ensure!(real.ends_with(&expected.cgroup), "it is in {real}, not in {}", expected.cgroup);
        expected.cgroup = real;
        expected.wait_for(&agent)?;
        let of = [("container_id", expected.id.as_str()), ("comm", "prony-load")];
        let processes = agent.samples()?.matching("kepler_process_cpu_joules_total", &of).count();
        ensure!(processes > 0, "its process is not told to be in a container");
    }
    assert_books(&agent.samples()?)
}

#[test]
fn containers_of_podman_are_recognised() -> Result<()> {
    if let Some(reason) = needs(&["podman", "conmon", "runc"]) {
        skip("containers_of_podman_are_recognised", &reason);
        return Ok(());
    }
    let podman = Podman::new(rootfs()?)?;
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let pod = uid(200);
    let containers = [
        (podman.run("alone", &[], &["life", LIFE])?, None),
        (podman.run_below(&format!("/kubepods/burstable/pod{pod}"), "in-a-pod", &["life", LIFE])?, Some(pod)),
    ];
    for (container, pod) in containers {
        let expected = Expected { id: container.id, runtime: "podman", pod, cgroup: container.cgroup };
        expected.wait_for(&agent)?;
    }
    assert_books(&agent.samples()?)
}

#[test]
fn containers_in_a_pod_of_podman_are_recognised() -> Result<()> {
    if let Some(reason) = needs(&["podman", "conmon", "runc"]) {
        skip("containers_in_a_pod_of_podman_are_recognised", &reason);
        return Ok(());
    }
    let podman = Podman::new(rootfs()?)?;
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let pod = podman.make_pod("pod")?;
    let container = podman.run_in_pod(("pod", &pod), "one", &["life", LIFE])?;
    let expected = Expected { id: container.id, runtime: "podman", pod: None, cgroup: container.cgroup };
    expected.wait_for(&agent)?;
    let samples = agent.samples()?;
    let of = [("container_id", pod.as_str())];
    let line = samples.matching("kepler_container_cpu_joules_total", &of).next();
    ensure!(line.is_none(), "the pod is told to be a container: {line:?}");
    assert_books(&samples)
}

#[test]
fn a_container_is_billed_what_the_kernel_counts_for_it() -> Result<()> {
    if let Some(reason) = needs(&["runc"]) {
        skip("a_container_is_billed_what_the_kernel_counts_for_it", &reason);
        return Ok(());
    }
    let runc = Runc::new(rootfs()?)?;
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let stolen = Stolen::from_now()?;
    let expected = Expected::in_pod(300, "", "/kubepods/burstable/pod{uid}/{id}");
    let container = runc.create(&expected.id, &expected.cgroup, &["life", "500"])?;
    container.start()?;
    container.wait()?;
    let kernels = container.cgroup().usage()?.as_secs_f64();
    expected.wait_for(&agent)?;
    thread::sleep(Duration::from_secs(1));
    let billed = agent.samples()?.sum("prony_cgroup_cpu_seconds_total", &[("container_id", expected.id.as_str())]);
    stolen.agrees("billed", billed, kernels, 0.01)
}
