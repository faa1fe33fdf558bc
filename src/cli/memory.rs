//! How much memory trainings may take where nobody says it.

use std::fs;

/// Limit where the system does not say how much is free: 2 GiB.
const UNKNOWN: u64 = 2 << 30;

/// Three quarters of what is free: the memory available on the machine, or what the control group leaves if that is
/// less.
pub fn default_limit() -> u64 {
    let free = [machine(), control_group()].into_iter().flatten().min();
    free.map_or(UNKNOWN, |bytes| bytes / 4 * 3)
}

/// `MemAvailable` of Linux.
fn machine() -> Option<u64> {
    available(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Limit less use of the control group (version 2) that this process sees as its root.
fn control_group() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse::<u64>().ok();
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_read() {
        assert_eq!(available("MemTotal:  9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal:  9 kB\n"), None);
        assert!(default_limit() > 0);
    }
}
