//! What a client of `Watch` knows that keeps what it is told.

use std::collections::BTreeMap;

use prony_proto::energy::v1 as pb;

/// Active and idle microjoules, by zone.
pub(crate) type Energies = BTreeMap<u32, (u64, u64)>;

/// The lines as the client has them.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    lines: BTreeMap<String, pb::Totals>,
    generation: u64,
}

impl Mirror {
    /// Takes a message in. Asserts that totals never fall and that the books are exact afterwards.
    pub(crate) fn apply(&mut self, message: &pb::WatchResponse) {
        let picture = message.picture.as_ref().expect("every message has a picture");
        assert!(picture.generation > self.generation, "always forth in time");
        self.generation = picture.generation;
        if message.whole {
            self.lines.clear();
        }
        for line in &picture.lines {
            let name = name(line);
            let before = match &line.totals {
                Some(totals) => self.lines.insert(name.clone(), totals.clone()),
                None => self.lines.remove(&name).map(|_| pb::Totals::default()),
            };
            if let (Some(before), Some(now)) = (before, &line.totals) {
                assert!(now.cpu_nanoseconds >= before.cpu_nanoseconds, "{name} never falls");
            }
        }
        for (zone, book) in (0..).zip(&picture.zones) {
            let parts = self.lines.values().chain(&picture.other).map(|totals| energies(totals).remove(&zone));
            let parts = parts.flatten().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
            assert_eq!(parts, (book.active_microjoules, book.idle_shared_microjoules), "of {}", book.name);
            let whole = book.active_microjoules + book.idle_microjoules + book.unattributed_microjoules;
            assert_eq!(whole, book.measured_microjoules, "of {}", book.name);
        }
    }

    /// The energy of every line that used any.
    pub(crate) fn energies(&self) -> BTreeMap<&str, Energies> {
        let all = self.lines.iter().map(|(name, totals)| (name.as_str(), energies(totals)));
        all.filter(|(_, energies)| !energies.is_empty()).collect()
    }
}

/// The zones in which there is any energy.
pub(crate) fn energies(totals: &pb::Totals) -> Energies {
    let all = totals.energy.iter().map(|energy| (energy.zone, (energy.active_microjoules, energy.idle_microjoules)));
    all.filter(|(_, used)| *used != (0, 0)).collect()
}

/// What names a line.
pub(crate) fn name(line: &pb::Line) -> String {
    match line.subject.as_ref().expect("every line has a subject") {
        pb::line::Subject::Process(it) => format!("{} {} {}", it.cgroup_id, it.pid, it.start_nanoseconds),
        pb::line::Subject::Command(it) => format!("{} {}", it.cgroup_id, it.name),
        pb::line::Subject::Cgroup(it) => it.id.to_string(),
        pb::line::Subject::Container(it) => it.id.clone(),
        pb::line::Subject::Function(it) => format!("{}/{}", it.namespace, it.name),
    }
}
