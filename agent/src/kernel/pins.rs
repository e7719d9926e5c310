//! Maps and links that stay in the kernel when the agent ends, in a folder of a BPF file system: the programs go on counting,
//! and the next agent goes on reading.
//!
//! What is kept together has a folder of its own below the one that is configured. Its name begins with a fingerprint of how
//! the maps are laid out; an agent that lays them out in another way begins anew.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use aya::EbpfLoader;
use aya::programs::ProgramError;
use aya::programs::links::FdLink;
use rustix::fs::{FlockOperation, flock, statfs};
use tracing::{info, warn};

use crate::activity::Topology;
use crate::clock::Timestamp;

use super::load::Attachment;

/// The maps that hold what was counted, and what the programs know.
const MAPS: [&str; 8] = ["CPUS", "CELLS", "MARKS", "MARK_GROUPS", "INFO", "CONSUMERS", "FREE", "EVENTS"];

/// `BPF_FS_MAGIC` (include/uapi/linux/magic.h).
const BPF_FS: u64 = 0xcafe_4a11;

/// Where counters are kept, and which ones the books are of.
#[derive(Clone, Debug)]
pub struct PinOptions {
    /// A folder of a BPF file system; it is made if it is not there.
    pub folder: PathBuf,
    /// What [`Pinned::name`] said to the agent that has written the books.
    pub go_on_with: Option<String>,
}

/// Counters that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Which ones.
    pub name: String,
    /// Whether they were there: then they are the ones that were to be gone on with.
    pub found: bool,
}

/// Why counters are not kept.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// There is no BPF file system.
    #[error("{} is not in a BPF file system: `mount -t bpf bpf /sys/fs/bpf`, and name a folder below it", .0.display())]
    NoBpffs(PathBuf),
    /// Another agent keeps its own there.
    #[error("another agent keeps its counters in {}: name another folder with --pin or state.pin", .0.display())]
    Taken(PathBuf),
    /// The folder cannot be used.
    #[error("{} cannot be used ({error}): let this user write it, or name another folder with --pin or state.pin", folder.display())]
    Unusable {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The folder of what is kept together.
pub(super) struct Pins {
    folder: PathBuf,
    /// Where this agent's links go, and where those of agents before it are.
    links: PathBuf,
    old_links: Vec<PathBuf>,
    pub(super) pinned: Pinned,
    lock: File,
}

impl Pins {
    /// Finds what is to be gone on with, or begins anew; whatever else is there is removed.
    pub(super) fn open(options: &PinOptions, fingerprint: &str) -> Result<Self, PinError> {
        let root = &options.folder;
        let unusable = |error: io::Error| PinError::Unusable { folder: root.clone(), error };
        let first_there = root.ancestors().find(|folder| folder.exists()).unwrap_or(root);
        if statfs(first_there).map_err(|error| unusable(error.into()))?.f_type as u64 != BPF_FS {
            return Err(PinError::NoBpffs(root.clone()));
        }
        fs::create_dir_all(root).map_err(unusable)?;
        let lock = File::open(root).map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(PinError::Taken(root.clone())),
            Err(error) => return Err(unusable(error.into())),
        }
        let is_there = |name: &&str| MAPS.iter().all(|map| root.join(name).join(map).exists());
        let fits = |name: &&str| name.starts_with(fingerprint) && !name.contains('/');
        let wanted = options.go_on_with.as_deref().filter(fits).filter(is_there);
        let mut others = folders(root).map_err(unusable)?;
        others.retain(|folder| wanted.is_none_or(|wanted| !folder.ends_with(wanted)));
        for other in others {
            info!("the kernel's counters in {} are of no use to these books and are removed", other.display());
            fs::remove_dir_all(&other).map_err(unusable)?;
        }
        let now = Timestamp::now().0;
        let name = wanted.map_or_else(|| format!("{fingerprint}-{now:x}"), str::to_owned);
        let folder = root.join(&name);
        let old_links = if wanted.is_some() { folders(&folder).map_err(unusable)? } else { Vec::new() };
        let links = folder.join(format!("links-{now:x}"));
        fs::create_dir_all(&links).map_err(unusable)?;
        Ok(Self { folder, links, old_links, pinned: Pinned { name, found: wanted.is_some() }, lock })
    }

    /// Has the maps taken from here, or put here.
    pub(super) fn hand_to<'pins>(&'pins self, loader: &mut EbpfLoader<'pins>) {
        for map in MAPS {
            loader.map_pin_path(map, self.folder.join(map));
        }
    }

    /// Keeps a program attached when the agent ends.
    pub(super) fn keep(&self, program: &str, link: FdLink) -> Result<(), ProgramError> {
        let path = self.links.join(program);
        link.pin(&path).map(drop).map_err(|error| {
            let error = io::Error::other(format!("its link cannot be kept in {} ({error})", path.display()));
            ProgramError::IOError(error)
        })
    }

    /// Detaches what an agent before has attached in the place of this program.
    pub(super) fn detach_old(&self, program: &str) {
        let switches = Attachment::ALL.map(Attachment::program);
        let replaced = if switches.contains(&program) { &switches[..] } else { &[program] };
        for (links, program) in self.old_links.iter().flat_map(|links| replaced.iter().map(move |name| (links, name))) {
            // It was not attached in every one of them.
            let _ = fs::remove_file(links.join(program));
        }
    }

    /// Everything that is wanted is attached: detaches what else agents before have attached.
    /// Returns the lock, to be held as long as the counters are used.
    pub(super) fn kept(self) -> (Pinned, File) {
        for links in &self.old_links {
            if let Err(error) = fs::remove_dir_all(links) {
                warn!("programs of an agent before stay attached: {} cannot be removed ({error})", links.display());
            }
        }
        (self.pinned, self.lock)
    }

    /// Gives up: nothing is kept.
    pub(super) fn give_up(self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            warn!("{} cannot be removed ({error})", self.folder.display());
        }
    }
}

/// How the maps are laid out.
pub(super) fn fingerprint(topology: &Topology, slots: u32, ring_bytes: u32) -> String {
    let places: Vec<_> = topology.cpus().iter().map(|place| (place.cpu, place.shard)).collect();
    let layout = (agent_ebpf::LAYOUT_VERSION, slots, ring_bytes, places);
    format!("{:08x}", crc32fast::hash(format!("{layout:?}").as_bytes()))
}

fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_elsewhere_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let options = PinOptions { folder: folder.path().join("a/b"), go_on_with: None };
        let error = Pins::open(&options, "x").err().unwrap().to_string();
        assert!(error.contains("mount -t bpf"), "{error}");
        assert!(!options.folder.exists());
    }

    #[test]
    fn another_layout_has_another_fingerprint() {
        let topology = Topology::default();
        let one = fingerprint(&topology, 16_384, 4_096);
        assert_eq!(one, fingerprint(&topology, 16_384, 4_096));
        assert_ne!(one, fingerprint(&topology, 32_768, 4_096));
    }
}
