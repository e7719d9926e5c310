//! From labels and names to functions, platform by platform.
//!
//! The labels are those that the platforms set on the pods and containers of a function: faas-netes (`faas_function`),
//! Knative Serving (`serving.knative.dev/*`), OpenWhisk's Kubernetes and Docker container factories
//! (`user-action-pod`, `openwhisk/*`; `wsk...` names), Fission's executors (`functionName`, `environmentName`) and
//! Nuclio's platforms (`nuclio.io/*`; `nuclio-...` names).

use std::sync::Arc;

use super::{ContainerFacts, Function, Labels, Owner, Platform, PodFacts};

/// The longest name, namespace or revision that is kept, in bytes: as long as a Kubernetes name may be. What is longer
/// is cut.
const LONGEST: usize = 253;

/// What a pod is called of which nobody says a name.
const NAMELESS: &str = "?";

/// Says which function a pod or container belongs to.
#[derive(Clone, Debug, Default)]
pub struct FunctionRules {
    label: Option<Arc<str>>,
}

/// What the rules look at.
struct Subject<'a> {
    namespace: &'a str,
    labels: &'a Labels,
}

type Rule = fn(&Subject<'_>) -> Option<Function>;

/// One after the other; the first that knows the subject says what it is.
const PLATFORMS: [Rule; 5] = [openfaas, knative, openwhisk, fission, nuclio];

impl FunctionRules {
    /// With a label whose value names the function, before all platforms' own.
    pub fn new(label: Option<&str>) -> Self {
        Self { label: label.map(Into::into) }
    }

    /// The function of a pod and all containers in it, sidecars too. A pod that no platform knows counts for the object
    /// that owns it, and for itself where there is none.
    pub fn of_pod(&self, pod: &PodFacts) -> Function {
        let subject = Subject { namespace: &pod.namespace, labels: &pod.labels };
        self.find(&subject).unwrap_or_else(|| {
            let names = [workload_name(pod).unwrap_or_default(), &pod.name, &pod.uid];
            let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or(NAMELESS);
            function(Platform::Kubernetes, &pod.namespace, name, "")
        })
    }

    /// The function of a container without a pod; `None` where it is no function's.
    pub fn of_container(&self, container: &ContainerFacts) -> Option<Function> {
        let subject = Subject { namespace: "", labels: &container.labels };
        self.find(&subject).or_else(|| openwhisk_name(&container.name)).or_else(|| nuclio_name(&container.name))
    }

    fn find(&self, subject: &Subject<'_>) -> Option<Function> {
        let configured = self.label.as_deref().and_then(|label| subject.label(label));
        configured
            .map(|name| function(Platform::Label, subject.namespace, name, ""))
            .or_else(|| PLATFORMS.iter().find_map(|rule| rule(subject)))
    }
}

impl Subject<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(AsRef::as_ref).filter(|value| !value.is_empty())
    }
}

fn function(platform: Platform, namespace: &str, name: &str, revision: &str) -> Function {
    let [namespace, name, revision] = [namespace, name, revision].map(|text| bounded(text).into());
    Function { platform, namespace, name, revision }
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

fn openfaas(subject: &Subject<'_>) -> Option<Function> {
    Some(function(Platform::OpenFaas, subject.namespace, subject.label("faas_function")?, ""))
}

fn knative(subject: &Subject<'_>) -> Option<Function> {
    let revision = subject.label("serving.knative.dev/revision").unwrap_or_default();
    let name = ["serving.knative.dev/service", "serving.knative.dev/configuration"]
        .iter()
        .find_map(|label| subject.label(label))
        .or(Some(revision).filter(|revision| !revision.is_empty()))?;
    Some(function(Platform::Knative, subject.namespace, name, revision))
}

/// A pod without an action is prewarmed: it waits to be given one, and counts for the pool until then.
fn openwhisk(subject: &Subject<'_>) -> Option<Function> {
    if subject.label("user-action-pod") != Some("true") {
        return None;
    }
    Some(match subject.label("openwhisk/action") {
        Some(action) => {
            let namespace = subject.label("openwhisk/namespace").unwrap_or(subject.namespace);
            function(Platform::OpenWhisk, namespace, action, "")
        }
        None => function(Platform::OpenWhisk, subject.namespace, "(prewarm)", ""),
    })
}

/// `wsk<unique><id>_<n>_<namespace>_<action>`, or `..._prewarm_<kind>`, which never changes.
fn openwhisk_name(name: &str) -> Option<Function> {
    let (_, rest) = name.strip_prefix("wsk")?.split_once('_')?;
    let (number, rest) = rest.split_once('_')?;
    let (namespace, action) = rest.split_once('_')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) || action.is_empty() {
        return None;
    }
    Some(match namespace {
        "prewarm" => function(Platform::OpenWhisk, "", &format!("(prewarm {action})"), ""),
        _ => function(Platform::OpenWhisk, namespace, action, ""),
    })
}

/// A pool manager's pod without a function waits for one, and counts for its environment until then.
fn fission(subject: &Subject<'_>) -> Option<Function> {
    let environment = subject.label("environmentName");
    let executor = subject.label("executorType").or_else(|| subject.label("environmentUid"));
    if let Some(name) = subject.label("functionName").filter(|_| environment.is_some() || executor.is_some()) {
        let namespace = subject.label("functionNamespace").unwrap_or(subject.namespace);
        return Some(function(Platform::Fission, namespace, name, ""));
    }
    executor?;
    Some(function(Platform::Fission, subject.namespace, &format!("(pool {})", environment?), ""))
}

fn nuclio(subject: &Subject<'_>) -> Option<Function> {
    let name = subject.label("nuclio.io/function-name")?;
    let namespace = subject.label("nuclio.io/namespace").unwrap_or(subject.namespace);
    let version = subject.label("nuclio.io/function-version").unwrap_or_default();
    Some(function(Platform::Nuclio, namespace, name, version))
}

/// `nuclio-<namespace>-<name>`, for containers whose labels are not known.
fn nuclio_name(name: &str) -> Option<Function> {
    let (namespace, name) = name.strip_prefix("nuclio-")?.split_once('-')?;
    (!name.is_empty()).then(|| function(Platform::Nuclio, namespace, name, ""))
}

/// The name of what a pod's owner was made by: a Deployment's for its `ReplicaSet`s (`<name>-<pod-template-hash>`), a
/// `CronJob`'s for its Jobs (`<name>-<minutes since 1970>`), a static pod's without its node.
fn workload_name(pod: &PodFacts) -> Option<&str> {
    let Owner { kind, name } = pod.owner.as_ref()?;
    Some(match &**kind {
        "ReplicaSet" => pod
            .labels
            .get("pod-template-hash")
            .and_then(|hash| name.strip_suffix(&**hash)?.strip_suffix('-'))
            .unwrap_or(name),
        "Job" => match name.rsplit_once('-') {
            Some((of, minutes)) if matches!(minutes.len(), 8 | 10) && minutes.bytes().all(|b| b.is_ascii_digit()) => of,
            _ => name,
        },
        "Node" => pod.name.strip_suffix(&**name).and_then(|pod| pod.strip_suffix('-')).unwrap_or(&pod.name),
        _ => name,
    })
}

#[cfg(test)]
#[path = "function_rules_tests.rs"]
mod tests;
