//! Our own reader, alone: decodes every chunk of a cube on two threads and drops it.

use crate::bare::{ARRAYS, Chunk, chunks, on_two_threads};
use anyhow::{Context, Result};
use dasklike_storage::{ArrayReader, ReadScratch, Store, open_dataset};
use std::collections::BTreeMap;
use std::path::Path;

/// A cube's three arrays, ready to be read.
pub(crate) struct OwnReader {
    /// Each with the decoded bytes of a chunk.
    arrays: Vec<(ArrayReader, usize)>,
    work: Vec<Chunk>,
}

impl OwnReader {
    /// Opens a cube on disk.
    pub(crate) fn open(cube: &Path) -> Result<OwnReader> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let store = Store::open(&cube.to_string_lossy(), &BTreeMap::new())?;
        let dataset = runtime.block_on(open_dataset(&store))?;
        let mut arrays = Vec::new();
        let mut grid = Vec::new();
        for name in ARRAYS {
            let source = &dataset.array(name)?.source;
            let elements: u64 = source.chunks.iter().product();
            arrays.push((
                ArrayReader::open(source)?,
                usize::try_from(elements)? * source.dtype.size(),
            ));
            grid = source
                .shape
                .iter()
                .zip(&source.chunks)
                .map(|(size, chunk)| size.div_ceil(*chunk))
                .collect();
        }
        let work = chunks(&grid, arrays.len());
        Ok(OwnReader { arrays, work })
    }

    /// Decodes everything.
    pub(crate) fn decode(&self) -> Result<()> {
        let state = || (ReadScratch::default(), Vec::new());
        on_two_threads(&self.work, state, |(scratch, buffer), array, indices| {
            let (reader, bytes) = &self.arrays[array];
            buffer.resize(*bytes, 0);
            reader.read_local(indices, scratch, buffer)?;
            std::hint::black_box(&buffer);
            Ok(())
        })
    }
}
