//! What the kubelet, the engines of containers and a node's container runtime answer.

use prony::clock::Timestamp;
use prony::identity::metadata::{ContainerEvent, CriAnswers, read_container_event, read_container_list, read_pod_list};
use prony::identity::{ContainerFacts, FunctionRules, MetadataNews, Workloads};
use prony_proto::runtime::v1 as cri;
use prost::Message as _;

use super::bytes::Bytes;

/// The longest name, id or label that is kept of an answer, in bytes.
const LONGEST: usize = 317;

/// Lists of pods. What is read makes functions with names.
pub(super) fn pod_list(data: &[u8]) {
    let Ok((pods, containers)) = read_pod_list(data) else { return };
    let news = pods.into_iter().map(|pod| MetadataNews::Pod(pod.into())).chain(containers.into_iter().map(told));
    check(news.collect());
}

/// Lists of containers and, behind a NUL, an event.
pub(super) fn container_list(data: &[u8]) {
    let (list, event) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let mut news: Vec<_> = read_container_list(list).into_iter().flatten().map(told).collect();
    match read_container_event(event.strip_prefix(&[0]).unwrap_or(event)) {
        Ok(ContainerEvent::There(facts)) => news.push(told(facts)),
        Ok(ContainerEvent::Gone(id)) => news.push(MetadataNews::ContainerGone(id)),
        Ok(ContainerEvent::Other) | Err(_) => {}
    }
    check(news);
}

/// Answers of a container runtime, each behind what it is (0 to 3: lists of pods, lists of containers, an event, a version) and its
/// length. A list of containers comes with the pods that were listed last.
pub(super) fn cri_answers(data: &[u8]) {
    let (mut answers, mut sandboxes, mut all) = (CriAnswers::default(), Vec::new(), Vec::new());
    let mut bytes = Bytes::new(data);
    while !bytes.is_empty() {
        let kind = bytes.u8() % 4;
        let length = bytes.u16();
        let answer = bytes.chunk(usize::from(length));
        match kind {
            0 => sandboxes = cri::ListPodSandboxResponse::decode(answer).map_or(sandboxes, |list| list.items),
            1 => {
                let Ok(list) = cri::ListContainersResponse::decode(answer) else { continue };
                all.extend(answers.listed(sandboxes.clone(), list.containers.clone()));
                let again = answers.listed(sandboxes.clone(), list.containers);
                assert!(again.len() <= all.len(), "the same list is more news than all before: {again:?}");
            }
            2 => all.extend(cri::ContainerEventResponse::decode(answer).map_or(Vec::new(), |it| answers.event(it))),
            _ => drop(cri::VersionResponse::decode(answer)),
        }
    }
    check(all);
}

fn told(facts: ContainerFacts) -> MetadataNews {
    MetadataNews::Container(facts.into())
}

fn check(news: Vec<MetadataNews>) {
    for text in news.iter().flat_map(texts) {
        assert!(text.len() <= LONGEST, "{} bytes are kept of {text}", text.len());
    }
    let mut workloads = Workloads::new(FunctionRules::new(Some("function")));
    workloads.apply(Timestamp(1), news.clone());
    let version = workloads.version();
    workloads.apply(Timestamp(2), news);
    assert!(workloads.version() > version, "whoever has looked before does not look again");
    let functions = (0..).map_while(|number| workloads.function(prony::identity::FunctionId(number)));
    for function in functions {
        assert!(!function.name.is_empty(), "a function without a name: {function:?}");
        assert!(workloads.find(&function.name, Some(&function.namespace)).is_some());
    }
}

/// All that is kept of a piece of news.
fn texts(news: &MetadataNews) -> Vec<&str> {
    match news {
        MetadataNews::Pod(pod) => {
            let owner = pod.owner.iter().flat_map(|owner| [&owner.kind, &owner.name]);
            let labels = pod.labels.iter().flat_map(|(key, value)| [key, value]);
            [&pod.uid, &pod.namespace, &pod.name].into_iter().chain(owner).chain(labels).map(|text| &**text).collect()
        }
        MetadataNews::Container(container) => {
            let labels = container.labels.iter().flat_map(|(key, value)| [key, value]);
            let own = [&container.id, &container.name].into_iter().chain(&container.pod_uid);
            own.chain(labels).map(|text| &**text).collect()
        }
        MetadataNews::PodGone(id) | MetadataNews::ContainerGone(id) => vec![id],
    }
}
