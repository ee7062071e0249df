//! Where it is computed: a cluster of this program's own, or one that runs already.

use super::args::Args;
use anyhow::Result;
use dasklike::cluster::processors;
use dasklike::{
    Client, ComputeOptions, Computed, DataArray, LocalCluster, LocalClusterConfig, PoolName,
    compute_with,
};
use dasklike_graph::explain::human_bytes;
use dasklike_graph::plan::Dim;
use indicatif::{ProgressBar, ProgressStyle};

/// The cluster.
pub(crate) struct Engine {
    client: Client,
    dashboard: Option<String>,
    pool: PoolName,
    name: Option<String>,
    /// Ends when it is dropped.
    _local: Option<LocalCluster>,
}

impl Engine {
    /// Starts a local cluster, or connects to the one that was named, and says where its dashboard is.
    pub(crate) fn start(args: &Args) -> Result<Engine> {
        let engine = match &args.scheduler {
            Some(scheduler) => {
                let client = Client::connect(scheduler)?;
                Engine {
                    dashboard: client.cluster()?.dashboard_url,
                    client,
                    pool: args.pool.clone(),
                    name: args.name.clone(),
                    _local: None,
                }
            }
            None => {
                let cluster = LocalCluster::start(&config(args))?;
                Engine {
                    client: cluster.client(),
                    dashboard: cluster.dashboard_url(),
                    pool: PoolName::default(),
                    name: None,
                    _local: Some(cluster),
                }
            }
        };
        if let Some(url) = &engine.dashboard {
            eprintln!("dashboard: {url}");
        }
        Ok(engine)
    }

    /// The dashboard's address.
    pub(crate) fn dashboard(&self) -> Option<&str> {
        self.dashboard.as_deref()
    }

    /// Computes arrays, with a bar of tasks on stderr.
    pub(crate) fn compute(
        &self,
        arrays: &[DataArray],
        chunks: Vec<(Dim, u64)>,
    ) -> Result<Vec<Computed>> {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks, {msg}, {elapsed}")?;
        let bar = ProgressBar::new(0).with_style(style);
        let options = ComputeOptions {
            chunks,
            pool: self.pool.clone(),
            name: self.name.clone(),
            ..ComputeOptions::default()
        };
        let computed = compute_with(&self.client, arrays, &options, |progress| {
            bar.set_length(progress.tasks);
            bar.set_position(progress.tasks_done);
            bar.set_message(human_bytes(progress.decoded_bytes));
        });
        bar.finish_and_clear();
        Ok(computed?)
    }
}

fn config(args: &Args) -> LocalClusterConfig {
    let workers = args.workers.unwrap_or_else(processors);
    LocalClusterConfig {
        workers,
        slots: args.slots.unwrap_or(1),
        memory_limit: args
            .memory_limit
            .unwrap_or_else(|| LocalClusterConfig::memory_share(workers)),
        processes: args.processes,
        ..LocalClusterConfig::default()
    }
}
