//! The cubes the benchmarks read, written once into the user's cache folder.

use crate::programs;
use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use std::fs;
use std::path::PathBuf;

/// A synthetic cube: `u2` red and nir, `u1` scl, chunks of 512 x 512 pixels of one step.
#[derive(Clone, Copy)]
pub(crate) struct Cube {
    /// Time steps.
    pub(crate) steps: u64,
    /// Pixels along y and along x.
    pub(crate) size: u64,
    /// As `dasklike sample --codec` calls it.
    pub(crate) codec: &'static str,
}

impl Cube {
    /// The cube of most benchmarks, 1.0 GB decoded.
    pub(crate) const BLOSC: Cube = Cube {
        steps: 48,
        size: 2048,
        codec: "blosc-zstd",
    };
    /// The same pixels with zlib level 6.
    pub(crate) const ZLIB: Cube = Cube {
        codec: "zlib",
        ..Cube::BLOSC
    };

    /// Decoded bytes of all its pixels.
    pub(crate) fn decoded_bytes(self) -> u64 {
        self.steps * self.size * self.size * 5
    }

    /// Where the cube is; it is written first if it is not there.
    pub(crate) fn path(self) -> Result<PathBuf> {
        let base = etcetera::choose_base_strategy()
            .context("cannot tell where the user's cache folder is, set HOME")?;
        let folder = base.cache_dir().join("dasklike/bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let Cube { steps, size, codec } = self;
        let path = folder.join(format!("{steps}x{size}x{size}-{codec}.zarr"));
        if path.exists() {
            return Ok(path);
        }
        eprintln!("writing {}", path.display());
        let unfinished = path.with_extension("tmp");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        let mut sample = programs::dasklike()?;
        sample
            .arg("sample")
            .arg(&unfinished)
            .args(["--codec", codec, "--chunk", "512"]);
        sample.args(["--steps", &steps.to_string(), "--size", &size.to_string()]);
        programs::output(&mut sample)?;
        fs::rename(&unfinished, &path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// The cube in words.
    pub(crate) fn describe(self) -> Result<String> {
        let stored = stored_bytes(&self.path()?)?;
        let decoded = self.decoded_bytes();
        let Cube { steps, size, codec } = self;
        Ok(format!(
            "{steps} x {size} x {size}, chunks of 1 x 512 x 512, {codec}; {:.2} GB decoded, {:.2} GB stored ({:.2} times smaller)",
            decoded as f64 / 1e9,
            stored as f64 / 1e9,
            decoded as f64 / stored as f64
        ))
    }
}

/// The bytes of all files below a folder.
fn stored_bytes(folder: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            stored_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
