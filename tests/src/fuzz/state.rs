//! Books that an earlier agent has left.

use prony::clock::Timestamp;
use prony::config::{LedgerConfig, StaticPower};
use prony::fuse::{Fusion, Limits};
use prony::identity::Names;
use prony::ledger::Ledger;
use prony::state::Record;

/// A record as it is in a file. What adds up is gone on with, and adds up for the next agent too.
pub(super) fn state(data: &[u8]) {
    let Some(mut record) = Record::from_bytes(data) else { return };
    if !record.ledger.adds_up() {
        return;
    }
    let mut names = Names::default();
    names.resume_v1_groups(&record.v1_groups);
    let mut ledger = Ledger::new(&LedgerConfig::default());
    ledger.resume(record.ledger.clone(), &mut names);
    ledger.close_window(Timestamp(u64::MAX / 2));
    assert!(ledger.written(&names, true).adds_up(), "the books that are gone on with do not add up");
    let fusion = Fusion::new(&StaticPower::default(), Limits::default());
    drop(fusion.resuming(&record.meters, std::mem::take(&mut record.learnt)));
    record.forget_windows();
    record.outlive_boot();
    assert!(record.ledger.adds_up(), "the books after a boot do not add up");
}
