//! RAPL through the `power` PMU of perf.
