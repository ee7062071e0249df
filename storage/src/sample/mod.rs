//! The synthetic cube: what the example and the benchmarks run on where there is no real data. It says of itself
//! that it is synthetic.

mod codec;
mod metadata;
mod scene;

pub use codec::SampleCodec;

use codec::Encoder;
use scene::{STEP_DAYS, Tile};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

/// What to write: red, near infrared (u2) and scene classes (u1) with dims time, y and x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSpec {
    /// Steps in time, five days apart.
    pub steps: u64,
    /// Pixels of 10 m along y and along x.
    pub size: u64,
    /// Pixels of a chunk along y and along x; a chunk has one step.
    pub chunk: u64,
    /// How chunks are encoded.
    pub codec: SampleCodec,
}

/// Why a cube was not written. Nothing is left behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The numbers make no cube.
    #[error("{what} is {value}: expected {expected}")]
    Spec {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What it can be.
        expected: &'static str,
    },
    /// There is something already, which is not overwritten.
    #[error("{path} exists already: remove it, or give another path")]
    Exists {
        /// The path.
        path: String,
    },
    /// Another process is writing it.
    #[error("{path} is being written by another process: wait for it, or give another path")]
    Busy {
        /// The path.
        path: String,
    },
    /// The disk is full, the folder may not be written, and so on.
    #[error("cannot write {path}: {what}")]
    Write {
        /// The file.
        path: String,
        /// The system's words.
        what: String,
    },
}

impl SampleSpec {
    /// Bytes of the decoded bands.
    pub fn bytes(&self) -> u64 {
        self.steps * self.size * self.size * 5
    }

    fn check(&self) -> Result<(), SampleError> {
        let wrong = |what, value, expected| {
            Err(SampleError::Spec {
                what,
                value,
                expected,
            })
        };
        match self {
            s if !(1..=100_000).contains(&s.steps) => wrong("steps", s.steps, "1 to 100000"),
            s if !(1..=200_000).contains(&s.size) => wrong("size", s.size, "1 to 200000"),
            s if !(1..=16_384).contains(&s.chunk) => wrong("chunk", s.chunk, "1 to 16384"),
            _ => Ok(()),
        }
    }

    /// Chunks along y, and along x.
    fn across(&self) -> u64 {
        self.size.div_ceil(self.chunk)
    }
}

/// Writes the cube as a Zarr v3 group at `path`, on all cores, and calls `progress` with the tiles done and their
/// number. The same spec gives the same bytes. It is written beside `path` and renamed at the end, so that what
/// is at `path` is whole.
///
/// # Errors
/// When the spec makes no cube, there is something at `path`, or it cannot be written.
pub fn write_sample(
    path: &Path,
    spec: &SampleSpec,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), SampleError> {
    spec.check()?;
    let shown = path.display().to_string();
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return Err(SampleError::Write {
            path: shown,
            what: "the path has no valid name".to_owned(),
        });
    };
    fs::create_dir_all(parent).map_err(|e| failed(parent, &e))?;
    let lock_path = parent.join(format!(".{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(|e| failed(&lock_path, &e))?;
    if lock.try_lock().is_err() {
        return Err(SampleError::Busy { path: shown });
    }
    if path.symlink_metadata().is_ok() {
        let _ = fs::remove_file(&lock_path);
        return Err(SampleError::Exists { path: shown });
    }
    let partial = parent.join(format!(".{name}.partial"));
    let written = write_all(&partial, spec, progress)
        .and_then(|()| fs::rename(&partial, path).map_err(|e| failed(path, &e)));
    if written.is_err() {
        // What is left of it would only take room; the error that matters is the first.
        let _ = fs::remove_dir_all(&partial);
    }
    let _ = fs::remove_file(&lock_path);
    written
}

fn failed(path: &Path, e: &std::io::Error) -> SampleError {
    SampleError::Write {
        path: path.display().to_string(),
        what: e.to_string(),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SampleError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| failed(parent, &e))?;
    }
    fs::write(path, bytes).map_err(|e| failed(path, &e))
}

fn write_all(
    root: &Path,
    spec: &SampleSpec,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), SampleError> {
    // An earlier run that was killed may have left its part.
    match fs::remove_dir_all(root) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(root, &e)),
        _ => {}
    }
    write_tiles(root, spec, progress)?;
    for (path, bytes) in metadata::files(spec) {
        write_file(&root.join(path), &bytes)?;
    }
    Ok(())
}

fn write_tiles(
    root: &Path,
    spec: &SampleSpec,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), SampleError> {
    let total = spec.steps * spec.across() * spec.across();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let threads = std::thread::available_parallelism()
        .map_or(1, |n| n.get())
        .min(total as usize);
    progress(0, total);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                let mut writer = TileWriter::new(root, spec);
                while !stop.load(Ordering::Relaxed) {
                    let tile = next.fetch_add(1, Ordering::Relaxed);
                    if tile >= total || send.send(writer.write(tile)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (done, written) in (1..).zip(receive) {
            if let Err(e) = written {
                stop.store(true, Ordering::Relaxed);
                return Err(e);
            }
            progress(done, total);
        }
        Ok(())
    })
}

/// What one thread needs to write tiles.
struct TileWriter<'a> {
    root: &'a Path,
    spec: &'a SampleSpec,
    tile: Tile,
    encoder: Encoder,
    encoded: Vec<u8>,
}

impl<'a> TileWriter<'a> {
    fn new(root: &'a Path, spec: &'a SampleSpec) -> TileWriter<'a> {
        let encoder = Encoder::new(spec.codec);
        TileWriter {
            root,
            spec,
            tile: Tile::new(spec.chunk),
            encoder,
            encoded: Vec::new(),
        }
    }

    fn write(&mut self, tile: u64) -> Result<(), SampleError> {
        let across = self.spec.across();
        let (step, y, x) = (
            tile / across / across,
            tile / across % across,
            tile % across,
        );
        self.tile.paint(
            step,
            self.spec.size,
            y * self.spec.chunk,
            x * self.spec.chunk,
        );
        let bands = [
            ("red", &self.tile.red, 2),
            ("nir", &self.tile.nir, 2),
            ("scl", &self.tile.scl, 1),
        ];
        for (name, bytes, size) in bands {
            let path: PathBuf = self.root.join(format!("{name}/c/{step}/{y}/{x}"));
            let encoded = self.encoder.encode(bytes, size, &mut self.encoded);
            encoded.map_err(|what| SampleError::Write {
                path: path.display().to_string(),
                what,
            })?;
            write_file(&path, &self.encoded)?;
        }
        Ok(())
    }
}
