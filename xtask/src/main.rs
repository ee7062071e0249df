//! The project's own commands: `cargo xtask test`, `cluster`, `images`, `bench`, `codegen` and `docs`.

mod bench;
mod checks;
mod codegen;
mod debian;
mod docs;
mod freshness;
mod images;
mod kubernetes;
mod places;
mod run;
mod venv;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check everything that CI checks, after installing what the tests need
    Test {
        /// Only this check (may be given more than once)
        #[arg(long, value_name = "NAME")]
        only: Vec<checks::Check>,
    },
    /// Start or end a real Kubernetes of one node on this machine
    Cluster {
        #[command(subcommand)]
        command: kubernetes::ClusterCommand,
    },
    /// Build the container images and load them into the cluster
    Images {
        /// Which ones; all of them when none is named
        names: Vec<images::Image>,
        /// Load them into this cluster of kind instead
        #[arg(long, value_name = "NAME")]
        kind: Option<String>,
    },
    /// Run benchmarks against their peers and keep the output in bench/results
    Bench {
        /// Which ones; all of them when none is named
        names: Vec<bench::Bench>,
    },
    /// Write proto/*/src/generated from the .proto files
    Codegen {
        /// Write nothing; fail if what is committed differs
        #[arg(long)]
        check: bool,
    },
    /// Write docs/crd.md and the chart's copy of the resources from crds/
    Docs {
        /// Write nothing; fail if what is there differs
        #[arg(long)]
        check: bool,
    },
}

fn main() -> std::process::ExitCode {
    let outcome = match Args::parse().command {
        Command::Test { only } => checks::run_all(&only),
        Command::Cluster { command } => kubernetes::run(command),
        Command::Images { names, kind } => images::build_and_load(&names, kind.as_deref()),
        Command::Bench { names } => bench::run_all(&names),
        Command::Codegen { check } => codegen::run(check),
        Command::Docs { check } => docs::run(check),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("{error:#}"));
            std::process::ExitCode::FAILURE
        }
    }
}
