//! The cubes the benchmarks read, written once into the user's cache folder.

use anyhow::{Context, Result};
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use etcetera::BaseStrategy;
use std::fs;
use std::path::PathBuf;

/// A synthetic cube: `u2` red and nir, `u1` scl, chunks of 512 x 512 pixels of one step.
pub(crate) struct Cube {
    /// Where it is.
    pub(crate) path: PathBuf,
    spec: SampleSpec,
}

impl Cube {
    /// The cube of most benchmarks: 48 steps of 2048 x 2048 pixels, 1.0 GB decoded. It is written
    /// first if it is not there.
    pub(crate) fn standard(codec: SampleCodec) -> Result<Cube> {
        Cube::open(SampleSpec {
            steps: 48,
            size: 2048,
            chunk: 512,
            codec,
        })
    }

    fn open(spec: SampleSpec) -> Result<Cube> {
        let base = etcetera::choose_base_strategy()
            .context("cannot tell where the user's cache folder is, set HOME")?;
        let folder = base.cache_dir().join("dasklike/bench");
        let SampleSpec {
            steps, size, codec, ..
        } = spec;
        let path = folder.join(format!("{steps}x{size}x{size}-{}.zarr", codec.name()));
        if !path.exists() {
            eprintln!("writing {}", path.display());
            write_sample(&path, &spec, &mut |_, _| ())?;
        }
        Ok(Cube { path, spec })
    }

    /// Decoded bytes of all its pixels.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        self.spec.bytes()
    }

    /// The cube in words.
    pub(crate) fn describe(&self) -> Result<String> {
        let (decoded, stored) = (self.decoded_bytes(), stored_bytes(&self.path)?);
        let SampleSpec {
            steps,
            size,
            chunk,
            codec,
        } = self.spec;
        Ok(format!(
            "{steps} x {size} x {size}, chunks of 1 x {chunk} x {chunk}, {}; {:.2} GB decoded, {:.2} GB stored ({:.2} times smaller)",
            codec.name(),
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
