//! What a client knows that keeps what it is told.

use std::collections::BTreeMap;

use prony_proto::energy::v1 as pb;

/// The lines of a Watch as its client has them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Mirror {
    pub(super) lines: BTreeMap<String, pb::Totals>,
    pub(super) generation: u64,
    other: Option<pb::Totals>,
}

impl Mirror {
    /// Takes a message in, and checks that totals never fall and that the books are exact afterwards.
    pub(super) fn apply(&mut self, message: &pb::WatchResponse) {
        let picture = message.picture.as_ref().expect("every message has a picture");
        assert!(picture.generation >= self.generation, "never back in time");
        if message.whole {
            self.lines.clear();
        }
        for line in &picture.lines {
            let name = name(line);
            match &line.totals {
                None => {
                    assert_eq!(line.state(), pb::LineState::Closed);
                    assert!(self.lines.remove(&name).is_some(), "{name} is closed once, and was known");
                }
                Some(totals) => {
                    let totals = without_power(totals);
                    if let Some(before) = self.lines.insert(name.clone(), totals.clone()) {
                        assert!(totals.cpu_nanoseconds >= before.cpu_nanoseconds, "{name} never falls");
                    }
                }
            }
        }
        self.generation = picture.generation;
        self.other.clone_from(&picture.other);
        self.assert_exact(picture);
    }

    /// The same from a snapshot.
    pub(super) fn of_snapshot(picture: pb::Picture) -> Self {
        let mut mirror = Self::default();
        mirror.apply(&pb::WatchResponse { picture: Some(picture), whole: true, ..Default::default() });
        mirror
    }

    /// What is counted outside all lines.
    pub(super) fn other(&self) -> &pb::Totals {
        self.other.as_ref().expect("every picture has it")
    }

    fn assert_exact(&self, picture: &pb::Picture) {
        for (index, zone) in picture.zones.iter().enumerate() {
            let parts = || {
                let totals = self.lines.values().chain(&self.other);
                totals.flat_map(|totals| &totals.energy).filter(|energy| energy.zone as usize == index)
            };
            let active: u64 = parts().map(|energy| energy.active_microjoules).sum();
            let idle: u64 = parts().map(|energy| energy.idle_microjoules).sum();
            assert_eq!(active, zone.active_microjoules, "zone {index}, generation {}", picture.generation);
            assert_eq!(idle, zone.idle_shared_microjoules, "zone {index}, generation {}", picture.generation);
        }
    }
}

/// A line that has been at rest keeps the power that its client was told last, until the client takes it for zero.
fn without_power(totals: &pb::Totals) -> pb::Totals {
    let mut totals = totals.clone();
    totals.energy.iter_mut().for_each(|energy| energy.power_watts = 0.0);
    totals
}

/// What names a line.
pub(super) fn name(line: &pb::Line) -> String {
    match line.subject.as_ref().expect("every line has a subject") {
        pb::line::Subject::Process(process) => format!("{}@{}", process.pid, process.cgroup),
        pb::line::Subject::Command(command) => format!("{}@{}", command.name, command.cgroup),
        pb::line::Subject::Cgroup(cgroup) => cgroup.path.clone(),
        pb::line::Subject::Container(container) => container.id.clone(),
        pb::line::Subject::Function(function) => format!("{}/{}", function.namespace, function.name),
    }
}
