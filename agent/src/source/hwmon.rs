//! Power meters with a kernel driver under `/sys/class/hwmon`.
