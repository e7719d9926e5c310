//! A pod as the `kube` crate lists and watches it: what is told of it, and the version that a watch goes on from.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;

use crate::identity::{ContainerFacts, PodFacts};

use super::pod_list::Pod;

/// A pod and its containers.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Pod")]
pub(super) struct WatchedPod {
    /// Its version and nothing else.
    version: ObjectMeta,
    pub(super) pod: PodFacts,
    pub(super) containers: Vec<ContainerFacts>,
}

impl From<Pod> for WatchedPod {
    fn from(mut read: Pod) -> Self {
        let version = ObjectMeta { resource_version: read.take_version(), ..ObjectMeta::default() };
        let (pod, containers) = read.facts();
        Self { version, pod, containers }
    }
}

impl Resource for WatchedPod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.version
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.version
    }
}
