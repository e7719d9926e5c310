//! Requests on the sockets of functions, where the configuration asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use metrics::{counter, gauge};

use crate::activity::{CgroupId, SocketRequest};
use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::kernel::Sockets;
use crate::notice::Notice;
use crate::telemetry;
use crate::units::Nanoseconds;

static NOT_LOADED: Notice = Notice::new("sockets_not_loaded");
static NOT_WATCHED: Notice = Notice::new("sockets_not_watched");
static LOST: Notice = Notice::new("socket_requests_lost");

/// How often it is looked which containers are functions'.
const LOOK_EVERY: Nanoseconds = Nanoseconds::SECOND;

/// The programs on sockets, and the functions' cgroups that they are attached to.
pub(super) struct SocketSide {
    sockets: Sockets,
    next_look: Timestamp,
    missed: u64,
}

impl SocketSide {
    /// Loads the programs. Where that is not possible it is said why, and no requests are seen.
    pub(super) fn start(btf: Option<&Path>) -> Option<Self> {
        match Sockets::load(btf) {
            Ok(sockets) => Some(Self { sockets, next_look: Timestamp::default(), missed: 0 }),
            Err(error) => {
                NOT_LOADED.warn(format_args!(
                    "requests on sockets are not seen: {error}; `prony doctor` says more, invocation.sockets = false \
                     switches it off"
                ));
                None
            }
        }
    }

    /// Moves what has ended by `now` to `requests`.
    pub(super) fn drain(&mut self, now: Timestamp, requests: &mut Vec<SocketRequest>) {
        let before = requests.len();
        self.sockets.drain(now, requests);
        counter!(telemetry::SOCKET_REQUESTS.name).increment((requests.len() - before) as u64);
    }

    /// Once a second: watches the cgroups of functions' containers that have come, forgets those that have gone, and says
    /// how it is doing.
    pub(super) fn look(&mut self, now: Timestamp, identity: &Identity) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let wanted = topmost(of_functions(now, identity));
        let gone: Vec<CgroupId> = self.sockets.watched().filter(|cgroup| !wanted.contains_key(cgroup)).collect();
        for cgroup in gone {
            self.sockets.forget(cgroup);
        }
        for (cgroup, path) in wanted {
            let Some(folder) = identity.cgroup_folder(&path) else { continue };
            if let Err(error) = self.sockets.watch(cgroup, &folder) {
                NOT_WATCHED.warn(error);
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        let counts = self.sockets.counts();
        for (reason, count) in [("unanswered", counts.unanswered), ("no_room", counts.no_room), ("ring", counts.lost)] {
            counter!(telemetry::SOCKET_REQUESTS_LOST.name, "reason" => reason).absolute(count);
        }
        let missed = counts.no_room + counts.lost;
        if std::mem::replace(&mut self.missed, missed) < missed {
            LOST.warn(format_args!(
                "requests on sockets were not followed, since more than 16,384 connections had one at once or the agent \
                 was kept from running: {missed} so far are missing from the functions' invocations"
            ));
        }
        gauge!(telemetry::SOCKET_CGROUPS.name).set(self.sockets.watched().count() as f64);
        for (program, time) in self.sockets.costs() {
            let Some(time) = time else { continue };
            gauge!(telemetry::SOCKET_PROGRAM_SECONDS.name, "program" => program)
                .set(time.total.seconds() / time.runs as f64);
            counter!(telemetry::SOCKET_PROGRAM_RUNS.name, "program" => program).absolute(time.runs);
        }
    }
}

/// The cgroups of containers that are a function's now.
fn of_functions(now: Timestamp, identity: &Identity) -> BTreeSet<(Arc<str>, CgroupId)> {
    let names = identity.names();
    let is_functions = |cgroup: &CgroupId| {
        let container = names.cgroup(*cgroup).and_then(|name| name.container.as_ref());
        container.is_some_and(|container| names.workloads().function_of(container, now).is_some())
    };
    names
        .existing_cgroups()
        .filter(is_functions)
        .filter_map(|cgroup| Some((Arc::clone(&names.cgroup(cgroup)?.path), cgroup)))
        .collect()
}

/// Leaves out what lies in another of them: programs on a cgroup see the packets of those in it too.
fn topmost(cgroups: BTreeSet<(Arc<str>, CgroupId)>) -> BTreeMap<CgroupId, Arc<str>> {
    let paths: BTreeSet<Arc<str>> = cgroups.iter().map(|(path, _)| Arc::clone(path)).collect();
    let lies_in_another = |path: &str| path.match_indices('/').skip(1).any(|(at, _)| paths.contains(&path[..at]));
    cgroups.into_iter().filter(|(path, _)| !lies_in_another(path)).map(|(path, cgroup)| (cgroup, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_topmost_cgroups_are_watched() {
        let cgroups = ["/pods/a", "/pods/a/init", "/pods/a-b", "/pods/c/inner", "/pods/a/init/deep"];
        let cgroups = cgroups.iter().zip(1..).map(|(&path, id)| (Arc::from(path), CgroupId(id))).collect();
        let watched: Vec<CgroupId> = topmost(cgroups).into_keys().collect();
        assert_eq!(watched, [CgroupId(1), CgroupId(3), CgroupId(4)]);
    }
}
