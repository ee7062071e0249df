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

/// A chunk to decode: the number of its array, and its indices.
pub(crate) type Chunk = (usize, Vec<u64>);

/// Every chunk of `arrays` arrays of the same chunk grid, all of one place before those of the
/// next, as an engine that needs all arrays at once reads them.
pub(crate) fn chunks(grid: &[u64], arrays: usize) -> Vec<Chunk> {
    let indices = |mut number: u64| {
        let mut at = vec![0; grid.len()];
        for (place, size) in at.iter_mut().zip(grid).rev() {
            *place = number % size;
            number /= size;
        }
        at
    };
    let total = grid.iter().product();
    (0..total)
        .flat_map(|number| (0..arrays).map(move |array| (array, indices(number))))
        .collect()
}

/// Shares `work` out to two threads, one chunk at a time. Each thread makes its own state with `state`.
pub(crate) fn on_two_threads<S>(
    work: &[Chunk],
    state: impl Fn() -> S + Sync,
    decode: impl Fn(&mut S, usize, &[u64]) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let drain = || -> Result<()> {
        let mut state = state();
        while let Some((array, indices)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            decode(&mut state, *array, indices)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(drain), scope.spawn(drain)];
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a decoding thread panicked"))?
        })
    })
}

/// Decodes everything on two threads with `zarrs`.
pub(crate) fn decode(arrays: &[Arc<DiskArray>]) -> Result<()> {
    // The two threads are all the parallelism there is.
    let options = CodecOptions::default().with_concurrent_target(1);
    on_two_threads(
        &chunks(arrays[0].chunk_grid_shape(), arrays.len()),
        || (),
        |(), array, indices| {
            let chunk: ArrayBytes<'_> = arrays[array].retrieve_chunk_opt(indices, &options)?;
            std::hint::black_box(&chunk);
            Ok(())
        },
    )
}
