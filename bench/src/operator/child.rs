//! A process that is measured: what it says is kept, what it uses is read, and it ends with its owner.

use crate::machine::field;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What it used.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    /// The most memory that it had at any time.
    pub(crate) peak_megabytes: f64,
}

/// The process, which ends with this.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Process> {
        let folder = tempfile::tempdir().context("cannot make a folder for the operator's log")?;
        let log =
            File::create(folder.path().join("log")).context("cannot make the operator's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Process { child, folder })
    }

    /// Shows its last words, and fails, if it has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            self.show_log();
            bail!("the operator ended: {status}");
        }
        Ok(())
    }

    /// Shows the last of what it said.
    pub(crate) fn show_log(&self) {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(40)..] {
            eprintln!("operator: {line}");
        }
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let peak = field(&format!("{folder}/status"), "VmHWM").context("the operator has ended")?;
        let kilobytes: f64 = peak.trim_end_matches(" kB").parse()?;
        let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
        // The fields after the program's name, which may hold spaces: user and system time are the 12th and 13th.
        let after = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat has a name")?
            .1;
        let ticks = after.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        Ok(Usage {
            cpu: Duration::from_secs_f64(
                ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            ),
            peak_megabytes: kilobytes / 1000.0,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to hand over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
