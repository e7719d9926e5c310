//! The engine API of Docker, which Podman speaks too: lists of containers (`GET /containers/json`) and events
//! (`GET /events`), as far as they are needed. Unknown fields are passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::identity::ContainerFacts;

use super::catalogue::{labels, name};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: Actor,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Actor {
    #[serde(default, rename = "ID")]
    id: String,
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerEvent {
    /// A container is there, or has another name.
    There(ContainerFacts),
    /// The container of this id is no more.
    Gone(Arc<str>),
    /// Something that is not of interest.
    Other,
}

/// Attributes of an event that are no labels (`daemon/events.go` in Docker's engine, `ConvertToEntitiesEvent` in
/// Podman's service).
const NO_LABELS: [&str; 7] = ["image", "name", "oldName", "exitCode", "execID", "containerExitCode", "podId"];

/// Reads a list of containers.
///
/// # Errors
/// When it is no JSON, or not of that shape.
pub fn read_container_list(json: &[u8]) -> Result<Vec<ContainerFacts>, serde_json::Error> {
    let listed: Vec<Listed> = serde_json::from_slice(json)?;
    let facts = |listed: Listed| {
        let names = listed.names.unwrap_or_default();
        facts(&listed.id, names.first().map_or("", String::as_str), &listed.labels.unwrap_or_default())
    };
    Ok(listed.into_iter().map(facts).collect())
}

/// Reads one event.
///
/// # Errors
/// When it is no JSON, or not of that shape.
pub fn read_container_event(json: &[u8]) -> Result<ContainerEvent, serde_json::Error> {
    let event: Event = serde_json::from_slice(json)?;
    if event.kind != "container" || event.actor.id.is_empty() {
        return Ok(ContainerEvent::Other);
    }
    let mut attributes = event.actor.attributes.unwrap_or_default();
    Ok(match event.action.as_str() {
        "create" | "init" | "start" | "rename" => {
            let own = attributes.get("name").cloned().unwrap_or_default();
            attributes.retain(|key, _| !NO_LABELS.contains(&key.as_str()));
            ContainerEvent::There(facts(&event.actor.id, &own, &attributes))
        }
        "destroy" | "remove" => ContainerEvent::Gone(name(&event.actor.id)),
        _ => ContainerEvent::Other,
    })
}

fn facts(id: &str, own_name: &str, labelled: &BTreeMap<String, String>) -> ContainerFacts {
    ContainerFacts {
        id: name(id),
        name: name(own_name.trim_start_matches('/')),
        pod_uid: labelled.get("io.kubernetes.pod.uid").map(|uid| name(uid)),
        labels: labels(labelled.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_names_without_a_slash() {
        let json = br#"[{"Id":"aa","Names":["/wsk0_1_guest_hello"],"Labels":{"a":"b"},"State":"running"},
            {"Id":"bb","Names":null,"Labels":null}]"#;
        let list = read_container_list(json).unwrap();
        assert_eq!((&*list[0].id, &*list[0].name, &*list[0].labels["a"]), ("aa", "wsk0_1_guest_hello", "b"));
        assert_eq!((&*list[1].id, &*list[1].name), ("bb", ""));
        assert!(read_container_list(br#"{"message":"no"}"#).is_err());
    }

    #[test]
    fn events_tell_who_comes_and_goes() {
        let event = |action: &str| {
            format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"aa","Attributes":{{"image":"x","name":"n","l":"v"}}}}}}"#
            )
        };
        let there = read_container_event(event("start").as_bytes()).unwrap();
        let ContainerEvent::There(facts) = there else { panic!("{there:?}") };
        assert_eq!((&*facts.name, facts.labels.len(), &*facts.labels["l"]), ("n", 1, "v"));
        assert_eq!(read_container_event(event("destroy").as_bytes()).unwrap(), ContainerEvent::Gone("aa".into()));
        assert_eq!(read_container_event(event("exec_start: sh").as_bytes()).unwrap(), ContainerEvent::Other);
        assert_eq!(read_container_event(br#"{"Type":"image","Action":"pull"}"#).unwrap(), ContainerEvent::Other);
        assert!(read_container_event(b"{").is_err());
    }
}
