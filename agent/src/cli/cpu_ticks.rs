//! How busy the processors were.

/// The first line of `/proc/stat` (man 5 `proc_stat`): clock ticks of all processors together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTicks {
    busy: u64,
    all: u64,
}

impl CpuTicks {
    /// Of the file's text; `None` where that is something else.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
        let mut next = || fields.next()?.parse::<u64>().ok();
        let [user, nice, system, idle, iowait, irq, softirq, steal] =
            [next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?];
        let busy = user + nice + system + irq + softirq + steal;
        Some(Self { busy, all: busy + idle + iowait })
    }

    /// The busy fraction of the time between; `None` where no time went by.
    pub(super) fn busy_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|&all| all > 0)?;
        Some((self.busy.saturating_sub(earlier.busy) as f64 / all as f64).min(1.0))
    }

    /// How many there were between.
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.all.saturating_sub(earlier.all)
    }
}
