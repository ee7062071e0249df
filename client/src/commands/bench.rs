//! `dasklike bench`: what the engine itself costs.

use super::bench_graph;

/// Measure the engine: what a task costs, what a chunk of a plan costs
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Graph(bench_graph::GraphArgs),
}

impl BenchArgs {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Graph(args) => args.run(),
        }
    }
}
