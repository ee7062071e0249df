//! Computing lazy arrays on a cluster.

use crate::array::{ArrayError, Computed, DataArray, ValuesError, plan};
use crate::submit::{Client, ComputeError, ComputeOptions, Progress};

/// Why arrays were not computed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    /// An operation on the way to an array failed.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// The cluster did not compute it.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// What arrived does not fill an array.
    #[error(transparent)]
    Values(#[from] ValuesError),
}

/// Computes arrays together: what they share is read once. The results come in the arrays' order. Blocks until
/// all of them are there; not to be called from asynchronous code.
pub fn compute<'a>(
    client: &Client,
    arrays: impl IntoIterator<Item = &'a DataArray>,
) -> Result<Vec<Computed>, Error> {
    compute_with(client, arrays, &ComputeOptions::default(), |_| ())
}

/// As [`compute`], with tile sizes, a name or a cancel token, and with progress as it comes.
pub fn compute_with<'a>(
    client: &Client,
    arrays: impl IntoIterator<Item = &'a DataArray>,
    options: &ComputeOptions,
    on_progress: impl FnMut(Progress),
) -> Result<Vec<Computed>, Error> {
    let arrays: Vec<&DataArray> = arrays.into_iter().collect();
    let plan = plan(arrays.iter().copied())?;
    let outputs = client.compute(&plan, options, on_progress)?;
    let results = arrays
        .into_iter()
        .zip(outputs)
        .map(|(array, output)| Computed::new(array, output.bytes));
    results.collect()
}
