//! The journal: what a scheduler keeps of named jobs in a folder, so that its successor goes on with them.
//!
//! A file a job, of records in their order, which is removed with the job: so nothing has to be compacted. A thread
//! writes, and nobody waits for it: what was not written yet when the process died is work that is run again. A file
//! that cannot be written is given up, and its job goes on without.

mod crashes;
mod file;
mod open;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use open::{Opened, open};

use crate::core::ids::JobId;
use crate::core::journal::Record;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::{io, thread};

/// Bytes that may wait to be written. A job that has more to say than the disk takes is given up.
const WAITING_LIMIT: u64 = 256 << 20;

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be used.
    #[error(
        "the journal's folder {folder} cannot be used: {source}: give one that this program may write to"
    )]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two schedulers would overwrite each other's files.
    #[error("another scheduler uses the journal in {0}: stop it, or give another folder")]
    InUse(PathBuf),
}

/// Something for the writer.
enum Command {
    Keep(JobId, Record),
    Drop(JobId),
}

/// The way to the journal's writer.
pub(crate) struct Journal {
    commands: mpsc::Sender<Command>,
    waiting: Arc<AtomicU64>,
    given_up: BTreeSet<JobId>,
    /// What waits is written before the process ends.
    writer: Option<thread::JoinHandle<()>>,
}

impl Journal {
    /// Has a record written.
    pub(crate) fn keep(&mut self, job: JobId, record: Record) {
        if self.given_up.contains(&job) {
            return;
        }
        let bytes = record::bytes(&record);
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_LIMIT {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            tracing::warn!(%job, "the journal's disk is too slow for a job: a restart would begin it anew");
            // Without one record those after it mean nothing.
            self.send(Command::Drop(job));
            self.given_up.insert(job);
            return;
        }
        self.send(Command::Keep(job, record));
    }

    /// Has the job's file removed.
    pub(crate) fn drop_job(&mut self, job: JobId) {
        self.given_up.remove(&job);
        self.send(Command::Drop(job));
    }

    fn send(&self, command: Command) {
        // The writer lives until the sender is dropped.
        let _ = self.commands.send(command);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.commands = mpsc::channel().0;
        if let Some(writer) = self.writer.take() {
            // If it has panicked, that was reported.
            let _ = writer.join();
        }
    }
}
