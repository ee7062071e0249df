//! `dasklike bench`: what the engine itself costs.

use super::{bench_graph, bench_overhead};

/// Measure the engine: what a task costs, what a chunk of a plan costs
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Overhead(bench_overhead::OverheadArgs),
    Graph(bench_graph::GraphArgs),
}

impl BenchArgs {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Overhead(args) => args.run(),
            What::Graph(args) => args.run(),
        }
    }
}
