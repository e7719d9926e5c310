//! Which loads are measured, and for how long.

use crate::units::Nanoseconds;

/// How much of each step goes by before it counts: until clocks, fans and slow meters have followed.
const SETTLING: u64 = 4;

/// One step: so many CPUs busy, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    pub(super) cpus: usize,
    pub(super) length: Nanoseconds,
}

impl Rung {
    /// How long it is before what is measured counts.
    pub(super) fn settling(self) -> Nanoseconds {
        Nanoseconds(self.length.0 / SETTLING)
    }
}

/// Idle for two steps; one CPU, and a quarter, half, three quarters and all of them (each number once); idle again.
pub(super) fn ladder(cpus: usize, step: Nanoseconds) -> Vec<Rung> {
    let mut busy = vec![1, cpus.div_ceil(4), cpus.div_ceil(2), (cpus * 3).div_ceil(4), cpus];
    busy.sort_unstable();
    busy.dedup();
    let rung = |cpus| Rung { cpus, length: step };
    let mut rungs = vec![Rung { cpus: 0, length: step + step }];
    rungs.extend(busy.into_iter().map(rung));
    rungs.push(rung(0));
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_up_to_all_cpus_and_back_to_idle() {
        let loads = |cpus| ladder(cpus, Nanoseconds::SECOND).iter().map(|rung| rung.cpus).collect::<Vec<_>>();
        assert_eq!(loads(1), [0, 1, 0]);
        assert_eq!(loads(2), [0, 1, 2, 0]);
        assert_eq!(loads(16), [0, 1, 4, 8, 12, 16, 0]);
        let rungs = ladder(2, Nanoseconds::SECOND);
        assert_eq!((rungs[0].length, rungs[1].length.seconds()), (Nanoseconds(2_000_000_000), 1.0));
        assert_eq!(rungs[0].settling(), Nanoseconds::from_millis(500));
    }
}
