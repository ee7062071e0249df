//! Lazy chunked n-d arrays, computed on all cores of a laptop or on a cluster.
//!
//! ```no_run
//! use dasklike::{Dataset, OpenOptions};
//!
//! let ds = Dataset::open("cube.zarr", &OpenOptions::default())?;
//! let (red, nir) = (&ds["red"], &ds["nir"]);
//! let ndvi = (nir - red) / (nir + red);
//! let clear = ndvi.where_(ds["scl"].isin([4, 5, 6, 7]));
//! let monthly = clear.groupby("time.month")?.mean("time");
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! Nothing is read before [`compute`]: an array is an expression, and what travels to the scheduler is a plan
//! whose size does not depend on the number of chunks.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod array;
pub mod cluster;
pub mod compute;
pub mod context;
pub mod size;
pub mod start;
pub mod submit;

pub use array::{Computed, DataArray, Dataset, OpenError, OpenOptions};
pub use cluster::{LocalCluster, LocalClusterConfig, worker_main_if_requested};
pub use compute::{Error, compute, compute_with};
pub use context::{Context, ContextName};
pub use dasklike_graph::pool::PoolName;
pub use dasklike_proto_engine::transport::ClientTls;
pub use submit::{CancelToken, Client, ComputeError, ComputeOptions, Progress};
