//! How a tile's evaluation gets its chunks: from files, or from what was fetched ahead.

use crate::asking::Asking;
use crate::job::Job;
use crate::prefetch::FetchedTile;
use dasklike_array::{Chunk, ChunkReader};
use dasklike_graph::plan::SourceId;
use dasklike_graph::protocol::{ErrorKind, TaskError, TaskStats};
use dasklike_storage::{Presence, ReadError, ReadErrorKind, ReadScratch};
use std::time::Instant;

/// Reads the chunks of one tile.
pub(crate) struct TileReader<'a> {
    pub(crate) job: &'a Job,
    /// Where to look up what is a mask's, if the tile has one that can be asked first.
    pub(crate) asking: Option<&'a Asking>,
    pub(crate) scratch: &'a mut ReadScratch,
    pub(crate) fetched: Option<&'a FetchedTile>,
    /// What reading cost so far.
    pub(crate) stats: TaskStats,
    /// Whether a chunk was read that is not the mask's.
    pub(crate) read_more: bool,
}

impl ChunkReader for TileReader<'_> {
    type Error = TaskError;

    fn read(
        &mut self,
        source: SourceId,
        index: &[u64],
        into: &mut [u8],
    ) -> Result<Chunk, TaskError> {
        if self.job.is_forgotten() {
            return Err(internal("the job has ended".to_owned()));
        }
        let unknown = || internal(format!("the plan has no source {}", source.0));
        let reader = self
            .job
            .readers
            .get(source.0 as usize)
            .ok_or_else(unknown)?;
        self.read_more |= self.asking.is_some_and(|a| !a.is_mask(source));
        let before = Instant::now();
        let presence = if reader.is_local() {
            reader
                .read_local(index, self.scratch, into)
                .map_err(|e| failed(&e))?
        } else {
            let fetched = self.fetched.and_then(|f| f.get(source, index));
            let unknown = || {
                internal(format!(
                    "chunk {index:?} of source {} was not fetched",
                    source.0
                ))
            };
            match fetched.ok_or_else(unknown)? {
                None => Presence::Absent,
                Some(bytes) => {
                    reader
                        .decode(index, bytes, self.scratch, into)
                        .map_err(|e| failed(&e))?;
                    Presence::Stored {
                        encoded_bytes: bytes.len() as u64,
                    }
                }
            }
        };
        self.stats.reads += 1;
        match presence {
            Presence::Absent => Ok(Chunk::Fill),
            Presence::Stored { encoded_bytes } => {
                // A local file comes from the page cache or waits in the kernel: both count as decoding, since
                // reading and decoding alternate inside.
                self.stats.decode_ns += before.elapsed().as_nanos() as u64;
                self.stats.stored_bytes += encoded_bytes;
                self.stats.decoded_bytes += into.len() as u64;
                Ok(Chunk::Decoded)
            }
        }
    }
}

/// What to tell the user of a chunk that could not be read.
pub(crate) fn failed(error: &ReadError) -> TaskError {
    let kind = match error.kind {
        ReadErrorKind::Truncated { .. }
        | ReadErrorKind::TooLarge { .. }
        | ReadErrorKind::Size { .. }
        | ReadErrorKind::Codec { .. }
        | ReadErrorKind::Checksum { .. } => ErrorKind::Chunk,
        ReadErrorKind::Request(_) => ErrorKind::Internal,
        _ => ErrorKind::Store,
    };
    TaskError {
        kind,
        message: error.to_string(),
    }
}

fn internal(message: String) -> TaskError {
    TaskError {
        kind: ErrorKind::Internal,
        message,
    }
}
