//! Which reports of a numbered stream have come.

/// How many numbers back a straggler is still told from a lost report.
const DEPTH: u64 = 16;

/// What a number says about its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    /// It is the newest.
    New,
    /// It has come before.
    Copy,
    /// Newer ones have come before it.
    Late,
}

/// The newest number and which of those before it have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct SequenceWindow {
    newest: u64,
    /// Bit n: `newest - n` has come. What was before the first number counts as come.
    seen: u64,
    lost: u64,
}

impl SequenceWindow {
    pub(super) fn new(first: u64) -> Self {
        Self { newest: first, seen: u64::MAX, lost: 0 }
    }

    pub(super) fn see(&mut self, number: u64) -> Numbered {
        if let Some(back) = self.newest.checked_sub(number) {
            if back >= DEPTH {
                return Numbered::Late;
            }
            let known = self.seen >> back & 1 == 1;
            self.seen |= 1 << back;
            return if known { Numbered::Copy } else { Numbered::Late };
        }
        let forward = number - self.newest;
        for _ in 0..forward.min(DEPTH) {
            self.lost += u64::from(self.seen >> (DEPTH - 1) & 1 == 0);
            self.seen <<= 1;
        }
        self.lost += forward.saturating_sub(DEPTH);
        self.seen |= 1;
        self.newest = number;
        Numbered::New
    }

    /// How many numbers have been given up since this was last asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// How many numbers are missing, given up or not.
    pub(super) fn take_missing(&mut self) -> u64 {
        let within = (1 << DEPTH) - 1;
        let missing = u64::from((!self.seen & within).count_ones());
        self.seen = u64::MAX;
        missing + self.take_lost()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_straggler_is_not_lost() {
        let mut window = SequenceWindow::new(1);
        assert_eq!(
            [3, 2, 2, 3, 4].map(|number| window.see(number)),
            [Numbered::New, Numbered::Late, Numbered::Copy, Numbered::Copy, Numbered::New]
        );
        assert_eq!(window.take_missing(), 0);
    }

    proptest! {
        #[test]
        fn everything_that_never_came_is_counted_once(
            jumps in prop::collection::vec((1_u64..40, 0_u64..DEPTH), 1..100),
        ) {
            let mut window = SequenceWindow::new(1);
            let (mut newest, mut came, mut lost) = (1, BTreeSet::from([1]), 0);
            for (jump, back) in jumps {
                newest += jump;
                prop_assert_eq!(window.see(newest), Numbered::New);
                came.insert(newest);
                let straggler = newest.saturating_sub(back).max(1);
                let numbered = window.see(straggler);
                prop_assert_eq!(numbered == Numbered::Copy, !came.insert(straggler));
                lost += window.take_lost();
            }
            prop_assert_eq!(lost + window.take_missing(), newest - came.len() as u64);
        }
    }
}
