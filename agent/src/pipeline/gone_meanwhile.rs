//! Who was in the books of an earlier agent and has gone since it stopped, where nobody told of it.

use std::path::Path;

use crate::activity::{Lifecycle, Pid};
use crate::clock::Timestamp;
use crate::identity::{LivingProcesses, Names};
use crate::ledger::LedgerRecord;

/// The ends of processes that do not run any more and of cgroups that are not there, each after its name, as of `now`. Where
/// `/proc` does not tell of all processes, or `names` does not hold all cgroups, nobody is said to have gone.
pub(super) fn gone_meanwhile(
    books: &LedgerRecord,
    (names, are_all): (&Names, bool),
    procfs: &Path,
    now: Timestamp,
) -> Vec<Lifecycle> {
    let mut events = Vec::new();
    if are_all {
        for (cgroup, path) in books.living_cgroups().filter(|(cgroup, _)| names.cgroup(*cgroup).is_none()) {
            events.push(Lifecycle::CgroupMade { at: now, cgroup, path: path.to_owned() });
            events.push(Lifecycle::CgroupRemoved { at: now, cgroup });
        }
    }
    let processes = LivingProcesses::open(procfs);
    if processes.tells_of_all() {
        for (consumer, comm) in books.living_processes() {
            if !processes.may_run(consumer.pid, consumer.start) {
                events.push(Lifecycle::Named { consumer, parent: Pid(0), comm, kernel_thread: false });
                events.push(Lifecycle::Ended { consumer });
            }
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::activity::{ActivityWindow, CgroupId, Comm, ConsumerId, ShardId, Slice, Topology};
    use crate::config::LedgerConfig;
    use crate::ledger::Ledger;
    use crate::units::Nanoseconds;

    fn books(names: &mut Names) -> LedgerRecord {
        let consumer = |cgroup, pid| ConsumerId { cgroup: CgroupId(cgroup), pid: Pid(pid), start: Nanoseconds::ZERO };
        let mut ledger = Ledger::new(&LedgerConfig::default());
        let who = [consumer(70, 7), consumer(80, 8)];
        for (consumer, path) in who.into_iter().zip(["/gone", "/there"]) {
            names.set_cgroup_path(consumer.cgroup, path);
            names.name(consumer, Pid(1), Comm::new("x"), false);
        }
        let slice = |consumer| Slice { consumer, shard: ShardId(0), cpu_time: Nanoseconds(5) };
        let window = ActivityWindow {
            to: Timestamp(9),
            slices: who.map(slice).into(),
            topology: Arc::new(Topology::default()),
            ..ActivityWindow::default()
        };
        ledger.record(&window, names);
        ledger.close_window(Timestamp(9));
        ledger.written(names, true)
    }

    #[test]
    fn who_has_gone_is_said_to_with_its_name() {
        let books = books(&mut Names::default());
        let procfs = tempfile::tempdir().unwrap();
        for (pid, comm) in [(2, "kthreadd"), (8, "x")] {
            fs::create_dir(procfs.path().join(pid.to_string())).unwrap();
            let flags = if pid == 2 { 2_129_984 } else { 0 };
            let stat = format!("{pid} ({comm}) S 0 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0\n");
            fs::write(procfs.path().join(pid.to_string()).join("stat"), stat).unwrap();
        }
        let mut names = Names::default();
        names.set_cgroup_path(CgroupId(80), "/there");
        let events = gone_meanwhile(&books, (&names, true), procfs.path(), Timestamp(9));
        let [made, removed, called, ended] = &events[..] else { panic!("{events:?}") };
        assert!(matches!(made, Lifecycle::CgroupMade { cgroup: CgroupId(70), path, .. } if path == "/gone"));
        assert!(matches!(removed, Lifecycle::CgroupRemoved { cgroup: CgroupId(70), .. }));
        assert!(matches!(called, Lifecycle::Named { comm, .. } if *comm == Comm::new("x")));
        assert!(matches!(ended, Lifecycle::Ended { consumer } if consumer.pid == Pid(7)));
    }

    #[test]
    fn where_nothing_is_told_nobody_has_gone() {
        let books = books(&mut Names::default());
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(gone_meanwhile(&books, (&Names::default(), false), nowhere.path(), Timestamp(9)), []);
    }
}
