//! Opening a journal: what an earlier scheduler left in the folder.

use super::crashes::Crashes;
use super::file::{Reader, Writer};
use super::record::{self, Begun, RecordError};
use super::{Journal, JournalError, writer};
use crate::core::event::Order;
use crate::core::ids::JobId;
use crate::core::journal::Record;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

/// Held for as long as a scheduler uses the folder.
const LOCK: &str = "lock";

/// A journal, and what was in it.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    /// In the order in which they were begun.
    pub(crate) jobs: Vec<JobFile>,
}

/// A job that an earlier scheduler kept: its records, read one by one.
pub(crate) struct JobFile {
    pub(crate) job: JobId,
    path: PathBuf,
    order: Option<Order>,
    records: Option<Reader>,
}

/// Opens the journal in a folder, which is made if it is not there.
pub(crate) fn open(folder: &Path) -> Result<Opened, JournalError> {
    let unusable = |source| JournalError::Folder {
        folder: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(unusable)?;
    let lock = File::create(folder.join(LOCK)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    let (crashes, too_many) = Crashes::count(folder).map_err(unusable)?;
    let mut jobs: Vec<JobFile> = Vec::new();
    for path in files(folder).map_err(unusable)? {
        if too_many {
            let file = path.display();
            tracing::warn!(%file, "schedulers died one after another with this job: it is dropped");
            fs::remove_file(&path).map_err(unusable)?;
            continue;
        }
        match job_file(&path) {
            Ok(job) => jobs.push(job),
            Err(why) => {
                let file = path.display();
                tracing::warn!(%file, %why, "a file of the journal cannot be used and is removed");
                fs::remove_file(&path).map_err(unusable)?;
            }
        }
    }
    jobs.sort_by_key(|file| file.job);
    let known: BTreeSet<JobId> = jobs.iter().map(|file| file.job).collect();
    let (commands, taken) = mpsc::channel();
    let waiting = Arc::default();
    let writer = writer::Files::new(folder.to_owned(), known, crashes);
    let writer = writer.start(lock, taken, Arc::clone(&waiting));
    Ok(Opened {
        journal: Journal {
            commands,
            waiting,
            given_up: BTreeSet::new(),
            writer: Some(writer.map_err(unusable)?),
        },
        jobs,
    })
}

/// Where a job's records are.
pub(super) fn path_of(folder: &Path, job: JobId) -> PathBuf {
    folder.join(format!("job-{}.journal", job.0))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "journal") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Why a whole file is of no use.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("it is of another version, or empty")]
    Version,
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its name is not that of job {0}")]
    Name(u64),
}

fn job_file(path: &Path) -> Result<JobFile, FileError> {
    let mut reader = Reader::open(path)?.ok_or(FileError::Version)?;
    let first = reader.read()?.ok_or(FileError::Version)?;
    let Begun {
        job,
        order,
        same_stages,
    } = record::decode_begun(&first)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if path_of(folder, job) != path {
        return Err(FileError::Name(job.0));
    }
    if !same_stages {
        tracing::warn!(%job, "this version counts the job's tasks otherwise: it begins anew");
        let mut writer = Writer::create(path)?;
        writer.write(&record::encode(job, &Record::Begun(order.clone())))?;
        writer.sync()?;
    }
    Ok(JobFile {
        job,
        path: path.to_owned(),
        order: Some(order),
        records: same_stages.then_some(reader),
    })
}

/// The next record; one that makes no sense is cut off, so that what is appended is found.
fn next(reader: &mut Reader) -> Result<Option<Record>, FileError> {
    let Some(bytes) = reader.read()? else {
        return Ok(None);
    };
    let record = record::decode(&bytes);
    if record.is_err() {
        reader.reject()?;
    }
    Ok(Some(record?))
}

impl Iterator for JobFile {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if let Some(order) = self.order.take() {
            return Some(Record::Begun(order));
        }
        let mut reader = self.records.take()?;
        match next(&mut reader) {
            Ok(record) => {
                self.records = record.is_some().then_some(reader);
                record
            }
            Err(why) => {
                let file = self.path.display();
                tracing::warn!(%file, %why, "the rest of a journal's file cannot be used: what it holds is computed again");
                None
            }
        }
    }
}
