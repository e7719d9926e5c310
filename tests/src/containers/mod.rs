//! Real containers: a root file system of a test's own, run by `runc`, containerd or Podman in cgroups that a test
//! chooses. Nothing is taken from a registry, nothing is left behind: a container is killed and deleted when it is
//! dropped, and the cgroups that were made for it go with the runtime.

mod bounded;
mod containerd;
mod made_cgroups;
mod podman;
mod rootfs;
mod runc;

pub use containerd::{Containerd, Task};
pub use podman::{Podman, PodmanContainer};
pub use rootfs::Rootfs;
pub use runc::{Runc, RuncContainer};
