//! What a source of metadata (kubelet, API server, container runtime) tells of pods and containers.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels by key.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// A Kubernetes object that owns others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `ReplicaSet`, `Job`, `DaemonSet`, ...
    pub kind: Arc<str>,
    /// Its name, in the namespace of what it owns.
    pub name: Arc<str>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID as cgroup paths have it: that of the API with dashes, or for a static pod the hash of its configuration
    /// (annotation `kubernetes.io/config.hash`).
    pub uid: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels as of now.
    pub labels: Labels,
    /// The object that made it, if any (`metadata.ownerReferences`, the controller).
    pub owner: Option<Owner>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFacts {
    /// The runtime's id, as cgroup paths have it.
    pub id: Arc<str>,
    /// Its name: within its pod, or where there is no pod, the runtime's name for it (without Docker's leading slash).
    pub name: Arc<str>,
    /// The UID of its pod, as in [`PodFacts::uid`].
    pub pod_uid: Option<Arc<str>>,
    /// Labels of its own.
    pub labels: Labels,
}

/// News of one source. What was told before stays true until it is told anew or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataNews {
    /// A pod is there, or has changed.
    Pod(Arc<PodFacts>),
    /// A container is there, or has changed.
    Container(Arc<ContainerFacts>),
    /// A pod (by UID) is no longer there.
    PodGone(Arc<str>),
    /// A container (by id) is no longer there.
    ContainerGone(Arc<str>),
}
