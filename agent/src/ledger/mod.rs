//! Cumulative energy per consumer, command, cgroup and zone.
