//! What a container runtime's answers tell of pods and containers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prony_proto::runtime::v1 as pb;

use crate::identity::{ContainerFacts, MetadataNews, PodFacts};

use super::catalogue::{Catalogue, labels, name};

/// The answers of one runtime, one after the other.
#[derive(Debug, Default)]
pub struct CriAnswers {
    known: Catalogue,
}

impl CriAnswers {
    /// Whole lists: what of them was not known, and what has gone.
    pub fn listed(&mut self, sandboxes: Vec<pb::PodSandbox>, containers: Vec<pb::Container>) -> Vec<MetadataNews> {
        let mut pods = Vec::with_capacity(sandboxes.len());
        let mut of_sandbox = HashMap::with_capacity(sandboxes.len());
        for pb::PodSandbox { id, metadata, labels } in sandboxes {
            let Some(pod) = pod(metadata, &labels) else { continue };
            of_sandbox.insert(id, pod.uid.clone());
            pods.push(pod);
        }
        let containers = containers.into_iter().map(|container| {
            let pod_uid = of_sandbox.get(&container.pod_sandbox_id).cloned();
            facts(&container.id, container.metadata, pod_uid)
        });
        self.known.replace(pods, containers.collect())
    }

    /// What an event says that was not known.
    pub fn event(&mut self, event: pb::ContainerEventResponse) -> Vec<MetadataNews> {
        let deleted = event.container_event_type() == pb::ContainerEventType::ContainerDeletedEvent;
        let sandbox = event.pod_sandbox_status.unwrap_or_default();
        let pod = pod(sandbox.metadata, &sandbox.labels);
        if deleted {
            return match pod {
                Some(pod) if event.container_id == sandbox.id => self.known.remove_pod(&pod.uid),
                _ => self.known.remove(&name(&event.container_id)).into_iter().collect(),
            };
        }
        let Some(pod) = pod else { return Vec::new() };
        let uid = &pod.uid;
        let statuses = event.containers_statuses.into_iter();
        let containers = statuses.map(|status| facts(&status.id, status.metadata, Some(Arc::clone(uid)))).collect();
        self.known.put_pod(pod, containers)
    }
}

fn pod(metadata: Option<pb::PodSandboxMetadata>, pairs: &HashMap<String, String>) -> Option<PodFacts> {
    let metadata = metadata?;
    // In order, so that of too many the same ones are kept.
    let pairs: BTreeMap<&str, &str> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Some(PodFacts {
        uid: name(&metadata.uid),
        name: name(&metadata.name),
        namespace: name(&metadata.namespace),
        labels: labels(pairs.into_iter()),
        owner: None,
    })
}

fn facts(id: &str, metadata: Option<pb::ContainerMetadata>, pod_uid: Option<Arc<str>>) -> ContainerFacts {
    let own = name(&metadata.unwrap_or_default().name);
    ContainerFacts { id: name(id), name: own, pod_uid, ..ContainerFacts::default() }
}
