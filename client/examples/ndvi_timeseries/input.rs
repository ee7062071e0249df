//! What to compute on: the store, its bands, the mask, the part in time.

use super::pipeline::Bands;
use anyhow::{Context, bail, ensure};
use dasklike::array::{ArrayError, DataArray, Selector, time};
use dasklike::{Dataset, OpenOptions};
use dasklike_graph::plan::Dim;
use std::str::FromStr;

/// The store and what to take of it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Input {
    /// Zarr store: a path, or a file://, http(s):// or s3:// URL [default: a synthetic cube]
    #[arg(long, value_name = "PATH_OR_URL")]
    pub(crate) input: Option<String>,
    /// The red band
    #[arg(long, value_name = "NAME", default_value = "red")]
    pub(crate) red: String,
    /// The near-infrared band
    #[arg(long, value_name = "NAME", default_value = "nir")]
    pub(crate) nir: String,
    /// The array of scene classes
    #[arg(long, value_name = "NAME", default_value = "scl")]
    pub(crate) mask: String,
    /// The classes whose pixels count
    #[arg(
        long,
        value_name = "CLASSES",
        default_value = "4,5,6,7",
        value_delimiter = ','
    )]
    pub(crate) keep: Vec<i64>,
    /// Take every pixel that has both bands
    #[arg(long, conflicts_with_all = ["mask", "keep"])]
    pub(crate) no_mask: bool,
    /// Factor of the bands, for stores without CF attributes
    #[arg(long, value_name = "FACTOR")]
    pub(crate) scale: Option<f64>,
    /// Offset of the bands, added after the factor
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub(crate) offset: Option<f64>,
    /// The steps to take, both ends included, such as 2019-03..2019-06; either end may be left out
    #[arg(long, value_name = "A..B")]
    pub(crate) time: Option<TimeRange>,
    /// Tile sizes in the order of the bands' dims, or auto
    #[arg(long, value_name = "auto|T,Y,X", default_value = "auto")]
    pub(crate) chunks: Chunks,
}

impl Input {
    /// The names that the pipeline takes.
    pub(crate) fn bands(&self) -> Bands {
        let mask = (!self.no_mask).then(|| (self.mask.clone(), self.keep.clone()));
        Bands {
            red: self.red.clone(),
            nir: self.nir.clone(),
            mask,
        }
    }

    /// Opens the store at `location` and takes the steps.
    pub(crate) fn open(&self, location: &str) -> anyhow::Result<Dataset> {
        let mut options = OpenOptions::default();
        if self.scale.is_some() || self.offset.is_some() {
            for band in [&self.red, &self.nir] {
                options = options.scale_offset(band, self.scale, self.offset);
            }
        }
        let mut cube = Dataset::open(location, &options)?;
        if !self.no_mask
            && let Err(error @ ArrayError::UnknownVariable { .. }) = cube.get(&self.mask)
        {
            bail!("{error}; name the mask with --mask, or take every pixel with --no-mask");
        }
        let red = cube.get(&self.red)?;
        let Some(times) = red.coord("time") else {
            if let Err(error @ ArrayError::Unreadable { .. }) = cube.get("time") {
                bail!(error);
            }
            bail!(
                "{:?} in {location} has the dims {}: the series needs a dim \"time\" with its coordinate",
                self.red,
                red.dims().join(", "),
            );
        };
        times.times("time").with_context(|| location.to_owned())?;
        let mask = (!self.no_mask).then_some(&self.mask);
        for other in [Some(&self.nir), mask].into_iter().flatten() {
            ensure!(
                has_its_pixels(cube.get(other)?, red),
                "{other:?} in {location} has the dims ({}), {:?} has ({}): expected the same, with time or without",
                cube.get(other)?.dims().join(", "),
                self.red,
                red.dims().join(", "),
            );
        }
        if let Some(range) = &self.time {
            cube = cube.sel("time", range.selector())?;
            ensure!(
                cube.get(&self.red)?.shape().iter().all(|n| *n > 0),
                "no step lies in --time {}",
                range.text
            );
        }
        Ok(cube)
    }

    /// The tile sizes, by the dims of the red band.
    pub(crate) fn tiles(&self, red: &DataArray) -> anyhow::Result<Vec<(Dim, u64)>> {
        let Chunks::Sizes(sizes) = &self.chunks else {
            return Ok(Vec::new());
        };
        let dims = red.dims();
        ensure!(
            sizes.len() == dims.len(),
            "--chunks has {} sizes, {:?} has {} dims: {}",
            sizes.len(),
            self.red,
            dims.len(),
            dims.join(", "),
        );
        Ok(dims.iter().cloned().zip(sizes.iter().copied()).collect())
    }
}

/// Whether an array has an element for each pixel of a band, and no others.
fn has_its_pixels(array: &DataArray, band: &DataArray) -> bool {
    let (own, wanted) = (array.dims(), band.dims());
    own.iter().all(|d| wanted.contains(d))
        && wanted.iter().all(|d| own.contains(d) || &**d == "time")
}

/// `--time`: labels of both ends, if given.
#[derive(Clone, Debug)]
pub(crate) struct TimeRange {
    text: String,
    from: Option<String>,
    to: Option<String>,
}

impl TimeRange {
    fn selector(&self) -> Selector {
        let label = |end: &Option<String>| end.clone().map(Into::into);
        Selector::Between(label(&self.from), label(&self.to))
    }
}

impl FromStr for TimeRange {
    type Err = String;
    fn from_str(text: &str) -> Result<TimeRange, String> {
        let (from, to) = text
            .split_once("..")
            .ok_or("expected two times with .. between them, such as 2019-03..2019-06")?;
        let end = |text: &str| {
            let text = text.trim_start_matches('=').trim();
            if text.is_empty() {
                return Ok(None);
            }
            time::parse_period(text)
                .map(|_| Some(text.to_owned()))
                .map_err(|e| e.to_string())
        };
        Ok(TimeRange {
            text: text.to_owned(),
            from: end(from)?,
            to: end(to)?,
        })
    }
}

/// `--chunks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    Auto,
    Sizes(Vec<u64>),
}

impl FromStr for Chunks {
    type Err = String;
    fn from_str(text: &str) -> Result<Chunks, String> {
        if text == "auto" {
            return Ok(Chunks::Auto);
        }
        let size = |part: &str| part.trim().parse::<u64>().ok().filter(|n| *n > 0);
        let sizes: Option<Vec<u64>> = text.split(',').map(size).collect();
        sizes
            .map(Chunks::Sizes)
            .ok_or_else(|| "expected auto, or sizes like 1,512,512".to_owned())
    }
}
