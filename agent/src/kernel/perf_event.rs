//! `perf_event_open` for counters of the `power` PMU.
