use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;
use crate::activity::{Comm, ShardId, Slice, Topology};

const STARTED: Nanoseconds = Nanoseconds(50 * 1_000_000_000);
const ID: &str = "3f4a1c0e5b6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708";

struct Machine {
    root: tempfile::TempDir,
    files: ProcessFiles,
    names: Names,
    now: Timestamp,
}

impl Machine {
    fn new(self_cgroup: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("self")).unwrap();
        fs::write(root.path().join("self/cgroup"), self_cgroup).unwrap();
        let point = root.path().join("v1");
        let mount = format!("32 31 0:29 / {} rw - cgroup cgroup rw,cpu\n", point.display());
        fs::write(root.path().join("self/mountinfo"), mount).unwrap();
        let files = ProcessFiles::open(&HostRoots { procfs: root.path().into(), ..HostRoots::default() });
        Self { root, files, names: Names::default(), now: Timestamp(100_000_000_000) }
    }

    fn process(&self, pid: u32, comm: &str, exe: &str, cgroup: &str) {
        let folder = self.root.path().join(pid.to_string());
        fs::create_dir(&folder).unwrap();
        let ticks = STARTED.0 / self.files.tick.0;
        let stat = format!("{pid} ({comm}) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0\n");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("cgroup"), cgroup).unwrap();
        symlink(exe, folder.join("exe")).unwrap();
    }

    fn run(&mut self, consumers: &[ConsumerId], cpu_time: Nanoseconds) {
        let to = self.now + Nanoseconds::from_millis(100);
        let slices =
            consumers.iter().map(|&consumer| Slice { consumer, shard: ShardId(0), cpu_time }).collect::<Vec<_>>();
        let window = ActivityWindow {
            from: self.now,
            to,
            slices,
            idle: Vec::new(),
            topology: Arc::new(Topology::default()),
            counts: Vec::new(),
            kinds: Arc::default(),
        };
        self.files.observe(&window, &mut self.names);
        self.now = to;
    }

    fn exe(&self, pid: u32) -> Option<&str> {
        self.names.exe(&root_consumer(pid)).map(|exe| &**exe)
    }

    fn path(&self, pid: u32) -> &str {
        &self.names.cgroup(self.names.cgroup_of(&root_consumer(pid))).unwrap().path
    }
}

fn root_consumer(pid: u32) -> ConsumerId {
    ConsumerId { cgroup: CgroupId::ROOT, pid: Pid(pid), start: STARTED }
}

const LITTLE: Nanoseconds = Nanoseconds(1_000);

#[test]
fn a_process_that_lives_on_gets_its_program_and_a_lost_name() {
    let mut machine = Machine::new("0::/\n");
    machine.process(7, "my proc", "/usr/bin/thing (deleted)", "0::/\n");
    machine.run(&[root_consumer(7)], LITTLE);
    assert_eq!(machine.exe(7), None);
    for _ in 0..10 {
        machine.run(&[root_consumer(7)], LITTLE);
    }
    assert_eq!(machine.exe(7), Some("/usr/bin/thing"));
    assert_eq!(&*machine.names.consumer(&root_consumer(7)).unwrap().comm_text, "my proc");
}

#[test]
fn a_busy_process_does_not_wait() {
    let mut machine = Machine::new("0::/\n");
    machine.process(7, "spin", "/bin/spin", "0::/\n");
    machine.run(&[root_consumer(7)], BUSY_ENOUGH);
    assert_eq!(machine.exe(7), Some("/bin/spin"));
}

#[test]
fn another_process_by_the_same_number_is_not_taken_for_it() {
    let mut machine = Machine::new("0::/\n");
    machine.process(7, "other", "/bin/other", "0::/\n");
    let gone = ConsumerId { start: Nanoseconds(STARTED.0 - Nanoseconds::SECOND.0), ..root_consumer(7) };
    machine.run(&[gone], BUSY_ENOUGH);
    assert_eq!(machine.names.exe(&gone), None);
    assert!(machine.names.consumer(&gone).is_none());
}

#[test]
fn an_absolute_path_from_exec_is_kept_and_a_relative_one_resolved() {
    let mut machine = Machine::new("0::/\n");
    for (pid, given) in [(7, "/bin/sh"), (8, "./sh"), (9, "/proc/self/exe")] {
        machine.process(pid, "sh", "/usr/bin/dash", "0::/\n");
        machine.names.name(root_consumer(pid), Pid(1), Comm::new("sh"), false);
        machine.names.set_exe(Pid(pid), STARTED, given.into());
    }
    machine.run(&[root_consumer(7), root_consumer(8), root_consumer(9)], BUSY_ENOUGH);
    assert_eq!(
        [machine.exe(7), machine.exe(8), machine.exe(9)],
        [Some("/bin/sh"), Some("/usr/bin/dash"), Some("/usr/bin/dash")]
    );
}

#[test]
fn many_processes_are_read_a_few_at_a_time_and_all_in_the_end() {
    let mut machine = Machine::new("0::/\n");
    let all: Vec<ConsumerId> = (100..200).map(root_consumer).collect();
    for consumer in &all {
        machine.process(consumer.pid.0, "many", "/bin/many", "0::/\n");
    }
    machine.run(&all, BUSY_ENOUGH);
    let known = |machine: &Machine| all.iter().filter(|consumer| machine.names.exe(consumer).is_some()).count();
    assert_eq!(known(&machine), READS_PER_WINDOW as usize);
    for _ in 0..5 {
        machine.run(&all, LITTLE);
    }
    assert_eq!(known(&machine), 100);
}

#[test]
fn on_v1_nodes_the_group_comes_from_the_process_and_its_children_inherit_it() {
    let mut machine = Machine::new("2:cpu,cpuacct:/\n0::/\n");
    assert!(machine.files.v1);
    machine.process(7, "watchdog", "/bin/watchdog", &format!("4:memory:/docker/{ID}\n2:cpu,cpuacct:/\n0::/\n"));
    machine.run(&[root_consumer(7)], BUSY_ENOUGH);
    assert_eq!(machine.path(7), format!("/docker/{ID}"));
    machine.names.name(root_consumer(8), Pid(7), Comm::new("child"), false);
    machine.names.name(root_consumer(9), Pid(8), Comm::new("grandchild"), false);
    machine.run(&[root_consumer(8), root_consumer(9)], LITTLE);
    assert_eq!(machine.path(8), machine.path(7));
    assert_eq!(machine.path(9), machine.path(7));
}

#[test]
fn a_v2_group_of_its_own_stays_unless_v1_knows_the_container() {
    let mut machine = Machine::new("2:cpu,cpuacct:/\n0::/\n");
    let service = ConsumerId { cgroup: CgroupId(77), ..root_consumer(7) };
    let shim = ConsumerId { cgroup: CgroupId(77), ..root_consumer(8) };
    machine.names.set_cgroup_path(CgroupId(77), "/system.slice/containerd.service");
    machine.process(7, "containerd", "/bin/c", "2:cpu,cpuacct:/system.slice/containerd.service\n0::/s\n");
    machine.process(8, "app", "/bin/app", &format!("2:cpu,cpuacct:/kubepods/pod1/{ID}\n0::/s\n"));
    for (consumer, comm) in [(service, "containerd"), (shim, "app")] {
        machine.names.name(consumer, Pid(1), Comm::new(comm), false);
    }
    machine.run(&[service, shim], BUSY_ENOUGH);
    assert_eq!(machine.names.cgroup_of(&service), CgroupId(77));
    let container = machine.names.cgroup(machine.names.cgroup_of(&shim)).unwrap().container.clone().unwrap();
    assert_eq!(&*container.id, ID);
}

#[test]
fn a_v1_group_whose_directory_has_gone_is_told() {
    let mut machine = Machine::new("2:cpu:/\n0::/\n");
    fs::create_dir_all(machine.root.path().join("v1/there")).unwrap();
    let there = machine.names.v1_group("/there");
    let gone = machine.names.v1_group("/gone");
    assert_eq!(machine.files.vanished_v1_groups(machine.now, &machine.names), vec![gone]);
    assert_eq!(machine.files.vanished_v1_groups(machine.now, &machine.names), vec![]);
    fs::remove_dir(machine.root.path().join("v1/there")).unwrap();
    machine.names.apply(&Lifecycle::CgroupRemoved { at: machine.now, cgroup: gone });
    let later = machine.now + V1_CHECK_EVERY;
    assert_eq!(machine.files.vanished_v1_groups(later, &machine.names), vec![there]);
}

#[test]
fn a_process_that_has_gone_is_left_alone() {
    let mut machine = Machine::new("0::/\n");
    machine.run(&[root_consumer(7)], BUSY_ENOUGH);
    assert_eq!(machine.exe(7), None);
    machine.files.forget(&[Lifecycle::Ended { consumer: root_consumer(7) }]);
    assert!(machine.files.watched.is_empty());
}

#[test]
fn on_this_machine_a_process_finds_itself() {
    let mut files = ProcessFiles::open(&HostRoots::default());
    let own_stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start = ProcessStat::parse(&own_stat, files.tick).unwrap().start;
    let myself = ConsumerId { cgroup: CgroupId(2), pid: Pid(std::process::id()), start };
    let window = ActivityWindow {
        from: Timestamp(0),
        to: Timestamp(100_000_000),
        slices: vec![Slice { consumer: myself, shard: ShardId(0), cpu_time: BUSY_ENOUGH }],
        ..ActivityWindow::default()
    };
    let mut names = Names::default();
    files.observe(&window, &mut names);
    let exe = std::env::current_exe().unwrap();
    assert_eq!(names.exe(&myself).map(|path| &**path), exe.to_str());
    assert!(!names.consumer(&myself).unwrap().comm_text.is_empty());
}
