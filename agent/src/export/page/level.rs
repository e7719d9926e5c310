//! What the lines of a chart are, and how they are named.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::export::containers::ContainerLine;
use crate::shared_text;
use crate::snapshot::{CgroupLine, Container, ContainerFacts, Function, FunctionLine, PodFacts, ProcessLine};

/// How many hexadecimal digits of a container's id stand for its name where it has none.
const SHORT_ID: usize = 12;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Function,
    Container,
    Cgroup,
    Process,
}

impl Level {
    pub(super) const ALL: [Self; 4] = [Self::Function, Self::Container, Self::Cgroup, Self::Process];
}

/// Whose line it is. The id names it for as long as it is there, and begins with the level's letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Subject {
    #[serde(with = "shared_text")]
    pub(super) id: Arc<str>,
    #[serde(with = "shared_text")]
    pub(super) name: Arc<str>,
    /// What tells it from others of its name.
    #[serde(with = "shared_text")]
    pub(super) detail: Arc<str>,
}

impl Subject {
    pub(super) fn of_process(line: &ProcessLine) -> Self {
        let consumer = line.consumer;
        let program = if line.exe.is_empty() { String::new() } else { format!(", {}", line.exe) };
        Self {
            id: format!("p:{}:{}:{}", consumer.pid, consumer.start.0, consumer.cgroup.0).into(),
            name: line.comm.clone(),
            detail: format!("pid {}{program}, {}", consumer.pid, line.cgroup_path).into(),
        }
    }

    pub(super) fn of_cgroup(line: &CgroupLine) -> Self {
        Self { id: format!("g:{}", line.id.0).into(), name: line.path.clone(), detail: "".into() }
    }

    /// The container that a cgroup lies in, if it does.
    pub(super) fn of_container(line: &CgroupLine) -> Option<Self> {
        let container = line.container.as_deref()?;
        Some(Self::container(container, line.container_facts.as_deref(), line.pod.as_deref()))
    }

    pub(super) fn of_container_line(line: &ContainerLine) -> Self {
        Self::container(&line.container, line.facts.as_deref(), line.pod.as_deref())
    }

    fn container(container: &Container, facts: Option<&ContainerFacts>, pod: Option<&PodFacts>) -> Self {
        let told = facts.map(|facts| &facts.name).filter(|name| !name.is_empty());
        let short = || container.id.get(..SHORT_ID).unwrap_or(&container.id).into();
        let pod = pod.map_or_else(String::new, |pod| format!("{}/{}, ", pod.namespace, pod.name));
        Self {
            id: format!("c:{}", container.id).into(),
            name: told.map_or_else(short, Arc::clone),
            detail: format!("{pod}{} {}", container.runtime, container.id).trim_start().into(),
        }
    }

    pub(super) fn of_function(line: &FunctionLine) -> Self {
        let Function { platform, namespace, name, revision } = &*line.function;
        let platform = platform.label();
        Self {
            id: format!("f:{platform}/{namespace}/{name}/{revision}").into(),
            name: name.clone(),
            detail: [platform, namespace, revision]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
                .into(),
        }
    }
}
