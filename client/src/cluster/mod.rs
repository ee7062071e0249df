//! Clusters: on this machine ([`LocalCluster`]), or one's own scheduler and workers as long as a process lives.

mod background;
mod local;
mod machine;
mod process;
mod serve;

pub(crate) use background::Background;
pub use local::{ClusterError, LocalCluster, LocalClusterConfig};
pub use machine::{memory_bytes, processors};
pub use process::worker_main_if_requested;
pub use serve::{ServeError, WorkerSettings, run_scheduler, run_worker};
