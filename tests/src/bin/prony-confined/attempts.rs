//! What an agent that was taken over could try.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use nix::sys::ptrace;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::Pid;
use prony::activity::read_topology;
use prony::kernel::perf_event::CounterGroup;
use prony::kernel::{KernelSide, LoadOptions};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, ResolveFlags};
use rustix::mount::{MountFlags, UnmountFlags};

/// Where to try.
pub(crate) struct Attempts {
    pub(crate) folder: PathBuf,
    pub(crate) elsewhere: PathBuf,
    pub(crate) other_process: u32,
}

impl Attempts {
    /// All of them but to run another program in this one's place, with the error's number, or 0.
    pub(crate) fn all(&self) -> Vec<(&'static str, i32)> {
        let there = self.elsewhere.join("there");
        let missing = self.elsewhere.join("missing");
        let write = |path: &PathBuf| OpenOptions::new().write(true).open(path).map(drop);
        vec![
            ("read", outcome(fs::read("/proc/self/stat"))),
            ("name-process", outcome(fs::read_link(format!("/proc/{}/exe", self.other_process)))),
            ("thread", outcome(thread::Builder::new().spawn(|| ()).map(thread::JoinHandle::join))),
            ("write-in-folder", outcome(fs::write(self.folder.join("new"), "x"))),
            ("rename-in-folder", outcome(fs::rename(self.folder.join("new"), self.folder.join("old")))),
            ("write-elsewhere", outcome(write(&there))),
            ("append-elsewhere", outcome(OpenOptions::new().append(true).open(&there))),
            ("truncate-elsewhere", outcome(OpenOptions::new().read(true).custom_flags(libc::O_TRUNC).open(&there))),
            ("make-elsewhere", outcome(File::create_new(&missing))),
            ("make-nameless", outcome(rustix::fs::open(&self.elsewhere, OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU))),
            ("rename-elsewhere", outcome(fs::rename(&there, self.elsewhere.join("renamed")))),
            ("link-elsewhere", outcome(symlink("/", self.elsewhere.join("link")))),
            ("make-folder-elsewhere", outcome(fs::create_dir(self.elsewhere.join("folder")))),
            ("chmod", outcome(fs::set_permissions(&self.elsewhere, fs::Permissions::from_mode(0o777)))),
            ("memfd", outcome(rustix::fs::memfd_create("x", MemfdFlags::empty()))),
            ("openat2", outcome(rustix::fs::openat2(CWD, "/", OFlags::RDONLY, Mode::empty(), ResolveFlags::empty()))),
            ("spawn", outcome(Command::new("true").status())),
            ("kill", outcome(self.kill())),
            ("ptrace", outcome(self.trace())),
            ("mount", outcome(self.mount())),
            ("chroot", outcome(rustix::process::chroot("/"))),
            ("module", outcome(rustix::system::init_module(b"no module", c""))),
            ("internet-socket", outcome(UdpSocket::bind("127.0.0.1:0"))),
            ("listener", outcome(TcpListener::bind("127.0.0.1:0"))),
            ("unix-socket", outcome(UnixStream::pair())),
            ("packet-socket", outcome(open(AddressFamily::Packet, SockType::Datagram, None))),
            ("raw-socket", outcome(open(AddressFamily::Inet, SockType::Raw, SockProtocol::Icmp))),
            ("netlink-audit", outcome(open(AddressFamily::Netlink, SockType::Raw, SockProtocol::NetlinkAudit))),
            ("perf-event", outcome(CounterGroup::open(0, 1, &[0]))),
            ("load-programs", i32::from(!loads_programs()) * libc::EPERM),
        ]
    }

    fn kill(&self) -> io::Result<()> {
        let process = rustix::process::Pid::from_raw(self.other_process.cast_signed());
        Ok(rustix::process::test_kill_process(process.ok_or(io::ErrorKind::InvalidInput)?)?)
    }

    fn trace(&self) -> io::Result<()> {
        let process = Pid::from_raw(self.other_process.cast_signed());
        ptrace::seize(process, ptrace::Options::empty())?;
        Ok(())
    }

    fn mount(&self) -> io::Result<()> {
        rustix::mount::mount(c"none", &self.elsewhere, c"tmpfs", MountFlags::empty(), None)?;
        Ok(rustix::mount::unmount(&self.elsewhere, UnmountFlags::empty())?)
    }
}

/// Runs another program in this one's place. Returns the error's number; the program says 0.
pub(crate) fn exec() -> i32 {
    number(&Command::new("echo").args(["exec", "0"]).exec())
}

fn open(family: AddressFamily, kind: SockType, protocol: impl Into<Option<SockProtocol>>) -> nix::Result<()> {
    socket(family, kind, SockFlag::empty(), protocol).map(drop)
}

fn loads_programs() -> bool {
    let Ok(topology) = read_topology("/sys".as_ref()) else { return false };
    KernelSide::load(&Arc::new(topology), &LoadOptions::default()).is_ok()
}

fn outcome<T, E: Into<io::Error>>(result: Result<T, E>) -> i32 {
    result.map_or_else(|error| number(&error.into()), |_| 0)
}

fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}
