//! The system calls of the agent's threads.

use std::collections::BTreeMap;
use std::os::raw::{c_int, c_long};

use seccompiler::{SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition as Condition, SeccompRule as Rule};

use super::role::Role;

/// The calls that are allowed, with the arguments that they are allowed with; none for any arguments.
pub(super) type Calls = BTreeMap<i64, Vec<Rule>>;

type Result<T> = std::result::Result<T, seccompiler::BackendError>;

/// Calls that change nothing but the thread's own process, or what was opened before.
#[rustfmt::skip]
const EVERYWHERE: &[c_long] = &[
    // Memory, and threads. `clone3` is answered by `NOT_THERE`.
    libc::SYS_brk, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_membarrier, libc::SYS_futex,
    libc::SYS_futex_waitv, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_set_tid_address,
    libc::SYS_clone3, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_gettid, libc::SYS_getpid, libc::SYS_getppid,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_capget, libc::SYS_capset,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_getrusage, libc::SYS_getcpu,
    // Signals.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time and chance.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_gettimeofday,
    libc::SYS_getrandom, libc::SYS_timerfd_create, libc::SYS_timerfd_settime,
    // What is open.
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_write, libc::SYS_writev, libc::SYS_pwrite64,
    libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_dup, libc::SYS_dup3, libc::SYS_fsync, libc::SYS_fdatasync,
    libc::SYS_flock, libc::SYS_pipe2, libc::SYS_eventfd2, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2, libc::SYS_ppoll, libc::SYS_pselect6,
    // What is there. `openat2` is answered by `NOT_THERE`.
    libc::SYS_openat2, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs,
    libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_fadvise64, libc::SYS_uname, libc::SYS_sysinfo,
];

/// The same by the names that only older architectures have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const EVERYWHERE_OLDER: &[c_long] = &[
    libc::SYS_arch_prctl, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_getdents,
    libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const EVERYWHERE_OLDER: &[c_long] = &[];

/// Sockets that are there.
#[rustfmt::skip]
const NETWORK: &[c_long] = &[
    libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect, libc::SYS_shutdown,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_sendto,
    libc::SYS_sendmsg, libc::SYS_sendmmsg, libc::SYS_recvfrom, libc::SYS_recvmsg, libc::SYS_recvmmsg,
];

/// Files of a folder, for threads that Landlock keeps to it.
#[rustfmt::skip]
const FILES: &[c_long] = &[
    libc::SYS_openat, libc::SYS_ftruncate, libc::SYS_renameat2, libc::SYS_unlinkat, libc::SYS_fchmod,
];
#[cfg(target_arch = "x86_64")]
const FILES_OLDER: &[c_long] = &[libc::SYS_open, libc::SYS_rename, libc::SYS_renameat, libc::SYS_unlink];
/// `renameat`, for which the `libc` package has no name there (include/uapi/asm-generic/unistd.h).
#[cfg(target_arch = "aarch64")]
const FILES_OLDER: &[c_long] = &[38];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FILES_OLDER: &[c_long] = &[];

/// Calls whose arguments lie in memory, where a filter cannot see them. The C library does without them where the kernel
/// does not know them.
pub(super) const NOT_THERE: [c_long; 2] = [libc::SYS_clone3, libc::SYS_openat2];

/// Commands of `bpf()` on what is loaded (`enum bpf_cmd`, include/uapi/linux/bpf.h).
mod bpf {
    pub(super) const MAP_LOOKUP_ELEM: u64 = 1;
    pub(super) const MAP_UPDATE_ELEM: u64 = 2;
    pub(super) const MAP_DELETE_ELEM: u64 = 3;
    pub(super) const MAP_GET_NEXT_KEY: u64 = 4;
    pub(super) const PROG_ATTACH: u64 = 8;
    pub(super) const PROG_DETACH: u64 = 9;
    pub(super) const PROG_TEST_RUN: u64 = 10;
    pub(super) const OBJ_GET_INFO_BY_FD: u64 = 15;
    pub(super) const PROG_QUERY: u64 = 16;
    pub(super) const MAP_LOOKUP_AND_DELETE_ELEM: u64 = 21;
    pub(super) const LINK_CREATE: u64 = 28;
}

/// `PERF_EVENT_IOC_ENABLE` and `PERF_EVENT_IOC_DISABLE` (`include/uapi/linux/perf_event.h`).
const PERF_EVENT_ENABLE: u64 = 0x2400;
const PERF_EVENT_DISABLE: u64 = 0x2401;
/// `PR_GET_AUXV` (include/uapi/linux/prctl.h).
const GET_AUXILIARY_VECTOR: c_int = 0x4155_5856;
/// `FIONBIO`, `FIOCLEX`, `TCGETS`, `TIOCGWINSZ` and `FIONREAD` (asm-generic/ioctls.h), whose type differs from one C library to
/// the other.
const NONBLOCKING: u64 = 0x5421;
const CLOSE_ON_EXEC: u64 = 0x5451;
const ASK_TERMINAL: u64 = 0x5401;
const ASK_WINDOW: u64 = 0x5413;
const BYTES_TO_READ: u64 = 0x541b;

/// What a thread may call.
pub(super) fn of(role: &Role, watches_sockets: bool) -> Result<Calls> {
    let mut calls = Calls::new();
    allow(&mut calls, EVERYWHERE);
    allow(&mut calls, EVERYWHERE_OLDER);
    restrict_to_its_process(&mut calls)?;
    match role {
        Role::Attend | Role::Serve => {
            allow(&mut calls, NETWORK);
            calls.insert(libc::SYS_socket, sockets()?);
            calls.insert(libc::SYS_socketpair, vec![Rule::new(vec![equal(0, libc::AF_UNIX as u64)?])?]);
        }
        Role::Account => account(&mut calls, watches_sockets)?,
        Role::Measure | Role::Record => {}
        Role::Write(_) => {
            allow(&mut calls, FILES);
            allow(&mut calls, FILES_OLDER);
        }
    }
    Ok(calls)
}

fn allow(calls: &mut Calls, names: &[c_long]) {
    calls.extend(names.iter().map(|&call| (call, Vec::new())));
}

/// Calls that could reach further with other arguments.
fn restrict_to_its_process(calls: &mut Calls) -> Result<()> {
    const WRITES: c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY;
    calls.insert(libc::SYS_openat, vec![Rule::new(vec![none_of(2, WRITES)?])?]);
    #[cfg(target_arch = "x86_64")]
    calls.insert(libc::SYS_open, vec![Rule::new(vec![none_of(1, WRITES)?])?]);
    // No memory that is executable is written to, or is no file's.
    let is_data = Rule::new(vec![none_of(2, libc::PROT_EXEC)?])?;
    let is_program = Rule::new(vec![none_of(2, libc::PROT_WRITE)?, none_of(3, libc::MAP_ANONYMOUS)?])?;
    calls.insert(libc::SYS_mmap, vec![is_data.clone(), is_program]);
    calls.insert(libc::SYS_mprotect, vec![is_data]);
    // A signal may come to any thread, and its handler writes to a socket that the runtime reads.
    calls.insert(libc::SYS_sendto, vec![Rule::new(vec![no_pointer(4)?])?]);
    // Threads and no processes.
    calls.insert(libc::SYS_clone, vec![Rule::new(vec![masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?])?]);
    calls.insert(libc::SYS_tgkill, vec![Rule::new(vec![equal(0, u64::from(std::process::id()))?])?]);
    calls.insert(libc::SYS_sched_setaffinity, vec![Rule::new(vec![equal(0, 0)?])?]);
    calls.insert(libc::SYS_prlimit64, vec![Rule::new(vec![no_pointer(2)?])?]);
    let of_itself = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA, GET_AUXILIARY_VECTOR];
    calls.insert(libc::SYS_prctl, one_of(0, of_itself.map(|option| option as u64))?);
    let commands = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    calls.insert(libc::SYS_fcntl, one_of(1, commands.map(|command| command as u64))?);
    let requests = [NONBLOCKING, CLOSE_ON_EXEC, ASK_TERMINAL, ASK_WINDOW, BYTES_TO_READ];
    calls.insert(libc::SYS_ioctl, one_of(1, requests)?);
    Ok(())
}

/// Those of the internet, those on this machine, and the kernel's list of network addresses.
fn sockets() -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            const KINDS: c_int = !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
            rules.push(Rule::new(vec![equal(0, family as u64)?, masked(1, KINDS, kind)?])?);
        }
    }
    rules.push(Rule::new(vec![equal(0, libc::AF_NETLINK as u64)?, equal(2, libc::NETLINK_ROUTE as u64)?])?);
    Ok(rules)
}

/// What was loaded is used, and counters are opened anew where a CPU comes back.
fn account(calls: &mut Calls, watches_sockets: bool) -> Result<()> {
    let mut commands = vec![
        bpf::MAP_LOOKUP_ELEM,
        bpf::MAP_UPDATE_ELEM,
        bpf::MAP_DELETE_ELEM,
        bpf::MAP_GET_NEXT_KEY,
        bpf::MAP_LOOKUP_AND_DELETE_ELEM,
        bpf::PROG_TEST_RUN,
        bpf::OBJ_GET_INFO_BY_FD,
    ];
    if watches_sockets {
        commands.extend([bpf::LINK_CREATE, bpf::PROG_ATTACH, bpf::PROG_DETACH, bpf::PROG_QUERY]);
    }
    calls.insert(libc::SYS_bpf, one_of(0, commands)?);
    let whatever_runs = Condition::new(1, Length::Dword, Is::Eq, u64::from(u32::MAX))?;
    calls.insert(libc::SYS_perf_event_open, vec![Rule::new(vec![whatever_runs])?]);
    let requests = one_of(1, [PERF_EVENT_ENABLE, PERF_EVENT_DISABLE])?;
    calls.entry(libc::SYS_ioctl).or_default().extend(requests);
    Ok(())
}

fn equal(argument: u8, value: u64) -> Result<Condition> {
    Condition::new(argument, Length::Dword, Is::Eq, value)
}

fn no_pointer(argument: u8) -> Result<Condition> {
    Condition::new(argument, Length::Qword, Is::Eq, 0)
}

fn masked(argument: u8, mask: c_int, value: c_int) -> Result<Condition> {
    Condition::new(argument, Length::Dword, Is::MaskedEq(u64::from(mask as u32)), u64::from(value as u32))
}

fn none_of(argument: u8, flags: c_int) -> Result<Condition> {
    masked(argument, flags, 0)
}

fn one_of(argument: u8, values: impl IntoIterator<Item = u64>) -> Result<Vec<Rule>> {
    values.into_iter().map(|value| Rule::new(vec![equal(argument, value)?])).collect()
}
