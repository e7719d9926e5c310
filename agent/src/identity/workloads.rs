//! Functions, and the pods and containers that run them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::clock::Timestamp;
use crate::notice::Notice;

use super::function_rules::FunctionRules;
use super::timeline::Timeline;
use super::{Container, ContainerFacts, Function, FunctionId, MetadataNews, PodFacts};

/// How many pods and containers are remembered each after they have gone, for energy and names that come late: those of
/// half a minute at 500 a second.
const REMEMBER_GONE: usize = 16_384;

/// How many functions there may be. Whoever may set labels could otherwise fill the memory with them.
const MOST_FUNCTIONS: usize = 65_536;

static TOO_MANY: Notice = Notice::new("functions_too_many");

/// Functions by number, and what was told of pods and containers. A container may change its function while it lives.
#[derive(Debug, Default)]
pub struct Workloads {
    rules: FunctionRules,
    functions: Vec<Arc<Function>>,
    ids: FxHashMap<Arc<Function>, FunctionId>,
    pods: Register<PodFacts>,
    containers: Register<ContainerFacts>,
    version: u64,
}

/// What is known of all pods, or of all containers.
#[derive(Debug)]
struct Register<Facts> {
    known: FxHashMap<Arc<str>, Known<Facts>>,
    gone: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Known<Facts> {
    facts: Arc<Facts>,
    timeline: Timeline,
    gone: bool,
}

impl Workloads {
    /// With these rules for what is whose.
    pub fn new(rules: FunctionRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes in what was told at `at`.
    pub fn apply(&mut self, at: Timestamp, news: Vec<MetadataNews>) {
        for news in news {
            match news {
                MetadataNews::Pod(facts) => {
                    let function = self.remember(self.rules.of_pod(&facts));
                    self.pods.tell(at, Arc::clone(&facts.uid), facts, function);
                }
                MetadataNews::Container(facts) => {
                    let function = self.rules.of_container(&facts).and_then(|function| self.remember(function));
                    self.containers.tell(at, Arc::clone(&facts.id), facts, function);
                }
                MetadataNews::PodGone(uid) => self.pods.end(uid),
                MetadataNews::ContainerGone(id) => self.containers.end(id),
            }
        }
        self.version += 1;
    }

    /// Grows whenever something was told: what was found out before may have changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a container belongs to over time. A container in a pod belongs to what the pod belongs to, also where nothing
    /// is known of the container itself.
    pub fn timeline(&self, container: &Container) -> Option<&Timeline> {
        let own = self.containers.known.get(&container.id);
        match container.pod_uid.as_ref().or_else(|| own?.facts.pod_uid.as_ref()) {
            Some(uid) => self.pods.known.get(uid).map(|pod| &pod.timeline),
            None => own.map(|own| &own.timeline),
        }
    }

    /// The function that `container` ran at `at`; `None` while that is not known, or where it is no function's.
    pub fn function_of(&self, container: &Container, at: Timestamp) -> Option<FunctionId> {
        self.timeline(container)?.at(at).flatten()
    }

    /// A function by its number.
    pub fn function(&self, id: FunctionId) -> Option<&Arc<Function>> {
        self.functions.get(id.0 as usize)
    }

    /// The function of this name; the first one known where several namespaces or revisions have it.
    pub fn find(&self, name: &str, namespace: Option<&str>) -> Option<FunctionId> {
        let is_wanted = |function: &Function| {
            &*function.name == name && namespace.is_none_or(|namespace| &*function.namespace == namespace)
        };
        self.functions.iter().zip(0..).find(|(function, _)| is_wanted(function)).map(|(_, id)| FunctionId(id))
    }

    /// What is known of the pod that a container is in.
    pub fn pod_of(&self, container: &Container) -> Option<&Arc<PodFacts>> {
        let uid = container.pod_uid.as_ref().or_else(|| self.facts_of(container)?.pod_uid.as_ref())?;
        self.pods.known.get(uid).map(|pod| &pod.facts)
    }

    /// What is known of a container itself.
    pub fn facts_of(&self, container: &Container) -> Option<&Arc<ContainerFacts>> {
        self.containers.known.get(&container.id).map(|known| &known.facts)
    }

    /// The number of a function, a new one where it has none yet; `None` where there are too many.
    pub(super) fn remember(&mut self, function: Function) -> Option<FunctionId> {
        if let Some(known) = self.ids.get(&function) {
            return Some(*known);
        }
        if self.functions.len() >= MOST_FUNCTIONS {
            TOO_MANY.warn(format_args!(
                "there have been {MOST_FUNCTIONS} functions: what new ones use is counted with what is in no function. \
                 Does somebody put ever new names into labels? Restarting the agent forgets the old ones"
            ));
            return None;
        }
        let id = FunctionId(self.functions.len() as u32);
        let function = Arc::new(function);
        self.functions.push(Arc::clone(&function));
        self.ids.insert(function, id);
        Some(id)
    }
}

impl<Facts> Default for Register<Facts> {
    fn default() -> Self {
        Self { known: FxHashMap::default(), gone: VecDeque::new() }
    }
}

impl<Facts> Register<Facts> {
    fn tell(&mut self, at: Timestamp, key: Arc<str>, facts: Arc<Facts>, function: Option<FunctionId>) {
        let known = self.known.entry(key).or_insert_with(|| Known {
            facts: Arc::clone(&facts),
            timeline: Timeline::default(),
            gone: false,
        });
        known.gone = false;
        known.facts = facts;
        known.timeline.tell(at, function);
    }

    fn end(&mut self, key: Arc<str>) {
        let Some(known) = self.known.get_mut(&key) else { return };
        if !std::mem::replace(&mut known.gone, true) {
            self.gone.push_back(key);
        }
        while self.gone.len() > REMEMBER_GONE {
            let Some(oldest) = self.gone.pop_front() else { return };
            if self.known.get(&oldest).is_some_and(|known| known.gone) {
                self.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Labels, Platform};

    fn pod(uid: &str, function: &str) -> MetadataNews {
        let labels = Labels::from([("faas_function".into(), function.into())]);
        MetadataNews::Pod(Arc::new(PodFacts { uid: uid.into(), labels, ..PodFacts::default() }))
    }

    fn container(id: &str, pod_uid: Option<&str>) -> Container {
        Container { id: id.into(), runtime: "containerd", pod_uid: pod_uid.map(Into::into) }
    }

    fn name_at(workloads: &Workloads, container: &Container, at: u64) -> Option<Arc<str>> {
        let function = workloads.function_of(container, Timestamp(at))?;
        workloads.function(function).map(|function| function.name.clone())
    }

    #[test]
    fn a_pods_containers_belong_to_its_function_of_the_time() {
        let mut workloads = Workloads::default();
        let (inside, elsewhere) = (container("c", Some("u")), container("c", Some("v")));
        assert!(workloads.timeline(&inside).is_none());
        workloads.apply(Timestamp(10), vec![pod("u", "one")]);
        workloads.apply(Timestamp(20), vec![pod("u", "two")]);
        assert_eq!(name_at(&workloads, &inside, 1).as_deref(), Some("one"));
        assert_eq!(name_at(&workloads, &inside, 20).as_deref(), Some("two"));
        assert_eq!(name_at(&workloads, &elsewhere, 20), None);
    }

    #[test]
    fn a_container_without_a_pod_belongs_to_its_own_or_to_none() {
        let mut workloads = Workloads::default();
        let told = |id: &str, name: &str, pod_uid: Option<&str>| {
            let facts = ContainerFacts {
                id: id.into(),
                name: name.into(),
                pod_uid: pod_uid.map(Into::into),
                ..ContainerFacts::default()
            };
            MetadataNews::Container(Arc::new(facts))
        };
        workloads.apply(Timestamp(1), vec![told("a", "wsk0_1_guest_hello", None), told("b", "db", None)]);
        assert_eq!(name_at(&workloads, &container("a", None), 5).as_deref(), Some("hello"));
        assert_eq!(workloads.timeline(&container("b", None)).and_then(Timeline::now), Some(None));
        // The path does not tell the pod, but the runtime does.
        workloads.apply(Timestamp(1), vec![told("c", "main", Some("u")), pod("u", "one")]);
        assert_eq!(name_at(&workloads, &container("c", None), 5).as_deref(), Some("one"));
        assert_eq!(workloads.facts_of(&container("c", None)).map(|facts| &*facts.name), Some("main"));
    }

    #[test]
    fn what_has_gone_is_known_for_a_while_but_not_for_ever() {
        let mut workloads = Workloads::default();
        for number in 0..40_000 {
            let uid = number.to_string();
            workloads.apply(Timestamp(number), vec![pod(&uid, "one")]);
            workloads.apply(Timestamp(number), vec![MetadataNews::PodGone(uid.into())]);
        }
        assert!(workloads.pod_of(&container("c", Some("39999"))).is_some());
        assert_eq!(workloads.pods.known.len(), REMEMBER_GONE);
        assert_eq!((workloads.functions.len(), workloads.functions[0].platform), (1, Platform::OpenFaas));
        // Told again, it is not forgotten with those that went when it had.
        workloads.apply(Timestamp(50_000), vec![pod("39999", "one")]);
        for number in 50_000..70_000_u64 {
            workloads.apply(Timestamp(number), vec![pod("x", "one"), MetadataNews::PodGone("x".into())]);
        }
        assert!(workloads.pod_of(&container("c", Some("39999"))).is_some());
    }
}
