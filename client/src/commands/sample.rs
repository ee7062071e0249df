//! `dasklike sample`: writes the synthetic cube.

use anyhow::Result;
use dasklike_graph::explain::human_bytes;
use dasklike_storage::sample::{SampleCodec, SampleSpec, write_sample};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Write a synthetic Sentinel-2 cube as Zarr v3: red and nir (u2), scl (u1). The same arguments give the same bytes
#[derive(Debug, clap::Args)]
pub(crate) struct SampleArgs {
    /// The store to write; must not exist
    path: PathBuf,
    /// Steps in time, five days apart
    #[arg(long, value_name = "N", default_value_t = 48)]
    steps: u64,
    /// Pixels along y and along x
    #[arg(long, value_name = "N", default_value_t = 2048)]
    size: u64,
    /// Pixels of a chunk along y and along x; a chunk has one step
    #[arg(long, value_name = "N", default_value_t = 512)]
    chunk: u64,
    /// blosc-zstd, zstd, zlib, gzip or none
    #[arg(long, value_name = "CODEC", default_value = "blosc-zstd")]
    codec: SampleCodec,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

impl SampleArgs {
    pub(crate) fn run(self) -> Result<()> {
        let spec = SampleSpec {
            steps: self.steps,
            size: self.size,
            chunk: self.chunk,
            codec: self.codec,
        };
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
            "{bar:40} {pos}/{len} tiles, {eta} left",
        )?);
        let started = Instant::now();
        let written = write_sample(&self.path, &spec, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        written?;
        let (path, seconds) = (
            self.path.display().to_string(),
            started.elapsed().as_secs_f64(),
        );
        if self.json {
            return super::print_json(&json!({
                "path": path, "steps": spec.steps, "size": spec.size, "chunk": spec.chunk,
                "codec": self.codec.name(), "decoded_bytes": spec.bytes(), "seconds": seconds,
            }));
        }
        super::print(&format!(
            "{path}: {} x {} x {}, chunks of 1 x {} x {}, {}, {} decoded, synthetic\n",
            spec.steps,
            spec.size,
            spec.size,
            spec.chunk,
            spec.chunk,
            self.codec.name(),
            human_bytes(spec.bytes()),
        ))
    }
}
