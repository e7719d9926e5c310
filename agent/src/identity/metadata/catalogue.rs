//! What is new in a list, against the list before.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::identity::{ContainerFacts, Labels, MetadataNews, PodFacts};

/// How many labels of one pod or container are kept, the first in alphabetical order.
const MOST_LABELS: usize = 64;
/// How long a key may be, and how much of a value is kept, in bytes. Kubernetes' own limits are 317 and 63.
const LONGEST_KEY: usize = 317;
const LONGEST_VALUE: usize = 256;

/// How much is kept of a name, a namespace, an id or a UID, in bytes. Kubernetes' own limit is 253; no cgroup bears a longer one.
const LONGEST_NAME: usize = 256;

/// A name, namespace, id or UID, cut to its bound.
pub(super) fn name(text: &str) -> Arc<str> {
    text[..text.floor_char_boundary(LONGEST_NAME)].into()
}

/// A label that may be kept, cut to its bounds; one whose key is too long is left out.
pub(super) fn labels<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
    pairs
        .filter(|(key, _)| key.len() <= LONGEST_KEY)
        .map(|(key, value)| (key.into(), value[..value.floor_char_boundary(LONGEST_VALUE)].into()))
        .take(MOST_LABELS)
        .collect()
}

/// The pods and containers that a source has told of.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pods: FxHashMap<Arc<str>, Arc<PodFacts>>,
    containers: FxHashMap<Arc<str>, Arc<ContainerFacts>>,
}

impl Catalogue {
    /// A whole list: tells what is new, what has changed and what has gone.
    pub(super) fn replace(&mut self, pods: Vec<PodFacts>, containers: Vec<ContainerFacts>) -> Vec<MetadataNews> {
        let mut news = Vec::new();
        let pods = pods.into_iter().map(|pod| (Arc::clone(&pod.uid), pod));
        replace(&mut self.pods, pods, MetadataNews::Pod, MetadataNews::PodGone, &mut news);
        let containers = containers.into_iter().map(|container| (Arc::clone(&container.id), container));
        replace(&mut self.containers, containers, MetadataNews::Container, MetadataNews::ContainerGone, &mut news);
        news
    }

    /// One pod that is there, beside the others, with all containers that it has now.
    pub(super) fn put_pod(&mut self, pod: PodFacts, containers: Vec<ContainerFacts>) -> Vec<MetadataNews> {
        let mut news = self.containers_gone(&pod.uid, |id| containers.iter().any(|container| container.id == *id));
        news.extend(put(&mut self.pods, Arc::clone(&pod.uid), pod).map(MetadataNews::Pod));
        news.extend(containers.into_iter().filter_map(|container| self.put(container)));
        news
    }

    /// One pod that has gone, and its containers with it.
    pub(super) fn remove_pod(&mut self, uid: &str) -> Vec<MetadataNews> {
        let mut news = self.containers_gone(uid, |_| false);
        news.extend(self.pods.remove_entry(uid).map(|(uid, _)| MetadataNews::PodGone(uid)));
        news
    }

    fn containers_gone(&mut self, pod: &str, stays: impl Fn(&Arc<str>) -> bool) -> Vec<MetadataNews> {
        let left = |id: &Arc<str>, it: &mut Arc<ContainerFacts>| it.pod_uid.as_deref() == Some(pod) && !stays(id);
        self.containers.extract_if(left).map(|(id, _)| MetadataNews::ContainerGone(id)).collect()
    }

    /// One container that is there, beside the others.
    pub(super) fn put(&mut self, container: ContainerFacts) -> Option<MetadataNews> {
        put(&mut self.containers, Arc::clone(&container.id), container).map(MetadataNews::Container)
    }

    /// One container that has gone.
    pub(super) fn remove(&mut self, id: &str) -> Option<MetadataNews> {
        self.containers.remove_entry(id).map(|(id, _)| MetadataNews::ContainerGone(id))
    }
}

fn put<Key: Eq + Hash, Facts: PartialEq>(
    known: &mut FxHashMap<Key, Arc<Facts>>,
    key: Key,
    facts: Facts,
) -> Option<Arc<Facts>> {
    if known.get(&key).is_some_and(|known| **known == facts) {
        return None;
    }
    let facts = Arc::new(facts);
    known.insert(key, Arc::clone(&facts));
    Some(facts)
}

fn replace<Facts: PartialEq>(
    known: &mut FxHashMap<Arc<str>, Arc<Facts>>,
    listed: impl Iterator<Item = (Arc<str>, Facts)>,
    there: fn(Arc<Facts>) -> MetadataNews,
    gone: fn(Arc<str>) -> MetadataNews,
    news: &mut Vec<MetadataNews>,
) {
    let mut before = std::mem::take(known);
    for (key, facts) in listed {
        if let Some((key, kept)) = before.remove_entry(&key) {
            known.insert(key, kept);
        }
        news.extend(put(known, key, facts).map(there));
    }
    news.extend(before.into_keys().map(gone));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, name: &str) -> PodFacts {
        PodFacts { uid: uid.into(), name: name.into(), ..PodFacts::default() }
    }

    fn container(id: &str) -> ContainerFacts {
        ContainerFacts { id: id.into(), ..ContainerFacts::default() }
    }

    #[test]
    fn only_what_has_changed_is_news() {
        let mut catalogue = Catalogue::default();
        let first = catalogue.replace(vec![pod("a", "one"), pod("b", "two")], vec![container("x")]);
        assert_eq!(first.len(), 3);
        assert_eq!(catalogue.replace(vec![pod("b", "two"), pod("a", "one")], vec![container("x")]), []);
        let news = catalogue.replace(vec![pod("a", "other")], vec![]);
        assert!(matches!(&news[0], MetadataNews::Pod(pod) if &*pod.name == "other"));
        assert_eq!(news[1..], [MetadataNews::PodGone("b".into()), MetadataNews::ContainerGone("x".into())]);
    }

    #[test]
    fn containers_come_and_go_one_by_one() {
        let mut catalogue = Catalogue::default();
        assert!(catalogue.put(container("x")).is_some());
        assert_eq!(catalogue.put(container("x")), None);
        assert_eq!(catalogue.remove("x"), Some(MetadataNews::ContainerGone("x".into())));
        assert_eq!(catalogue.remove("x"), None);
    }

    #[test]
    fn a_pod_comes_with_its_containers_and_takes_them_along() {
        let in_pod = |id| ContainerFacts { pod_uid: Some("a".into()), ..container(id) };
        let mut catalogue = Catalogue::default();
        catalogue.replace(vec![pod("b", "two")], vec![container("z")]);
        assert_eq!(catalogue.put_pod(pod("a", "one"), vec![in_pod("x")]).len(), 2);
        assert_eq!(catalogue.put_pod(pod("a", "one"), vec![in_pod("x")]), []);
        let restarted = catalogue.put_pod(pod("a", "one"), vec![in_pod("y")]);
        assert_eq!(restarted[0], MetadataNews::ContainerGone("x".into()));
        assert!(matches!(&restarted[1..], [MetadataNews::Container(new)] if &*new.id == "y"));
        let gone = [MetadataNews::ContainerGone("y".into()), MetadataNews::PodGone("a".into())];
        assert_eq!(catalogue.remove_pod("a"), gone);
        assert_eq!(catalogue.remove_pod("a"), []);
    }

    #[test]
    fn hostile_names_are_bounded() {
        assert_eq!(&*name("hello-1"), "hello-1");
        assert_eq!(name(&"ä".repeat(40_000)).len(), LONGEST_NAME);
        assert_eq!(name(&format!("a{}", "ä".repeat(40_000))).len(), LONGEST_NAME - 1, "no half letters");
    }

    #[test]
    fn hostile_labels_are_bounded() {
        let (long, many) = ("ä".repeat(40_000), (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
        let kept = labels(many.iter().map(|key| (key.as_str(), long.as_str())).chain([(long.as_str(), "x")]));
        assert_eq!(kept.len(), MOST_LABELS);
        assert!(kept.values().all(|value| value.len() <= LONGEST_VALUE));
        assert!(labels([(long.as_str(), "x")].into_iter()).is_empty());
    }
}
