//! What a subscriber asked for, checked and in one form, so that equal wishes are equal values.

use prony_proto::energy::v1 as pb;
use tonic::Status;

use crate::activity::Pid;
use crate::snapshot::{Container, Function};

use super::pattern::Pattern;

const MAX_CGROUP_BYTES: usize = 1024;
const MAX_COMMAND_BYTES: usize = 64;
const MAX_CONTAINER_BYTES: usize = 128;
const MAX_FUNCTION_BYTES: usize = 256;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Granularity {
    Process,
    Command,
    Cgroup,
    Container,
    Zone,
    Function,
}

/// Which lines are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    pub(super) granularity: Granularity,
    cgroup: Option<Pattern>,
    command: Option<Pattern>,
    pid: Option<Pid>,
    container: Option<String>,
    function: Option<Pattern>,
    namespace: Option<Pattern>,
}

impl Selection {
    /// Checks a request; the error names the field and what it may hold.
    pub(super) fn new(granularity: i32, filter: Option<pb::Filter>) -> Result<Self, Status> {
        let granularity = match pb::Granularity::try_from(granularity) {
            Ok(pb::Granularity::Process) => Granularity::Process,
            Ok(pb::Granularity::Command) => Granularity::Command,
            Ok(pb::Granularity::Cgroup) => Granularity::Cgroup,
            Ok(pb::Granularity::Container) => Granularity::Container,
            Ok(pb::Granularity::Zone) => Granularity::Zone,
            Ok(pb::Granularity::Function) => Granularity::Function,
            Ok(pb::Granularity::Unspecified) | Err(_) => {
                return Err(refuse("granularity", "has to be PROCESS, COMMAND, CGROUP, CONTAINER, FUNCTION or ZONE"));
            }
        };
        let filter = filter.unwrap_or_default();
        let selection = Self {
            granularity,
            cgroup: pattern("filter.cgroup", &filter.cgroup, MAX_CGROUP_BYTES)?,
            command: pattern("filter.command", &filter.command, MAX_COMMAND_BYTES)?,
            pid: filter.pid.map(Pid),
            container: container(filter.container)?,
            function: pattern("filter.function", &filter.function, MAX_FUNCTION_BYTES)?,
            namespace: pattern("filter.namespace", &filter.namespace, MAX_FUNCTION_BYTES)?,
        };
        selection.check_fields()?;
        Ok(selection)
    }

    fn check_fields(&self) -> Result<(), Status> {
        use Granularity::{Command, Function, Process, Zone};
        if self.pid.is_some() && self.granularity != Process {
            return Err(refuse("filter.pid", "goes with granularity PROCESS only"));
        }
        if self.command.is_some() && !matches!(self.granularity, Process | Command) {
            return Err(refuse("filter.command", "goes with granularity PROCESS or COMMAND only"));
        }
        if matches!(self.granularity, Zone | Function) && (self.cgroup.is_some() || self.container.is_some()) {
            return Err(refuse("filter", "has to be left out with granularity ZONE, and names no place with FUNCTION"));
        }
        if self.granularity != Function && (self.function.is_some() || self.namespace.is_some()) {
            return Err(refuse("filter.function", "and filter.namespace go with granularity FUNCTION only"));
        }
        Ok(())
    }

    /// Whether a process of this number is wanted.
    pub(super) fn wants_pid(&self, pid: Pid) -> bool {
        self.pid.is_none_or(|wanted| wanted == pid)
    }

    /// Whether this command name is wanted.
    pub(super) fn wants_command(&self, name: &str) -> bool {
        self.command.as_ref().is_none_or(|wanted| wanted.fits(name))
    }

    /// Whether this function is wanted.
    pub(super) fn wants_function(&self, function: &Function) -> bool {
        let fits = |wanted: &Option<Pattern>, name| wanted.as_ref().is_none_or(|wanted| wanted.fits(name));
        fits(&self.function, &function.name) && fits(&self.namespace, &function.namespace)
    }

    /// Whether a cgroup with this path, in this container, is wanted.
    pub(super) fn wants_place(&self, path: &str, container: Option<&Container>) -> bool {
        self.cgroup.as_ref().is_none_or(|wanted| wanted.fits_path(path))
            && self
                .container
                .as_ref()
                .is_none_or(|wanted| container.is_some_and(|container| container.id.starts_with(wanted.as_str())))
    }
}

fn pattern(field: &str, text: &str, max_bytes: usize) -> Result<Option<Pattern>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    Pattern::new(text, max_bytes).map(Some).map_err(|problem| refuse(field, &problem))
}

fn container(id: String) -> Result<Option<String>, Status> {
    if id.len() > MAX_CONTAINER_BYTES {
        let problem = format!("has {} bytes, at most {MAX_CONTAINER_BYTES} are allowed", id.len());
        return Err(refuse("filter.container", &problem));
    }
    Ok((!id.is_empty()).then_some(id))
}

fn refuse(field: &str, problem: &str) -> Status {
    Status::invalid_argument(format!("{field} {problem}"))
}

#[cfg(test)]
mod tests {
    use pb::Granularity as G;

    use super::*;

    fn filter() -> pb::Filter {
        pb::Filter::default()
    }

    #[test]
    fn a_field_that_cannot_apply_is_refused_by_name() {
        let pid = pb::Filter { pid: Some(1), ..filter() };
        let command = pb::Filter { command: "sh".into(), ..filter() };
        let cgroup = pb::Filter { cgroup: "/a".into(), ..filter() };
        let long = pb::Filter { cgroup: "/".repeat(1025), ..filter() };
        let named = pb::Filter { function: "hello".into(), namespace: "*".into(), ..filter() };
        let long_id = pb::Filter { container: "a".repeat(129), ..filter() };
        for (granularity, filter, refused) in [
            (G::Unspecified, filter(), Some("granularity")),
            (G::Process, pid.clone(), None),
            (G::Cgroup, pid, Some("filter.pid")),
            (G::Command, command.clone(), None),
            (G::Container, command, Some("filter.command")),
            (G::Container, cgroup.clone(), None),
            (G::Zone, cgroup, Some("filter ")),
            (G::Zone, filter(), None),
            (G::Function, named.clone(), None),
            (G::Process, named, Some("filter.function")),
            (G::Function, pb::Filter { container: "a".into(), ..filter() }, Some("filter ")),
            (G::Cgroup, long, Some("filter.cgroup")),
            (G::Cgroup, long_id, Some("filter.container")),
        ] {
            let outcome = Selection::new(granularity as i32, Some(filter.clone()));
            match refused {
                None => assert!(outcome.is_ok(), "{granularity:?} {filter:?}"),
                Some(field) => {
                    let status = outcome.expect_err("refused");
                    assert_eq!(status.code(), tonic::Code::InvalidArgument);
                    assert!(status.message().starts_with(field), "{status}");
                }
            }
        }
        assert!(Selection::new(77, None).is_err());
    }

    #[test]
    fn no_filter_and_an_empty_one_are_the_same_wish() {
        let one = Selection::new(G::Process as i32, None).expect("good");
        assert_eq!(one, Selection::new(G::Process as i32, Some(filter())).expect("good"));
    }
}
