//! The interface of a real containerd for Kubernetes.

use anyhow::{Context as _, Result};
use prony_tests::containers::Containerd;
use prony_tests::{Agent, skip, wait_until};

use crate::{SETTLED_WITHIN, needs, rootfs};

#[test]
fn a_real_containerd_is_asked_for_its_pods() -> Result<()> {
    if let Some(reason) = needs(&["containerd", "ctr"]) {
        skip("cri::a_real_containerd_is_asked_for_its_pods", &reason);
        return Ok(());
    }
    let containerd = Containerd::for_kubernetes(rootfs()?)?;
    let config = format!("[identity]\nmetadata = 'cri'\ncri_socket = '{}'\n", containerd.socket().display());
    let agent = Agent::builder().config(&config).start()?;
    let up = wait_until(SETTLED_WITHIN, || {
        (agent.samples().ok()?.sum("prony_metadata_up", &[("source", "cri")]) > 0.0).then_some(())
    });
    up.with_context(|| format!("it is not asked; the log:\n{}", agent.log()))?;
    assert!(agent.log().contains("tells of 0 pods"), "{}", agent.log());
    Ok(())
}
