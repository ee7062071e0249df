//! The cubes the benchmarks read, written once into the user's cache folder.

use crate::bare;
use anyhow::{Context, Result};
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use etcetera::BaseStrategy;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zarrs::array::{ArrayBuilder, data_type};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;

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

    /// Twice as many steps, for a worker whose limit is a part of the cube.
    pub(crate) fn long() -> Result<Cube> {
        Cube::open(SampleSpec {
            steps: 96,
            size: 2048,
            chunk: 512,
            codec: SampleCodec::BloscZstd,
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

    /// A cube beside this one with red and nir as `float32` reflectances, uncompressed; it is
    /// written first if it is not there.
    pub(crate) fn as_float(&self) -> Result<PathBuf> {
        let path = self.path.with_extension("f32.zarr");
        if path.exists() {
            return Ok(path);
        }
        eprintln!("writing {}", path.display());
        let unfinished = path.with_extension("tmp");
        write_floats(&self.path, &unfinished)?;
        fs::rename(&unfinished, &path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
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

/// Copies red and nir of the cube at `from` to a group at `to`, as `float32`.
fn write_floats(from: &Path, to: &Path) -> Result<()> {
    let bands = bare::open(from)?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let store = Arc::new(
        FilesystemStore::new(to).with_context(|| format!("cannot open {}", to.display()))?,
    );
    GroupBuilder::new()
        .build(store.clone(), "/")?
        .store_metadata()?;
    for (name, band) in ["red", "nir"].iter().zip(&bands) {
        let chunk = band.chunk_shape(&vec![0; band.shape().len()])?;
        let chunk: Vec<u64> = chunk.iter().map(|size| size.get()).collect();
        let floats = ArrayBuilder::new(band.shape().to_vec(), chunk, data_type::float32(), 0.0f32)
            .dimension_names(["time", "y", "x"].into())
            .build(store.clone(), &format!("/{name}"))?;
        floats.store_metadata()?;
        for (_, indices) in bare::chunks(band.chunk_grid_shape(), 1) {
            let numbers: Vec<u16> = band.retrieve_chunk(&indices)?;
            let reflectances: Vec<f32> = numbers
                .into_iter()
                .map(|number| f32::from(number) * 1e-4)
                .collect();
            floats.store_chunk(&indices, &reflectances)?;
        }
    }
    Ok(())
}

/// The bytes of all files below a folder.
fn stored_bytes(folder: &Path) -> Result<u64> {
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
