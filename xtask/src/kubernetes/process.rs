//! Processes that outlive this program, and how a later run knows them again.

use super::layout::Layout;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to be gone after SIGKILL; one that writes much to a slow disk needs some.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A process that cannot be mistaken for a later one with the same number: after a restart of the machine the
/// boot differs, and before that the start time does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: i32,
    /// In clock ticks since the machine started.
    started: u64,
    boot: String,
}

impl Process {
    /// The process that has this number now; none if there is none.
    pub(crate) fn now(pid: i32) -> Result<Option<Process>> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .context("cannot read the machine's boot id")?;
        Ok(start_time(pid).map(|started| Process {
            pid,
            started,
            boot: boot.trim().to_owned(),
        }))
    }

    /// Whether it still runs.
    pub(crate) fn alive(&self) -> Result<bool> {
        Ok(Process::now(self.pid)?.is_some_and(|now| now == *self))
    }

    /// Ends it, with no chance to object, and waits until it is gone and has let go of its ports. One that
    /// is gone already is no error.
    pub(crate) fn kill(&self) -> Result<()> {
        if !self.alive()? {
            return Ok(());
        }
        let pid = Pid::from_raw(self.pid).context("a process has a positive number")?;
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => (),
            Err(error) => bail!("cannot end process {}: {error}", self.pid),
        }
        let deadline = Instant::now() + GONE_WITHIN;
        while self.alive()? {
            if Instant::now() > deadline {
                bail!("process {} is still there after SIGKILL", self.pid);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// When a process started; none for one that is not there, or has ended and waits to be collected.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, in which anything may stand.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    // From here the 22nd field of proc(5) is the 19th.
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(started)
}

/// Starts `command` so that it goes on when this program and its terminal end, and writes down who it is.
pub(crate) fn start(layout: &Layout, name: &str, command: &mut Command) -> Result<()> {
    let log = layout.log(name);
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .current_dir(&layout.state)
        // A group of its own, so that Ctrl-C at this program does not reach it.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let pid = i32::try_from(child.id()).context("a process number fits 31 bits")?;
    let process = Process::now(pid)?
        .with_context(|| format!("{name} ended at once, see {}", log.display()))?;
    let record = record(layout, name);
    fs::write(&record, serde_json::to_string(&process)?)
        .with_context(|| format!("cannot write {}", record.display()))
}

/// The process started under this name; none if none was. A record that cannot be read is as none: the disk
/// was full or the machine stopped while it was written, and no process is lost by it but one just started.
pub(crate) fn recorded(layout: &Layout, name: &str) -> Option<Process> {
    serde_json::from_str(&fs::read_to_string(record(layout, name)).ok()?).ok()
}

fn record(layout: &Layout, name: &str) -> PathBuf {
    layout.state.join("processes").join(format!("{name}.json"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Process;

    #[test]
    fn a_process_is_known_until_it_ends_and_not_mistaken_for_another() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::now(child.id() as i32).unwrap().unwrap();
        assert!(process.alive().unwrap());
        let earlier = Process {
            started: process.started - 1,
            ..process.clone()
        };
        let other_boot = Process {
            boot: "another".into(),
            ..process.clone()
        };
        assert!(!earlier.alive().unwrap() && !other_boot.alive().unwrap());
        // It is not collected yet, and counts as gone all the same.
        other_boot.kill().unwrap();
        assert!(process.alive().unwrap());
        process.kill().unwrap();
        assert!(!process.alive().unwrap());
        child.wait().unwrap();
    }
}
