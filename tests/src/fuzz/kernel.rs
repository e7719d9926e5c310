//! What the kernel tells in binary: its types, and the events of the agent's own programs.

use prony::identity::Names;
use prony::kernel::{Layout, LayoutError, RecentPaths, decode_event};

use super::bytes::Bytes;

/// BTF, as in `/sys/kernel/btf/vmlinux`.
pub(super) fn btf_layout(data: &[u8]) {
    match Layout::parse("fuzz", data) {
        Ok(layout) => assert!(!layout.offsets().is_empty()),
        Err(LayoutError::Malformed(name)) => assert_eq!(name, "fuzz"),
        Err(LayoutError::NoField { .. }) => {}
        Err(error @ LayoutError::Unreadable { .. }) => panic!("nothing was read: {error}"),
    }
}

/// Entries of the ring, each behind its length.
pub(super) fn kernel_events(data: &[u8]) {
    let (mut names, mut paths) = (Names::default(), RecentPaths::default());
    let mut bytes = Bytes::new(data);
    while !bytes.is_empty() {
        let length = bytes.u16();
        if let Some(event) = decode_event(bytes.chunk(usize::from(length)), &mut paths) {
            names.forget();
            names.apply(&event);
        }
    }
}
