//! `dasklike explain`: what the example's pipeline will do on an input, before it runs.

#[path = "../../examples/ndvi_timeseries/input.rs"]
mod input;
#[path = "../../examples/ndvi_timeseries/pipeline.rs"]
mod pipeline;

use anyhow::{Context, Result};
use dasklike::LocalClusterConfig;
use dasklike::array::plan;
use dasklike::size::parse_size;
use dasklike_graph::explain::{explain, human_bytes};
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::picture::picture;
use std::path::PathBuf;

/// Explain the NDVI series of an input: stages, tasks, bytes to read, memory, what was pushed down
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    input: input::Input,
    /// Threads that compute in each worker
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: u32,
    /// The most memory of a worker, such as 512MB or 1GiB [default: what a local cluster gives]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory_limit: Option<u64>,
    /// Write the plan as a picture here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl ExplainArgs {
    pub(crate) fn run(self) -> Result<()> {
        let location = self
            .input
            .input
            .as_deref()
            .context("give the store to explain with --input")?;
        let cube = self.input.open(location)?;
        let results = pipeline::ndvi_series(&cube, &self.input.bands());
        let plan = plan(&results)?;
        let chunks = self.input.tiles(cube.get(&self.input.red)?)?;
        let memory = self
            .memory_limit
            .unwrap_or(LocalClusterConfig::default().memory_limit);
        let budget = Budget {
            task_bytes: memory / u64::from(self.slots),
            chunks,
        };
        let explanation = explain(&plan, &lower(&plan, &budget)?);
        if let Some(path) = &self.svg {
            let svg = picture(&explanation).to_svg();
            std::fs::write(path, svg)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let worker = explanation.peak_task_bytes * u64::from(self.slots);
        if self.json {
            let mut value = serde_json::to_value(&explanation)?;
            value["peak_worker_bytes"] = worker.into();
            return super::print_json(&value);
        }
        let slots = match self.slots {
            1 => "1 slot".to_owned(),
            n => format!("{n} slots"),
        };
        let worker = human_bytes(worker);
        super::print(&format!(
            "{explanation}a worker of {slots} holds {worker} at most\n"
        ))
    }
}
