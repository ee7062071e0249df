//! The bare program: reads and decodes every chunk of a cube with `zarrs` and drops it. No engine
//! that decodes with the same codecs can be faster.

use anyhow::{Context, Result, anyhow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use zarrs::array::{Array, ArrayBytes, CodecOptions};
use zarrs::filesystem::FilesystemStore;

/// The arrays that NDVI reads.
pub(crate) const ARRAYS: [&str; 3] = ["red", "nir", "scl"];

/// An array of a store on disk.
pub(crate) type DiskArray = Array<FilesystemStore>;

/// Opens the three arrays of a cube.
pub(crate) fn open(cube: &Path) -> Result<Vec<Arc<DiskArray>>> {
    let store = Arc::new(
        FilesystemStore::new(cube).with_context(|| format!("cannot open {}", cube.display()))?,
    );
    let open = |name: &&str| {
        Array::open(store.clone(), &format!("/{name}"))
            .map(Arc::new)
            .with_context(|| format!("cannot open {name} of {}", cube.display()))
    };
    ARRAYS.iter().map(open).collect()
}

/// Every chunk of `arrays`, an array's number and the chunk's indices, in the order of storage:
/// step by step as an engine that needs all arrays of a place at once would read them.
pub(crate) fn chunks<S: ?Sized>(arrays: &[Arc<Array<S>>]) -> Vec<(usize, Vec<u64>)> {
    let Some(first) = arrays.first() else {
        return Vec::new();
    };
    let grid = first.chunk_grid_shape();
    let total: u64 = grid.iter().product();
    let indices = |mut number: u64| {
        let mut at = vec![0; grid.len()];
        for (dim, size) in grid.iter().enumerate().rev() {
            at[dim] = number % size;
            number /= size;
        }
        at
    };
    (0..total)
        .flat_map(|number| (0..arrays.len()).map(move |array| (array, indices(number))))
        .collect()
}

/// Decodes everything on `threads` threads.
pub(crate) fn decode(arrays: &[Arc<DiskArray>], threads: usize) -> Result<()> {
    let chunks = chunks(arrays);
    let next = AtomicUsize::new(0);
    // The threads are all the parallelism there is.
    let options = CodecOptions::default().with_concurrent_target(1);
    let work = || -> Result<()> {
        while let Some((array, indices)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let chunk: ArrayBytes<'_> = arrays[*array].retrieve_chunk_opt(indices, &options)?;
            std::hint::black_box(&chunk);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().try_for_each(|handle| {
            handle
                .join()
                .map_err(|_| anyhow!("a decoding thread panicked"))?
        })
    })
}
