//! Which cgroups of a window work for the same function.

use std::sync::Arc;

use crate::activity::{ActivityWindow, WorkKinds};

use super::Names;

/// Those of who ran in a window, as of its end.
pub fn work_kinds(window: &ActivityWindow, names: &Names) -> Arc<WorkKinds> {
    let mut kinds = WorkKinds::default();
    let mut before = None;
    for slice in &window.slices {
        let cgroup = slice.consumer.cgroup;
        // Slices of a cgroup mostly follow each other.
        if before.replace(cgroup) == Some(cgroup) {
            continue;
        }
        let container = names.cgroup(cgroup).and_then(|known| known.container.as_ref());
        let function = container.and_then(|container| names.workloads().function_of(container, window.to));
        if let Some(function) = function {
            kinds.insert(cgroup, u64::from(function.0));
        }
    }
    Arc::new(kinds)
}
