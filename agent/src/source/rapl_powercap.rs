//! RAPL through `/sys/class/powercap`.
