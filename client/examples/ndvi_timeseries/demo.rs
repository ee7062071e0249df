//! The synthetic cube that the example computes on when it is given none.

use anyhow::Context;
use dasklike_storage::sample::{SampleCodec, SampleError, SampleSpec, write_sample};
use etcetera::BaseStrategy;
use indicatif::{ProgressBar, ProgressStyle};

const DEMO: SampleSpec = SampleSpec {
    steps: 48,
    size: 1024,
    chunk: 256,
    codec: SampleCodec::BloscZstd,
};

/// The cube's path in the user's cache folder; writes it if it is not there.
pub(crate) fn synthetic_cube() -> anyhow::Result<String> {
    let cache = etcetera::choose_base_strategy()
        .context("there is no home folder to keep the synthetic cube in")?
        .cache_dir();
    // The number changes when what the same spec gives changes.
    let path = cache.join("dasklike").join("synthetic-1.zarr");
    let shown = path
        .to_str()
        .with_context(|| format!("{} is not valid unicode", path.display()))?
        .to_owned();
    if path.exists() {
        eprintln!("no --input: computing on the synthetic cube {shown}");
        return Ok(shown);
    }
    eprintln!("no --input: writing a synthetic cube to {shown}, once");
    let bar =
        ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} tiles")?);
    let written = write_sample(&path, &DEMO, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    match written {
        // Another run was quicker.
        Err(SampleError::Exists { .. }) => Ok(shown),
        written => written.map(|()| shown).map_err(Into::into),
    }
}
