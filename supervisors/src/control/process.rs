//! What the process costs, from the kernel; Linux.

use rustix::param::page_size;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs;

/// What the process costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStats {
    /// Its id.
    pub pid: u32,
    /// CPU time of all threads since the start.
    pub cpu_seconds: f64,
    /// Resident memory at present.
    pub resident_bytes: u64,
    /// The most it ever was.
    pub resident_peak_bytes: u64,
    /// Open files and sockets.
    pub open_files: u64,
    /// How many may be open.
    pub max_open_files: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessStats {
    /// At present. What `/proc` does not tell is 0.
    pub(super) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let pages = |text: String| text.split_whitespace().nth(1)?.parse::<u64>().ok();
        let resident = fs::read_to_string("/proc/self/statm").ok().and_then(pages).unwrap_or(0);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            pid: std::process::id(),
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: resident * page_size() as u64,
            resident_peak_bytes: field(&status, "VmHWM:") * 1024,
            // The folder itself is open while it is read.
            open_files: fs::read_dir("/proc/self/fd")
                .map_or(0, |files| files.count() as u64)
                .saturating_sub(1),
            max_open_files: limit.current.unwrap_or(u64::MAX),
            threads: field(&status, "Threads:"),
        }
    }
}

/// A number in `/proc/self/status`.
fn field(status: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok();
    status.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_this_process_costs() {
        let now = ProcessStats::now();
        assert!(now.cpu_seconds > 0.0 && now.resident_bytes > 0 && now.threads > 0);
        assert!(now.resident_peak_bytes > 0 && now.open_files >= 3 && now.max_open_files >= now.open_files);
    }
}
