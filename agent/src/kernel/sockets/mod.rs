//! Requests on the sockets of chosen cgroups, and what they cost in CPU time. The programs are an object of their own,
//! which is loaded only where it is asked for: neither the accounting nor anybody's packets know of it otherwise.

mod requests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use agent_ebpf::{COUNT_BEGUN, COUNT_LOST, COUNT_NO_ROOM, COUNT_UNANSWERED, SERVER_WORDS};
use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::cgroup_skb::CgroupSkbLink;
use aya::programs::links::CgroupAttachMode;
use aya::programs::{BtfTracePoint, CgroupSkb, CgroupSkbAttachType, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};
use tracing::info;

use crate::activity::{CgroupId, SocketRequest};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::btf_layout::{Field, Layout, LayoutError};
use super::load::{LoadError, give_back_memory, not_loaded, object_error, raise_memlock_limit, take};
use super::program_cost::{ProgramCost, RunTime};

use requests::Requests;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("PRONY_EBPF_SOCKETS_OBJECT"));

const FIELDS: &[Field] = &[
    ("TASK_PID", "task_struct", "pid"),
    ("TASK_TGID", "task_struct", "tgid"),
    ("TASK_STATE", "task_struct", "__state"),
    ("SOCK_COOKIE", "sock_common", "skc_cookie"),
];
/// Before kernel 5.14 a task's state had another name.
const OLDER_FIELDS: &[Field] = &[FIELDS[0], FIELDS[1], ("TASK_STATE", "task_struct", "state"), FIELDS[3]];

/// How many connections can have a request at once.
const CONNECTIONS: u32 = 16_384;
/// How many threads of processes that read requests are known at once.
const THREADS: u32 = 16_384;
/// Room for about 5,000 requests between two looks at the ring, which come at least every 100 ms.
const RING_BYTES: u32 = 512 * 1024;

/// The time after which it is forgotten which processes read requests, since most of them will have ended.
const CLEAR_SERVERS_EVERY: Nanoseconds = Nanoseconds::from_millis(600_000);

const INGRESS: &str = "socket_ingress";
const EGRESS: &str = "socket_egress";
const READ: &str = "socket_read";
const SWITCH: &str = "socket_switch";

/// What the programs have counted since they were loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// Requests whose beginning was seen.
    pub begun: u64,
    /// Requests without a response: their connection was closed, or they were given up.
    pub unanswered: u64,
    /// Requests that were not followed, because too many connections had one.
    pub no_room: u64,
    /// Requests that were followed but found the ring full at their end.
    pub lost: u64,
}

/// The programs, loaded; attached to the tracepoints and to the cgroups that were named. All of it is detached when this
/// is dropped.
pub struct Sockets {
    programs: Ebpf,
    cgroups: BTreeMap<CgroupId, [CgroupSkbLink; 2]>,
    requests: Requests,
    counts: PerCpuArray<MapData, u64>,
    given_up: u64,
    servers: Array<MapData, u64>,
    next_clearing: Timestamp,
    costs: [(&'static str, ProgramCost); 4],
}

impl Sockets {
    /// Loads the programs; `btf` is the kernel's, `/sys/kernel/btf/vmlinux` where not given. No cgroup is watched yet.
    ///
    /// # Errors
    /// When the kernel refuses them or lacks something; the message names it.
    pub fn load(btf: Option<&Path>) -> Result<Self, LoadError> {
        raise_memlock_limit();
        let loaded = Self::load_with_btf(btf.unwrap_or(Path::new("/sys/kernel/btf/vmlinux")));
        give_back_memory();
        loaded
    }

    fn load_with_btf(path: &Path) -> Result<Self, LoadError> {
        let layout = Layout::read_fields(path, FIELDS)
            .or_else(|error| match error {
                LayoutError::NoField { .. } => Layout::read_fields(path, OLDER_FIELDS),
                error => Err(error),
            })
            .map_err(object_error)?;
        let btf = Btf::parse_file(path, Endianness::default()).map_err(object_error)?;
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&btf))
            .map_max_entries("REQUESTS", CONNECTIONS)
            .map_max_entries("THREADS", THREADS)
            .map_max_entries("FINISHED", RING_BYTES);
        for (name, offset) in layout.offsets() {
            loader.override_global(name, offset, true);
        }
        let mut programs = loader.load(OBJECT).map_err(not_loaded)?;
        for name in [INGRESS, EGRESS] {
            packets(&mut programs, name).and_then(CgroupSkb::load).map_err(|error| refused(name, &error))?;
        }
        for (name, tracepoint) in [(READ, "tcp_rcv_space_adjust"), (SWITCH, "sched_switch")] {
            attach(&mut programs, name, tracepoint, &btf).map_err(|error| refused(name, &error))?;
        }
        let requests = Requests::new(
            RingBuf::try_from(take(&mut programs, "FINISHED")?).map_err(object_error)?,
            HashMap::try_from(take(&mut programs, "REQUESTS")?).map_err(object_error)?,
        );
        let counts = PerCpuArray::try_from(take(&mut programs, "COUNTS")?).map_err(object_error)?;
        let servers = Array::try_from(take(&mut programs, "SERVERS")?).map_err(object_error)?;
        let cost = |label, name| (label, ProgramCost::of(programs.program(name)));
        let costs = [cost("ingress", INGRESS), cost("egress", EGRESS), cost("read", READ), cost("switch", SWITCH)];
        Ok(Self {
            programs,
            cgroups: BTreeMap::new(),
            requests,
            counts,
            given_up: 0,
            servers,
            next_clearing: Timestamp::now() + CLEAR_SERVERS_EVERY,
            costs,
        })
    }

    /// Watches the sockets that processes of a cgroup have made, and of cgroups in it. `folder` is its folder in the v2
    /// hierarchy. A cgroup that is watched already stays so.
    ///
    /// # Errors
    /// When the folder is no cgroup of v2, or another program has the cgroup to itself.
    pub fn watch(&mut self, cgroup: CgroupId, folder: &Path) -> Result<(), WatchError> {
        if self.cgroups.contains_key(&cgroup) {
            return Ok(());
        }
        let error = |reason: String| WatchError { folder: folder.into(), reason };
        let file = File::open(folder).map_err(|reason| error(reason.to_string()))?;
        let mut link = |name, direction| -> Result<CgroupSkbLink, ProgramError> {
            let program = packets(&mut self.programs, name)?;
            // Of links the kernel always lets several be side by side, and wants no flag for it.
            let link = program.attach(&file, direction, CgroupAttachMode::Single)?;
            program.take_link(link)
        };
        let links = [
            link(INGRESS, CgroupSkbAttachType::Ingress).map_err(|reason| error(not_attached(&reason)))?,
            link(EGRESS, CgroupSkbAttachType::Egress).map_err(|reason| error(not_attached(&reason)))?,
        ];
        self.cgroups.insert(cgroup, links);
        info!("watching the sockets of {}", folder.display());
        Ok(())
    }

    /// Watches a cgroup's sockets no longer. What has begun there and not ended is swept out later.
    pub fn forget(&mut self, cgroup: CgroupId) {
        // Links are detached when they are dropped.
        self.cgroups.remove(&cgroup);
    }

    /// The cgroups that are watched.
    pub fn watched(&self) -> impl Iterator<Item = CgroupId> {
        self.cgroups.keys().copied()
    }

    /// Moves the requests that have ended by `now` to `requests`. A request is known to have ended when the next one comes
    /// on its connection, when the connection is closed, or after a second of silence. To be called at least every 100 ms
    /// or so: the ring holds about 5,000.
    pub fn drain(&mut self, now: Timestamp, requests: &mut Vec<SocketRequest>) {
        self.given_up += self.requests.drain(now, requests);
        if now >= self.next_clearing {
            self.next_clearing = now + CLEAR_SERVERS_EVERY;
            self.clear_servers();
        }
    }

    /// Forgets which processes read requests: those that still do are known again from their next one.
    fn clear_servers(&mut self) {
        for word in 0..SERVER_WORDS {
            // It cannot fail but for a program that ends; what is not cleared costs some time at switches.
            let _ = self.servers.set(word, 0, 0);
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> SocketCounts {
        let sum = |what: u32| self.counts.get(&what, 0).map_or(0, |values| values.iter().sum::<u64>());
        SocketCounts {
            begun: sum(COUNT_BEGUN),
            unanswered: sum(COUNT_UNANSWERED) + self.given_up,
            no_room: sum(COUNT_NO_ROOM),
            lost: sum(COUNT_LOST),
        }
    }

    /// What each program has cost so far (`ingress`, `egress`, `read`, `switch`); `None` where the kernel keeps no
    /// statistics or the program has not run.
    pub fn costs(&self) -> impl Iterator<Item = (&'static str, Option<RunTime>)> {
        self.costs.iter().map(|(label, cost)| (*label, cost.read()))
    }
}

/// A cgroup's sockets cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("requests on the sockets of {folder} are not seen: {reason}")]
pub struct WatchError {
    folder: PathBuf,
    reason: String,
}

fn packets<'programs>(programs: &'programs mut Ebpf, name: &str) -> Result<&'programs mut CgroupSkb, ProgramError> {
    programs.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?.try_into()
}

fn attach(programs: &mut Ebpf, name: &str, tracepoint: &str, btf: &Btf) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint =
        programs.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?.try_into()?;
    program.load(tracepoint, btf)?;
    program.attach().map(drop)
}

fn refused(name: &str, error: &ProgramError) -> LoadError {
    LoadError::Object(format!("{name}: {}", with_cause(error)))
}

/// Why a cgroup's packets cannot be seen.
fn not_attached(error: &ProgramError) -> String {
    match error {
        ProgramError::SyscallError(aya::sys::SyscallError { io_error, .. })
            if io_error.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            format!(
                "{io_error}: grant CAP_NET_ADMIN; where it is granted, another program has this cgroup's packets to itself"
            )
        }
        error => with_cause(error),
    }
}

/// The error with the system's own word for it.
fn with_cause(error: &ProgramError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
