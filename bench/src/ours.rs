//! Our side: a local cluster of two workers, started once, and the pipelines it computes.

use anyhow::{Context, Result};
use dasklike::array::DecodeFloat;
use dasklike::{
    Client, Computed, DataArray, Dataset, LocalCluster, LocalClusterConfig, OpenOptions, compute,
};

/// Scene classes of clear pixels.
pub(crate) const KEEP: [i64; 4] = [4, 5, 6, 7];

/// A running cluster.
pub(crate) struct Ours {
    client: Client,
    _cluster: LocalCluster,
}

impl Ours {
    /// Two workers of one slot each, threads of this process.
    pub(crate) fn start() -> Result<Ours> {
        let config = LocalClusterConfig {
            workers: 2,
            dashboard: None,
            ..LocalClusterConfig::default()
        };
        let cluster = LocalCluster::start(&config).context("cannot start the local cluster")?;
        Ok(Ours {
            client: cluster.client(),
            _cluster: cluster,
        })
    }

    /// Computes `arrays` together.
    pub(crate) fn compute(&self, arrays: &[DataArray]) -> Result<Vec<Computed>> {
        Ok(compute(&self.client, arrays)?)
    }

    /// Computes `arrays` together; gives the first's values.
    pub(crate) fn first_of(&self, arrays: &[DataArray]) -> Result<Vec<f64>> {
        let computed = self.compute(arrays)?;
        let first = computed.first().context("nothing was computed")?;
        Ok(first.values_f64())
    }
}

/// Opens a cube with its bands decoded to `float`.
pub(crate) fn open(location: &str, float: DecodeFloat) -> Result<Dataset> {
    Dataset::open(location, &OpenOptions::default().decode_float(float))
        .with_context(|| format!("cannot open {location}"))
}

/// NDVI of the clear pixels.
pub(crate) fn ndvi(cube: &Dataset) -> DataArray {
    let (red, nir) = (&cube["red"], &cube["nir"]);
    let sum = nir + red;
    let clear = sum.ne(0) & cube["scl"].isin(KEEP);
    ((nir - red) / sum).where_(clear)
}

/// Mean and count of each step.
pub(crate) fn mean_and_count(array: &DataArray) -> [DataArray; 2] {
    let pixels = array.dims_except("time");
    [array.mean(&pixels), array.count(&pixels)]
}

/// All five statistics of each step, the mean first.
pub(crate) fn five_statistics(array: &DataArray) -> [DataArray; 5] {
    let pixels = array.dims_except("time");
    [
        array.mean(&pixels),
        array.std(&pixels, 0),
        array.min(&pixels),
        array.max(&pixels),
        array.count(&pixels),
    ]
}
