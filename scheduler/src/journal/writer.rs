//! The thread that writes the journal.

use super::crashes::Crashes;
use super::file::Writer;
use super::open::path_of;
use super::{Command, record};
use crate::core::ids::JobId;
use crate::core::journal::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::{io, thread};

/// Commands that are carried out before the disk is asked to have them.
const BATCH: usize = 256;

/// What it writes.
pub(super) struct Files {
    folder: PathBuf,
    /// Jobs whose files an earlier scheduler began.
    known: BTreeSet<JobId>,
    open: BTreeMap<JobId, Writer>,
    /// Since the disk was last asked.
    written: BTreeSet<JobId>,
    crashes: Crashes,
}

impl Files {
    pub(super) fn new(folder: PathBuf, known: BTreeSet<JobId>, crashes: Crashes) -> Files {
        Files {
            folder,
            known,
            open: BTreeMap::new(),
            written: BTreeSet::new(),
            crashes,
        }
    }

    /// Starts the thread. It ends when nobody can give commands any more and what waits is written.
    pub(super) fn start(
        mut self,
        lock: File,
        commands: Receiver<Command>,
        waiting: Arc<AtomicU64>,
    ) -> io::Result<JoinHandle<()>> {
        let run = move || {
            let _lock = lock;
            while let Ok(first) = commands.recv() {
                let batch = commands.try_iter().take(BATCH);
                for command in std::iter::once(first).chain(batch) {
                    self.carry_out(command, &waiting);
                }
                self.sync();
            }
            self.crashes.forget();
        };
        thread::Builder::new().name("journal".to_owned()).spawn(run)
    }

    fn carry_out(&mut self, command: Command, waiting: &AtomicU64) {
        match command {
            Command::Keep(job, record) => {
                if matches!(record, Record::Done(_)) {
                    self.crashes.forget();
                }
                self.keep(job, &record);
                waiting.fetch_sub(record::bytes(&record), Ordering::Relaxed);
            }
            Command::Drop(job) => self.remove(job),
        }
    }

    fn keep(&mut self, job: JobId, record: &Record) {
        let written = self.writer(job, record).and_then(|w| {
            w.map_or(Ok(false), |w| {
                w.write(&record::encode(job, record)).map(|()| true)
            })
        });
        match written {
            Ok(true) => drop(self.written.insert(job)),
            // It was given up.
            Ok(false) => {}
            Err(error) => self.give_up(job, &error),
        }
    }

    fn writer(&mut self, job: JobId, record: &Record) -> io::Result<Option<&mut Writer>> {
        let path = path_of(&self.folder, job);
        if let Record::Begun(_) = record {
            self.open.insert(job, Writer::create(&path)?);
        } else if self.known.remove(&job) {
            self.open.insert(job, Writer::append(&path)?);
        }
        Ok(self.open.get_mut(&job))
    }

    fn sync(&mut self) {
        for job in std::mem::take(&mut self.written) {
            if let Some(Err(error)) = self.open.get_mut(&job).map(Writer::sync) {
                self.give_up(job, &error);
            }
        }
    }

    /// A job without all of its records begins anew after a restart, as without any.
    fn give_up(&mut self, job: JobId, error: &io::Error) {
        tracing::warn!(%job, %error, "the journal cannot be written: a restart would begin this job anew");
        self.remove(job);
    }

    fn remove(&mut self, job: JobId) {
        self.open.remove(&job);
        self.known.remove(&job);
        self.written.remove(&job);
        match fs::remove_file(path_of(&self.folder, job)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%job, %error, "a file of the journal cannot be removed");
            }
            _ => {}
        }
    }
}
