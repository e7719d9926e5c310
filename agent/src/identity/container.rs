//! From a cgroup's path to the container that it is or lies in.
//!
//! The layouts are those of the runtimes' cgroup drivers: Kubernetes (`pkg/kubelet/cm/cgroup_manager_linux.go`),
//! runc (libcontainer/cgroups/systemd, `getUnitName`), containerd's CRI plugin, CRI-O, Docker, Podman (libpod) and
//! Firecracker's jailer.

use std::sync::Arc;

/// What a cgroup's path tells of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// The runtime's id, 64 hexadecimal digits where the runtime is one of the usual ones; a virtual machine's name.
    pub id: Arc<str>,
    /// `containerd`, `crio`, `docker`, `podman`, `firecracker`, or empty where the path does not tell.
    pub runtime: &'static str,
    /// The pod's UID with dashes, where the path has one. Static pods have the hash of their configuration instead.
    pub pod_uid: Option<Arc<str>>,
}

/// The innermost container that `path` names, if any. A path below a container's own cgroup is within the container;
/// where containers are nested (a node that is itself a container, as with kind), it is the inner one.
pub fn container_of(path: &str) -> Option<Container> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (depth, (id, runtime)) = segments.iter().enumerate().rev().find_map(|(depth, segment)| {
        let parent = depth.checked_sub(1).map_or("", |above| segments[above]);
        let child = segments.get(depth + 1).copied().unwrap_or_default();
        container_segment(segment, parent, child).map(|found| (depth, found))
    })?;
    let pod_uid = pod_of(&segments[..=depth]);
    Some(Container { id: id.into(), runtime, pod_uid: pod_uid.map(Into::into) })
}

fn container_segment<'path>(segment: &'path str, parent: &str, child: &str) -> Option<(&'path str, &'static str)> {
    if is_container_id(segment) {
        // Podman's pods bear bare ids, its containers never do. Beside a pod's containers are their monitors.
        let is_pod = parent == "libpod_parent" || child == "conmon";
        return (!is_pod).then(|| (segment, runtime_of_parent(parent)));
    }
    // The jailer's parent group is called like the program, unless it is told otherwise.
    if parent == "firecracker" && is_machine_name(segment) {
        return Some((segment, "firecracker"));
    }
    // runc's systemd driver names its units slice:prefix:name; given to a cgroupfs driver, that becomes a directory.
    if let Some((before, id)) = segment.rsplit_once(':') {
        let (_, prefix) = before.rsplit_once(':')?;
        return is_container_id(id).then(|| runtime_of_prefix(prefix).map(|runtime| (id, runtime)))?;
    }
    let (prefix, id) = segment.strip_suffix(".scope").unwrap_or(segment).rsplit_once('-')?;
    if !is_container_id(id) {
        return None;
    }
    runtime_of_prefix(prefix).map(|runtime| (id, runtime))
}

fn runtime_of_prefix(prefix: &str) -> Option<&'static str> {
    match prefix {
        "cri-containerd" | "containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("crio"),
        "docker" => Some("docker"),
        "libpod" => Some("podman"),
        _ => None,
    }
}

fn runtime_of_parent(parent: &str) -> &'static str {
    match parent {
        "docker" => "docker",
        "firecracker" => "firecracker",
        // containerd's namespaces as ctr and nerdctl name them.
        "default" | "k8s.io" => "containerd",
        _ => "",
    }
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

/// What the jailer takes for `--id`.
fn is_machine_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The pod of the deepest segment that names one, in segments from the root down to the container's.
fn pod_of(segments: &[&str]) -> Option<String> {
    let (container, above) = segments.split_last()?;
    let in_container = container.split_once(':').map(|(slice, _)| slice);
    in_container.into_iter().chain(above.iter().rev().copied()).find_map(pod_uid)
}

fn pod_uid(segment: &str) -> Option<String> {
    let uid = match segment.strip_suffix(".slice") {
        // systemd takes dashes for levels of the hierarchy, so the kubelet writes underscores.
        Some(slice) => slice.rsplit_once("-pod")?.1.replace('_', "-"),
        None => segment.strip_prefix("pod")?.to_owned(),
    };
    (is_uuid(&uid) || (uid.len() == 32 && is_lower_hex(&uid))).then_some(uid)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4a1c0e5b6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708";
    const OUTER: &str = "00000c0e5b6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708";
    const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
    const UNDERSCORED: &str = "0a1b2c3d_1111_2222_3333_444455556666";
    const HASH: &str = "8f1d3a2b4c5d6e7f8091a2b3c4d5e6f7";

    /// `{I}`, `{O}`, `{U}`, `{S}` and `{H}` stand for the constants above.
    fn fill(pattern: &str) -> String {
        pattern
            .replace("{I}", ID)
            .replace("{O}", OUTER)
            .replace("{U}", UID)
            .replace("{S}", UNDERSCORED)
            .replace("{H}", HASH)
    }

    #[test]
    fn every_known_layout_names_its_container() {
        let table: &[(&str, &str, Option<&str>)] = &[
            // Kubernetes, cgroupfs driver.
            ("/kubepods/besteffort/pod{U}/{I}", "", Some(UID)),
            ("/kubepods/burstable/pod{U}/{I}", "", Some(UID)),
            ("/kubepods/pod{U}/{I}", "", Some(UID)),
            ("/kubepods/burstable/pod{H}/{I}", "", Some(HASH)),
            ("/kubepods/burstable/pod{U}/crio-{I}", "crio", Some(UID)),
            // Kubernetes, systemd driver.
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{S}.slice/cri-containerd-{I}.scope",
                "containerd",
                Some(UID),
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{S}.slice/crio-{I}.scope",
                "crio",
                Some(UID),
            ),
            ("/kubepods.slice/kubepods-pod{S}.slice/docker-{I}.scope", "docker", Some(UID)),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{H}.slice/cri-containerd-{I}.scope",
                "containerd",
                Some(HASH),
            ),
            // A process below the container's own cgroup.
            (
                "/kubepods.slice/kubepods-pod{S}.slice/cri-containerd-{I}.scope/system.slice/nginx.service",
                "containerd",
                Some(UID),
            ),
            ("/kubepods.slice/kubepods-pod{S}.slice/crio-{I}.scope/container", "crio", Some(UID)),
            // containerd with a systemd-style path but the cgroupfs driver.
            (
                "/system.slice/containerd.service/kubepods-burstable-pod{S}.slice:cri-containerd:{I}",
                "containerd",
                Some(UID),
            ),
            ("/kubepods-besteffort-pod{S}.slice:cri-containerd:{I}", "containerd", Some(UID)),
            ("/system.slice:docker:{I}", "docker", None),
            // kind: a node that is a container.
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
                 kubelet-kubepods-burstable-pod{S}.slice/cri-containerd-{I}.scope",
                "containerd",
                Some(UID),
            ),
            (
                "/system.slice/docker-{O}.scope/kubelet.slice/kubelet-kubepods.slice/\
                 kubelet-kubepods-pod{S}.slice/cri-containerd-{I}.scope",
                "containerd",
                Some(UID),
            ),
            ("/docker/{O}/kubelet/kubepods/burstable/pod{U}/{I}", "", Some(UID)),
            ("/docker/{O}/docker/{I}", "docker", None),
            // Docker, nerdctl and ctr alone.
            ("/docker/{I}", "docker", None),
            ("/docker/{I}/init.scope", "docker", None),
            ("/system.slice/docker-{I}.scope", "docker", None),
            ("/my-parent/{I}", "", None),
            ("/system.slice/nerdctl-{I}.scope", "containerd", None),
            ("/default/{I}", "containerd", None),
            // Podman.
            ("/machine.slice/libpod-{I}.scope", "podman", None),
            ("/machine.slice/libpod-{I}.scope/container", "podman", None),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{I}.scope/container", "podman", None),
            ("/machine.slice/machine-libpod_pod_{O}.slice/libpod-{I}.scope", "podman", None),
            ("/libpod_parent/libpod-{I}", "podman", None),
            ("/libpod_parent/{O}/libpod-{I}", "podman", None),
            ("/kubepods/burstable/pod{U}/libpod-{I}", "podman", Some(UID)),
            // containerd in its namespace of Kubernetes, and k3s without root.
            ("/k8s.io/{I}", "containerd", None),
            (
                "/user.slice/user-1000.slice/user@1000.service/k3s-rootless.scope/kubepods/burstable/pod{U}/{I}",
                "",
                Some(UID),
            ),
            // Firecracker, with an id of a runtime's.
            ("/firecracker/{I}", "firecracker", None),
        ];
        for (pattern, runtime, pod_uid) in table {
            let path = fill(pattern);
            let found = container_of(&path).unwrap_or_else(|| panic!("no container in {path}"));
            assert_eq!(&*found.id, ID, "{path}");
            assert_eq!(found.runtime, *runtime, "{path}");
            assert_eq!(found.pod_uid.as_deref(), *pod_uid, "{path}");
        }
    }

    #[test]
    fn a_jailed_machine_is_called_by_its_own_name() {
        let machine = container_of("/vms/firecracker/551e7604-e35c-42b3-b825-416853441234").unwrap();
        assert_eq!((&*machine.id, machine.runtime), ("551e7604-e35c-42b3-b825-416853441234", "firecracker"));
        assert_eq!(container_of("/firecracker"), None);
        assert_eq!(container_of("/firecracker/no_such.name"), None);
    }

    #[test]
    fn what_is_no_container_is_none() {
        let table = [
            "",
            "/",
            "/init.scope",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/user.slice/user-1000.slice/session-2.scope",
            "/kubepods.slice/kubepods-pod{S}.slice",
            "/kubepods/burstable/pod{U}",
            // The monitor beside the container.
            "/machine.slice/libpod-conmon-{I}.scope",
            "/kubepods.slice/kubepods-pod{S}.slice/crio-conmon-{I}.scope",
            "/libpod_parent/conmon",
            "/libpod_parent/{I}/conmon",
            "/my-parent/{I}/conmon",
            // A pod of Podman's.
            "/libpod_parent/{I}",
            // Not an id.
            "/docker/3f4a1c0e5b6d",
            "/system.slice/docker-3F4A1C0E.scope",
            "/machine.slice/machine-libpod_pod_{I}.slice",
            "/a:b:c",
        ];
        for pattern in table {
            let path = fill(pattern);
            assert_eq!(container_of(&path), None, "{path}");
        }
    }
}
