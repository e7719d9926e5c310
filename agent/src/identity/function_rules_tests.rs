//! The label sets of every platform.

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
}

fn pod(namespace: &str, name: &str, pairs: &[(&str, &str)], owner: Option<(&str, &str)>) -> PodFacts {
    PodFacts {
        uid: "u".into(),
        namespace: namespace.into(),
        name: name.into(),
        labels: labels(pairs),
        owner: owner.map(|(kind, name)| Owner { kind: kind.into(), name: name.into() }),
    }
}

fn of(platform: Platform, namespace: &str, name: &str, revision: &str) -> Function {
    Function { platform, namespace: namespace.into(), name: name.into(), revision: revision.into() }
}

#[test]
fn every_platforms_pods_are_known() {
    use Platform::{Fission, Knative, Kubernetes, Nuclio, OpenFaas, OpenWhisk};
    let replicas = Some(("ReplicaSet", "hello-7c9f"));
    let table = [
        (
            pod("openfaas-fn", "hello-7c9f-x1", &[("faas_function", "hello")], replicas),
            of(OpenFaas, "openfaas-fn", "hello", ""),
        ),
        (
            pod(
                "default",
                "hello-00001-deployment-abc",
                &[
                    ("serving.knative.dev/service", "hello"),
                    ("serving.knative.dev/configuration", "hello"),
                    ("serving.knative.dev/revision", "hello-00001"),
                ],
                replicas,
            ),
            of(Knative, "default", "hello", "hello-00001"),
        ),
        (
            pod(
                "default",
                "p",
                &[("serving.knative.dev/configuration", "conf"), ("serving.knative.dev/revision", "r2")],
                None,
            ),
            of(Knative, "default", "conf", "r2"),
        ),
        (
            pod(
                "openwhisk",
                "wskinvoker-00-1-guest-hello",
                &[
                    ("user-action-pod", "true"),
                    ("invoker", "invoker0"),
                    ("openwhisk/action", "hello"),
                    ("openwhisk/namespace", "guest"),
                ],
                None,
            ),
            of(OpenWhisk, "guest", "hello", ""),
        ),
        (
            pod(
                "openwhisk",
                "wskinvoker-00-2-prewarm-nodejs",
                &[("user-action-pod", "true"), ("invoker", "invoker0")],
                None,
            ),
            of(OpenWhisk, "openwhisk", "(prewarm)", ""),
        ),
        (
            pod(
                "fission-function",
                "poolmgr-python-1",
                &[
                    ("functionName", "hello"),
                    ("functionNamespace", "default"),
                    ("functionUid", "u1"),
                    ("environmentName", "python"),
                    ("executorType", "poolmgr"),
                ],
                replicas,
            ),
            of(Fission, "default", "hello", ""),
        ),
        (
            pod(
                "fission-function",
                "poolmgr-python-2",
                &[("environmentName", "python"), ("executorType", "poolmgr")],
                replicas,
            ),
            of(Fission, "fission-function", "(pool python)", ""),
        ),
        (
            pod(
                "nuclio",
                "nuclio-hello-5d",
                &[
                    ("nuclio.io/function-name", "hello"),
                    ("nuclio.io/project-name", "default"),
                    ("nuclio.io/function-version", "latest"),
                ],
                replicas,
            ),
            of(Nuclio, "nuclio", "hello", "latest"),
        ),
        // A label of the same name that is not Fission's.
        (pod("web", "alone", &[("functionName", "x")], None), of(Kubernetes, "web", "alone", "")),
        (pod("web", "alone", &[("faas_function", "")], None), of(Kubernetes, "web", "alone", "")),
    ];
    for (pod, expected) in table {
        assert_eq!(FunctionRules::default().of_pod(&pod), expected, "{pod:?}");
    }
}

#[test]
fn what_runs_on_no_platform_counts_for_its_owner() {
    use Platform::Kubernetes;
    let table = [
        (
            pod("web", "shop-7c9f-x1", &[("pod-template-hash", "7c9f")], Some(("ReplicaSet", "shop-7c9f"))),
            of(Kubernetes, "web", "shop", ""),
        ),
        (pod("web", "shop-x1", &[], Some(("ReplicaSet", "shop-7c9f"))), of(Kubernetes, "web", "shop-7c9f", "")),
        (pod("web", "agent-x", &[], Some(("DaemonSet", "agent"))), of(Kubernetes, "web", "agent", "")),
        (pod("web", "db-0", &[], Some(("StatefulSet", "db"))), of(Kubernetes, "web", "db", "")),
        (pod("web", "b-x", &[], Some(("Job", "backup-29384756"))), of(Kubernetes, "web", "backup", "")),
        (pod("web", "m-x", &[], Some(("Job", "migrate-2"))), of(Kubernetes, "web", "migrate-2", "")),
        (pod("kube-system", "etcd-n1", &[], Some(("Node", "n1"))), of(Kubernetes, "kube-system", "etcd", "")),
        (pod("web", "alone", &[], None), of(Kubernetes, "web", "alone", "")),
    ];
    for (pod, expected) in table {
        assert_eq!(FunctionRules::default().of_pod(&pod), expected, "{pod:?}");
    }
}

#[test]
fn a_pod_without_a_name_is_called_something_all_the_same() {
    let of_pod = |pod: PodFacts| FunctionRules::default().of_pod(&pod).name;
    let nameless = || pod("fn", "", &[], None);
    assert_eq!(&*of_pod(nameless()), "u");
    assert_eq!(&*of_pod(pod("fn", "a", &[], Some(("DaemonSet", "")))), "a");
    assert_eq!(&*of_pod(PodFacts { uid: "".into(), ..nameless() }), "?");
}

#[test]
fn containers_without_a_pod_are_known_by_labels_or_names() {
    use Platform::{Nuclio, OpenWhisk};
    let table = [
        ("wsk0_12_guest_hello", labels(&[]), Some(of(OpenWhisk, "guest", "hello", ""))),
        ("wskinvoker0_3_guest_my_action", labels(&[]), Some(of(OpenWhisk, "guest", "my_action", ""))),
        ("wsk0_5_prewarm_nodejs20", labels(&[]), Some(of(OpenWhisk, "", "(prewarm nodejs20)", ""))),
        ("wsk_and_more", labels(&[]), None),
        ("nuclio-nuclio-hello", labels(&[]), Some(of(Nuclio, "nuclio", "hello", ""))),
        (
            "any",
            labels(&[("nuclio.io/function-name", "hello"), ("nuclio.io/namespace", "ns")]),
            Some(of(Nuclio, "ns", "hello", "")),
        ),
        ("postgres", labels(&[("maintainer", "x")]), None),
        ("nuclio-", labels(&[]), None),
    ];
    for (name, labels, expected) in table {
        let container = ContainerFacts { name: name.into(), labels, ..ContainerFacts::default() };
        assert_eq!(FunctionRules::default().of_container(&container), expected, "{name}");
    }
}

#[test]
fn a_configured_label_goes_before_the_platforms() {
    let rules = FunctionRules::new(Some("team.example/function"));
    let labelled = [("team.example/function", "mine"), ("faas_function", "theirs")];
    assert_eq!(rules.of_pod(&pod("ns", "p", &labelled, None)), of(Platform::Label, "ns", "mine", ""));
    assert_eq!(rules.of_pod(&pod("ns", "p", &labelled[1..], None)), of(Platform::OpenFaas, "ns", "theirs", ""));
    let container = ContainerFacts { labels: labels(&labelled), ..ContainerFacts::default() };
    assert_eq!(rules.of_container(&container), Some(of(Platform::Label, "", "mine", "")));
}

#[test]
fn hostile_labels_are_cut_at_a_character() {
    let long = "ä\n\"".repeat(20_000);
    let function = FunctionRules::default().of_pod(&pod(&long, "p", &[("faas_function", &long)], None));
    assert!(function.name.len() <= LONGEST && long.starts_with(&*function.name), "{}", function.name.len());
    assert!(!function.name.is_empty() && function.namespace.len() <= LONGEST);
}
