//! `dasklike workers`: who computes, and how one of them goes without losing work.

use super::{print, print_json};
use crate::commands::talk::say;
use anyhow::Result;
use dasklike::Client;
use dasklike_graph::explain::human_bytes;
use serde_json::json;
use std::time::Duration;

/// List a cluster's workers, or have one go
#[derive(Debug, clap::Args)]
pub(crate) struct WorkersArgs {
    #[command(subcommand)]
    command: WorkersCommand,
}

#[derive(Debug, clap::Subcommand)]
enum WorkersCommand {
    List(ListArgs),
    Drain(DrainArgs),
}

/// Print the connected workers
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Have workers take no new work, finish what they run, and leave
///
/// On Kubernetes the operator replaces a worker that left as long as it is wanted.
#[derive(Debug, clap::Args)]
struct DrainArgs {
    #[command(flatten)]
    cluster: ClusterArg,
    /// The workers' names, as `dasklike workers list` prints them
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Give a worker up after so many seconds, and compute elsewhere what it still runs; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    deadline: u64,
}

#[derive(Debug, clap::Args)]
struct ClusterArg {
    /// The scheduler, such as tcp://127.0.0.1:8786, or a context's name
    #[arg(long, env = "DASKLIKE_SCHEDULER", value_name = "URL_OR_CONTEXT")]
    scheduler: String,
}

impl WorkersArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            WorkersCommand::List(args) => args.run(),
            WorkersCommand::Drain(args) => args.run(),
        }
    }
}

impl ListArgs {
    fn run(self) -> Result<()> {
        let mut workers = Client::connect(&self.cluster.scheduler)?.cluster()?.workers;
        workers.sort_by(|a, b| a.name.cmp(&b.name));
        if self.json {
            let workers = workers.iter().map(|w| {
                json!({"name": w.name, "pool": w.pool, "slots": w.slots, "memory_limit": w.memory_limit, "draining": w.draining})
            });
            return print_json(&workers.collect());
        }
        let lines = workers.iter().map(|w| {
            let state = if w.draining { "draining" } else { "connected" };
            let memory = human_bytes(w.memory_limit);
            format!(
                "{}\t{}\t{} slots\t{memory}\t{state}\n",
                w.name, w.pool, w.slots
            )
        });
        print(&lines.collect::<String>())
    }
}

impl DrainArgs {
    fn run(self) -> Result<()> {
        let client = Client::connect(&self.cluster.scheduler)?;
        let deadline = (self.deadline > 0).then(|| Duration::from_secs(self.deadline));
        for name in &self.names {
            client.drain_worker(name, deadline)?;
            say!("{name} drains: it finishes what it runs and leaves");
        }
        Ok(())
    }
}
