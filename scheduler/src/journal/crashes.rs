//! A job that kills its scheduler must not kill every one that comes after it.
//!
//! Each start is counted in a file, which goes when some work gets done or the scheduler ends in order. A folder with
//! which several died one after another before that is emptied: its jobs may be why.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// So many die before the jobs are dropped.
const MOST: usize = 3;

pub(super) struct Crashes(Option<PathBuf>);

impl Crashes {
    /// Counts this start, and says whether too many died before it.
    pub(super) fn count(folder: &Path) -> io::Result<(Crashes, bool)> {
        let path = folder.join("starts");
        let died = match fs::metadata(&path) {
            Ok(file) => usize::try_from(file.len()).unwrap_or(MOST),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let too_many = died >= MOST;
        let starts = if too_many { 1 } else { died + 1 };
        // A byte for each.
        let mut file = File::create(&path)?;
        file.write_all(&vec![b'.'; starts])?;
        file.sync_data()?;
        Ok((Crashes(Some(path)), too_many))
    }

    /// This one is none.
    pub(super) fn forget(&mut self) {
        if let Some(Err(error)) = self.0.take().map(fs::remove_file) {
            tracing::warn!(%error, "the journal's count of starts cannot be removed");
        }
    }
}
