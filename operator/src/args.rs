//! The command line. Every flag can come from the environment, as the chart sets them.

use clap::{Parser, Subcommand, ValueEnum};

/// Makes of each DaskLikeCluster a running scheduler with workers.
#[derive(Debug, Parser)]
#[command(name = "dasklike-operator", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look after clusters until it is told to stop.
    Run(RunArgs),
    /// Print the definition of the resource DaskLikeCluster as YAML.
    Crd,
    /// Print the version.
    Version,
}

/// How to look after clusters.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Namespaces to look after, separated by commas. None: all.
    #[arg(
        long,
        env = "DASKLIKE_NAMESPACES",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,
    /// The engine's image of clusters whose spec names none.
    #[arg(long, env = "DASKLIKE_DEFAULT_IMAGE", value_name = "IMAGE")]
    pub default_image: String,
    /// Clusters that are worked on at once.
    #[arg(long, env = "DASKLIKE_CONCURRENCY", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// The port of /metrics, /healthz and /readyz.
    #[arg(
        long,
        env = "DASKLIKE_HTTP_PORT",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub http_port: u16,
    /// The namespace of the Lease that makes one of several operators the leader.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub lease_namespace: Option<String>,
    /// The name of that Lease.
    #[arg(
        long,
        env = "DASKLIKE_LEASE_NAME",
        value_name = "NAME",
        default_value = "dasklike-operator"
    )]
    pub lease_name: String,
    /// This operator's name in the Lease. Default: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// How logs are written on stderr.
    #[arg(
        long,
        env = "DASKLIKE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "json"
    )]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
