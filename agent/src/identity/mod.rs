//! Who a cgroup or a process is: names, paths, containers.
