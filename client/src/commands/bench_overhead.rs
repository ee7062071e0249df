//! `dasklike bench overhead`: what a task costs when it computes next to nothing.

use anyhow::Result;
use dasklike::array::plan;
use dasklike::{Client, ComputeOptions, DataArray, LocalCluster, LocalClusterConfig};
use dasklike_graph::dtype::DType;
use serde_json::json;
use std::time::Instant;

/// Measure a task's overhead: the count of an array of one-element chunks, on a local cluster
#[derive(Debug, clap::Args)]
pub(crate) struct OverheadArgs {
    /// Tasks
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    tasks: u64,
    /// Workers, of one slot each
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl OverheadArgs {
    pub(crate) fn run(self) -> Result<()> {
        let config = LocalClusterConfig {
            workers: self.workers,
            dashboard: None,
            ..LocalClusterConfig::default()
        };
        let cluster = LocalCluster::start(&config)?;
        let client = cluster.client();
        // The first job finds connections and threads asleep.
        seconds(&client, 1_000, None)?;
        let single = seconds(&client, self.tasks, Some(1))?;
        let ranged = seconds(&client, self.tasks, None)?;
        let each = |seconds: f64| seconds * 1e6 / self.tasks as f64;
        if self.json {
            return super::print_json(&json!({
                "tasks": self.tasks, "seconds": single, "us_per_task": each(single),
                "us_per_task_ranged": each(ranged), "workers": self.workers,
            }));
        }
        super::print(&format!(
            "{} tasks in {single:.3} s: {:.2} µs a task assigned alone, {:.2} µs in ranges\n",
            self.tasks,
            each(single),
            each(ranged),
        ))
    }
}

/// How long so many tasks take, from the submission to the result.
fn seconds(client: &Client, tasks: u64, max_range: Option<u32>) -> Result<f64> {
    let count = DataArray::ones(DType::F64, &[("chunk", tasks, 1)]).count(..);
    let plan = plan([&count])?;
    // Without this, neighbouring tiles of one element would be joined.
    let options = ComputeOptions {
        chunks: vec![("chunk".into(), 1)],
        max_range,
        ..ComputeOptions::default()
    };
    let started = Instant::now();
    client.compute(&plan, &options, |_| ())?;
    Ok(started.elapsed().as_secs_f64())
}
