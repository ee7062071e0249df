//! The subcommands, a file each.

mod bench;
mod bench_graph;
mod bench_overhead;
mod cluster;
mod explain;
#[cfg(feature = "kube")]
mod kubernetes;
mod sample;
mod scaling;
pub(crate) mod talk;
mod workers;

use std::io::Write;

/// Lazy chunked n-d arrays, computed on all cores of a laptop or on a cluster.
#[derive(Debug, clap::Parser)]
#[command(name = "dasklike", version)]
pub(crate) enum Command {
    Scheduler(cluster::SchedulerArgs),
    Worker(cluster::WorkerArgs),
    Local(cluster::LocalArgs),
    Sample(sample::SampleArgs),
    Explain(Box<explain::ExplainArgs>),
    Bench(bench::BenchArgs),
    Workers(workers::WorkersArgs),
    Scaling(Box<scaling::ScalingArgs>),
    #[cfg(feature = "kube")]
    Connect(kubernetes::ConnectArgs),
    #[cfg(feature = "kube")]
    Logs(kubernetes::LogsArgs),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Scheduler(args) => args.run(),
            Command::Worker(args) => args.run(),
            Command::Local(args) => args.run(),
            Command::Sample(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Workers(args) => args.run(),
            Command::Scaling(args) => args.run(),
            #[cfg(feature = "kube")]
            Command::Connect(args) => args.run(),
            #[cfg(feature = "kube")]
            Command::Logs(args) => args.run(),
        }
    }
}

/// Writes data to stdout. A reader that went away, such as `head`, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes a value as JSON on one line.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value}\n"))
}
