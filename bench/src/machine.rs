//! The machine and the versions a report names.

use std::fs::read_to_string;
use std::process::Command;

/// Processor, cores, memory, system and how busy it all was.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let system = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cpu}, {cores} cores, {memory} memory, {} {}, load {load} at the start",
        std::env::consts::OS,
        system.trim()
    )
}

/// The version and, in a git checkout, the commit.
pub(crate) fn own_version() -> String {
    let commit = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "{} {}",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_default()
    )
    .trim()
    .to_owned()
}

/// The value of the first line `name : value` of a file in `/proc`.
pub(crate) fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(
        line.split_once(':')?
            .1
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}
