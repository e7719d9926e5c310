//! The API server's protocol: pages of a list, events of a watch, versions that are gone, and all that fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::tests::{Answers, Heard, Node, answer, follow, pods};
use super::*;
use crate::config::IdentityConfig;

/// A pod of the API, with one container.
fn pod(name: &str, label: &str) -> String {
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"uid":"u-{name}","name":"{name}","namespace":"fn",
        "resourceVersion":"7","labels":{{"faas_function":"{label}"}}}},"spec":{{"nodeName":"n1"}},
        "status":{{"containerStatuses":[{{"name":"c-{name}","containerID":"containerd://id-{name}"}}]}}}}"#
    )
    .replace('\n', "")
}

fn list(items: &[String], more: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"10","continue":"{more}"}},"items":[{}]}}"#,
        items.join(",")
    );
    answer("200 OK", text.as_bytes())
}

/// A watch that ends after these events.
fn watch(events: &[(&str, String)]) -> Vec<u8> {
    let line = |(kind, object): &(&str, String)| format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
    let lines: Vec<String> = events.iter().map(line).collect();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", lines.concat()).into_bytes()
}

fn refusal(code: u16, reason: &str) -> (String, String) {
    let status = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"m","reason":"{reason}","code":{code}}}"#
    );
    (format!("{code} {reason}"), status)
}

fn refuse(code: u16, reason: &str) -> Vec<u8> {
    let (line, status) = refusal(code, reason);
    answer(&line, status.as_bytes())
}

fn is_watch(request: &str) -> bool {
    request.contains("watch=true")
}

async fn api_server(answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (Node, IdentityConfig) {
    let node = Node::start(Arc::new(answers)).await;
    std::fs::write(&node.config.token_file, "secret").unwrap();
    let config = IdentityConfig {
        metadata: MetadataChoice::ApiServer,
        api_server_url: Some(node.config.kubelet_url.clone()),
        kubelet_url: "https://127.0.0.1:1".into(),
        ..node.config.clone()
    };
    (node, config)
}

#[tokio::test]
async fn pages_of_this_nodes_pods_are_listed_and_then_watched_from_where_the_watch_ended() {
    let (lists, watches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (_node, config) = api_server(move |request| {
        assert!(request.starts_with("GET /api/v1/pods?"), "{request}");
        assert!(request.contains("fieldSelector=spec.nodeName%3Dn1"), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret\r\n"), "{request}");
        if !is_watch(request) {
            return match lists.fetch_add(1, Ordering::Relaxed) {
                0 => list(&[pod("a", "one")], "page-2"),
                1 => {
                    assert!(request.contains("continue=page-2"), "{request}");
                    list(&[pod("b", "one")], "")
                }
                _ => panic!("it was listed again: {request}"),
            };
        }
        match watches.fetch_add(1, Ordering::Relaxed) {
            0 => {
                assert!(request.contains("resourceVersion=10"), "{request}");
                let bookmark = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12"}}"#;
                watch(&[("MODIFIED", pod("a", "two")), ("BOOKMARK", bookmark.into())])
            }
            1 => {
                assert!(request.contains("resourceVersion=12"), "{request}");
                watch(&[("DELETED", pod("b", "one")), ("ADDED", pod("c", "one"))])
            }
            _ => watch(&[]),
        }
    })
    .await;
    let (heard, _guard) = follow(&config);
    let names = heard.wait_for(9).await;
    assert_eq!(names, ["a", "b", "c-a", "c-b", "a", "-id-b", "-u-b", "c", "c-c"]);
    let relabelled = heard.0.lock().unwrap()[4].clone();
    assert!(matches!(relabelled, MetadataNews::Pod(pod) if &*pod.labels["faas_function"] == "two"));
}

#[tokio::test]
async fn a_version_that_is_gone_means_a_new_list_of_which_only_what_is_new_is_told() {
    let (lists, watches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (_node, config) = api_server(move |request| {
        if !is_watch(request) {
            return match lists.fetch_add(1, Ordering::Relaxed) {
                0 => list(&[pod("a", "one"), pod("b", "one")], ""),
                1 => list(&[pod("a", "one")], ""),
                _ => list(&[pod("a", "one"), pod("c", "one")], ""),
            };
        }
        match watches.fetch_add(1, Ordering::Relaxed) {
            0 => watch(&[("ERROR", refusal(410, "Expired").1)]),
            1 => refuse(410, "Gone"),
            _ => watch(&[]),
        }
    })
    .await;
    let (heard, _guard) = follow(&config);
    assert_eq!(heard.wait_for(8).await, ["a", "b", "c-a", "c-b", "-u-b", "-id-b", "c", "c-c"]);
}

#[tokio::test]
async fn a_server_that_is_away_or_answers_nonsense_is_asked_again_and_what_is_known_stays() {
    let (lists, watches) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (_node, config) = api_server(move |request| {
        if is_watch(request) {
            return match watches.fetch_add(1, Ordering::Relaxed) {
                // It breaks off in the middle of an event, and goes on from the one before.
                0 => [watch(&[]), br#"{"type":"ADDED","object":{"kin"#.to_vec()].concat(),
                1 => watch(&[("ADDED", "7".into())]),
                _ => watch(&[]),
            };
        }
        match lists.fetch_add(1, Ordering::Relaxed) {
            0 => list(&[pod("a", "one")], ""),
            1 => Vec::new(),
            2 => answer("200 OK", b"<html>"),
            3 => list(&[pod("a", "one")], "")[..90].to_vec(),
            4 => refuse(503, "ServiceUnavailable"),
            5 => refuse(403, "Forbidden"),
            _ => list(&[pod("a", "one"), pod("b", "one")], ""),
        }
    })
    .await;
    let (heard, _guard) = follow(&config);
    assert_eq!(heard.wait_for(4).await, ["a", "c-a", "b", "c-b"]);
}

#[tokio::test]
async fn a_token_that_has_expired_is_read_anew() {
    let (node, config) = api_server(|request| {
        if !request.to_lowercase().contains("bearer second\r\n") {
            refuse(401, "Unauthorized")
        } else if is_watch(request) {
            watch(&[])
        } else {
            list(&[pod("a", "one")], "")
        }
    })
    .await;
    let (heard, _guard) = follow(&config);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(heard.names().is_empty());
    std::fs::write(&node.config.token_file, "second").unwrap();
    assert_eq!(heard.wait_for(2).await, ["a", "c-a"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_remedy() {
    let cases: [(Vec<u8>, &str); 4] = [
        (refuse(403, "Forbidden"), "`list` and `watch` on `pods`"),
        (refuse(401, "Unauthorized"), "identity.token_file"),
        (refuse(500, "InternalError"), "it answers 500: m"),
        (answer("200 OK", b"<html>"), "deserializing"),
    ];
    for (reply, expected) in cases {
        let (_node, config) = api_server(move |_| reply.clone()).await;
        let problem = super::api_server(&config, "n1").answers().await.unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
    let (_node, config) = api_server(|_| list(&[], "")).await;
    let (other, _) = api_server(|_| list(&[], "")).await;
    let strange = IdentityConfig { ca_file: other.config.ca_file.clone(), ..config.clone() };
    let problem = super::api_server(&strange, "n1").answers().await.unwrap_err();
    assert!(problem.contains("set identity.ca_file"), "{problem}");
    let plain = IdentityConfig { api_server_url: Some("http://127.0.0.1:1".into()), ..config.clone() };
    let problem = super::api_server(&plain, "n1").answers().await.unwrap_err();
    assert!(problem.contains("no address like https://"), "{problem}");
    super::api_server(&config, "n1").answers().await.unwrap();
    std::fs::write(&config.token_file, "secret\n").unwrap();
    let problem = super::api_server(&config, "n1").answers().await.unwrap_err();
    assert!(problem.contains("no line break"), "{problem}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_node, config) = api_server(|_| list(&[], "")).await;
    let url = format!("https://{}", silent.local_addr().unwrap());
    let config = IdentityConfig { api_server_url: Some(url), ..config };
    let patience = Duration::from_millis(50);
    let server = ApiServer { patience, ..super::api_server(&config, "n1") };
    assert!(server.answers().await.unwrap_err().contains("takes longer"));
}

#[tokio::test]
async fn in_a_pod_the_api_server_is_asked_where_the_kubelet_forbids_it_and_else_left_alone() {
    let forbids: Answers = Arc::new(|_| answer("403 Forbidden", b"no"));
    let tells: Answers = Arc::new(|_| answer("200 OK", &pods(std::iter::once("by-kubelet".to_owned()))));
    for (kubelet, expected) in [(forbids, vec!["a", "c-a"]), (tells, vec!["by-kubelet"])] {
        let node = Node::start(kubelet).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (server, config) = api_server(move |request| {
            count.fetch_add(1, Ordering::Relaxed);
            if is_watch(request) { watch(&[]) } else { list(&[pod("a", "one")], "") }
        })
        .await;
        // One authority for both.
        let certificates = [&node, &server].map(|one| std::fs::read_to_string(&one.config.ca_file).unwrap());
        std::fs::write(&node.config.ca_file, certificates.concat()).unwrap();
        let config = IdentityConfig {
            metadata: MetadataChoice::Auto,
            kubelet_url: node.config.kubelet_url.clone(),
            ca_file: node.config.ca_file.clone(),
            ..config
        };
        assert_eq!(chosen(&config), [Source::Kubelet, Source::ApiServer]);
        let (heard, _guard): (Heard, _) = follow(&config);
        assert_eq!(heard.wait_for(expected.len()).await, expected);
        assert_eq!(asked.load(Ordering::Relaxed) == 0, expected == ["by-kubelet"]);
    }
}

#[tokio::test]
async fn a_kubelet_that_comes_later_is_preferred_and_told_gone_is_what_went_meanwhile() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let node = Node::start(Arc::new(move |_| {
        if up.load(Ordering::Relaxed) {
            answer("200 OK", &pods(std::iter::once("by-kubelet".to_owned())))
        } else {
            answer("503 Service Unavailable", b"starting")
        }
    }))
    .await;
    let (server, config) =
        api_server(|request| if is_watch(request) { watch(&[]) } else { list(&[pod("a", "one")], "") }).await;
    let certificates = [&node, &server].map(|one| std::fs::read_to_string(&one.config.ca_file).unwrap());
    std::fs::write(&node.config.ca_file, certificates.concat()).unwrap();
    let config =
        IdentityConfig { kubelet_url: node.config.kubelet_url.clone(), ca_file: node.config.ca_file.clone(), ..config };
    let cluster = Cluster {
        kubelet: super::kubelet(&config),
        api_server: super::api_server(&config, "n1"),
        look_again: Duration::from_millis(20),
    };
    let heard = Heard::default();
    let news = Arc::clone(&heard.0);
    let tell = Tell(Arc::new(move |more| news.lock().unwrap().extend(more)));
    let running = tokio::spawn(async move { cluster.run(&mut Catalogue::default(), &tell).await });
    assert_eq!(heard.wait_for(2).await, ["a", "c-a"]);
    is_up.store(true, Ordering::Relaxed);
    let names = heard.wait_for(5).await;
    assert!(names[2..].contains(&"by-kubelet".to_owned()), "{names:?}");
    assert_eq!(names[2..].iter().filter(|name| name.starts_with('-')).count(), 2, "{names:?}");
    running.abort();
}
