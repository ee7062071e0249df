//! The process' own figures.

use rustix::time::{ClockId, clock_gettime};

/// Resident bytes of the process; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages: Option<u64> = text.split_whitespace().nth(1).and_then(|p| p.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Nanoseconds of CPU time of all threads since the process started.
pub(crate) fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_plausible() {
        assert!((1 << 20..1 << 40).contains(&resident_bytes()));
        let before = cpu_ns();
        let sum: u64 = (0..1_000_000u64).map(std::hint::black_box).sum();
        assert!(sum > 0 && cpu_ns() > before);
    }
}
