//! Huge pages. A step of a convolutional net walks through tens of megabytes: on pages of 4 KiB it waits for their
//! translation, and the first step for thousands of page faults (`benches/RESULTS.md`).

/// Bytes of a tensor from which it is worth a call.
const LEAST: usize = 1 << 19;

/// Asks the system for huge pages where `length` values lie. This is a wish: where the system has none at hand, or knows none,
/// nothing changes.
pub(super) fn prefer_huge<T>(start: *const T, length: usize) {
    let bytes = length * size_of::<T>();
    if bytes >= LEAST {
        advise(start.addr(), bytes);
    }
}

/// For whole pages, with what else lies on them: those that are touched from now on, and those that were, at once.
#[cfg(target_os = "linux")]
fn advise(start: usize, bytes: usize) {
    /// Bytes of a huge page.
    const PAGE: usize = 1 << 21;
    let (first, end) = (start / PAGE * PAGE, (start + bytes).div_ceil(PAGE) * PAGE);
    for advice in [libc::MADV_HUGEPAGE, libc::MADV_COLLAPSE] {
        // SAFETY: the advice changes no contents and no rights of whatever is mapped there, and skips what is not.
        unsafe { libc::madvise(std::ptr::without_provenance_mut(first), end - first, advice) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: usize, _bytes: usize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Whether the mapping with this address is marked for huge pages.
    fn is_marked(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((from, to)) =
                range.and_then(|(a, b)| usize::from_str_radix(a, 16).ok().zip(usize::from_str_radix(b, 16).ok()))
            {
                inside = (from..to).contains(&address);
            } else if inside && line.starts_with("VmFlags:") {
                return line.split(' ').any(|flag| flag == "hg");
            }
        }
        false
    }

    #[test]
    fn large_memory_is_marked_and_keeps_its_contents() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return;
        }
        let mut values = vec![0.0_f32; 16 << 20];
        values[5 << 20] = 3.0;
        prefer_huge(values[4 << 20..].as_ptr(), 2 << 20);
        let address = |index: usize| values[index..].as_ptr().addr();
        assert!(is_marked(address(5 << 20)) && !is_marked(address(12 << 20)));
        assert_eq!(values[5 << 20], 3.0);
        let (other, little) = (vec![0.0_f32; 16 << 20], 1 << 16);
        prefer_huge(other[8 << 20..].as_ptr(), little);
        assert!(!is_marked(other[8 << 20..].as_ptr().addr()));
    }
}
