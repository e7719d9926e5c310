//! What the kubelet and the engines of containers answer.

use prony::clock::Timestamp;
use prony::identity::metadata::{ContainerEvent, read_container_event, read_container_list, read_pod_list};
use prony::identity::{ContainerFacts, FunctionRules, MetadataNews, Workloads};

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
        Ok(ContainerEvent::Gone(id)) => news.push(MetadataNews::ContainerGone(id.into())),
        Ok(ContainerEvent::Other) | Err(_) => {}
    }
    check(news);
}

fn told(facts: ContainerFacts) -> MetadataNews {
    MetadataNews::Container(facts.into())
}

fn check(news: Vec<MetadataNews>) {
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
