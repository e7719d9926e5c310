//! Kubernetes' list of pods (`v1.PodList`), as far as it is needed. Unknown fields are passed over.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::identity::{ContainerFacts, Owner, PodFacts};

use super::catalogue::{labels, name};

/// The annotation that a static pod's cgroup is named by (`kubetypes.ConfigHashAnnotationKey` in the kubelet).
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

#[derive(Deserialize)]
struct PodList {
    kind: String,
    #[serde(default)]
    items: Option<Vec<Pod>>,
}

/// One pod.
#[derive(Deserialize)]
pub(super) struct Pod {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    resource_version: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Deserialize)]
struct OwnerReference {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    controller: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default, rename = "containerStatuses")]
    containers: Option<Vec<ContainerStatus>>,
    #[serde(default, rename = "initContainerStatuses")]
    init: Option<Vec<ContainerStatus>>,
    #[serde(default, rename = "ephemeralContainerStatuses")]
    ephemeral: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "containerID")]
    container_id: Option<String>,
}

/// Reads a list of pods.
///
/// # Errors
/// When it is no JSON, or not of that shape.
pub fn read_pod_list(json: &[u8]) -> Result<(Vec<PodFacts>, Vec<ContainerFacts>), serde_json::Error> {
    let list: PodList = serde_json::from_slice(json)?;
    if list.kind != "PodList" {
        // Else an error in the shape of another object would be taken for a node without pods.
        return Err(serde::de::Error::custom(format_args!("it is a {}, not a PodList", list.kind)));
    }
    let (mut pods, mut containers) = (Vec::new(), Vec::new());
    for pod in list.items.unwrap_or_default() {
        let (facts, its) = pod.facts();
        containers.extend(its);
        pods.push(facts);
    }
    Ok((pods, containers))
}

impl Pod {
    /// The version of the object (`metadata.resourceVersion`), once.
    pub(super) fn take_version(&mut self) -> Option<String> {
        self.metadata.resource_version.take()
    }

    /// What is told of it and of its containers.
    pub(super) fn facts(self) -> (PodFacts, Vec<ContainerFacts>) {
        let facts = facts_of(self.metadata);
        let Status { containers: own, init, ephemeral } = self.status;
        let statuses = [own, init, ephemeral].into_iter().flatten().flatten();
        let containers = statuses.filter_map(|status| {
            // `containerd://<id>`; missing until the container was made.
            let id = status.container_id?;
            let id = id.split_once("://").map_or(id.as_str(), |(_, id)| id);
            (!id.is_empty()).then(|| ContainerFacts {
                id: name(id),
                name: name(&status.name),
                pod_uid: Some(facts.uid.clone()),
                ..ContainerFacts::default()
            })
        });
        let containers = containers.collect();
        (facts, containers)
    }
}

fn facts_of(metadata: Metadata) -> PodFacts {
    let uid = metadata.annotations.as_ref().and_then(|annotations| annotations.get(CONFIG_HASH));
    let owners = metadata.owner_references.unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true)).or(owners.first());
    let labelled = metadata.labels.unwrap_or_default();
    PodFacts {
        uid: name(uid.unwrap_or(&metadata.uid)),
        namespace: name(&metadata.namespace),
        name: name(&metadata.name),
        labels: labels(labelled.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
        owner: owner.map(|owner| Owner { kind: name(&owner.kind), name: name(&owner.name) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_their_containers_are_read() {
        let json = br#"{"kind":"PodList","items":[
            {"metadata":{"uid":"u1","name":"hello-1","namespace":"fn","labels":{"faas_function":"hello"},
              "ownerReferences":[{"kind":"Other","name":"o"},{"kind":"ReplicaSet","name":"hello-7c","controller":true}]},
             "spec":{"containers":[{"name":"hello"}]},
             "status":{"containerStatuses":[{"name":"hello","containerID":"containerd://aa"},{"name":"late"}],
               "initContainerStatuses":[{"name":"init","containerID":"containerd://bb"}]}},
            {"metadata":{"uid":"u2","name":"etcd-n1","namespace":"kube-system",
              "annotations":{"kubernetes.io/config.hash":"8f1d"},"labels":null},"status":{}}]}"#;
        let (pods, containers) = read_pod_list(json).unwrap();
        assert_eq!((&*pods[0].uid, &*pods[0].name, &*pods[1].uid), ("u1", "hello-1", "8f1d"));
        assert_eq!(pods[0].owner.as_ref().map(|owner| &*owner.name), Some("hello-7c"));
        assert_eq!(&*pods[0].labels["faas_function"], "hello");
        let ids: Vec<_> = containers.iter().map(|it| (&*it.id, &*it.name, it.pod_uid.as_deref())).collect();
        assert_eq!(ids, [("aa", "hello", Some("u1")), ("bb", "init", Some("u1"))]);
    }

    #[test]
    fn an_empty_list_is_one_and_anything_else_is_an_error() {
        assert!(read_pod_list(br#"{"kind":"PodList","items":null}"#).unwrap().0.is_empty());
        for wrong in
            ["", "Unauthorized", "[]", r#"{"kind":"Status"}"#, r#"{"kind":"PodList","items":[{}]}"#, r#"{"kind":"PodL"#]
        {
            assert!(read_pod_list(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
