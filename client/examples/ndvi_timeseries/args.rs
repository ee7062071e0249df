//! The arguments.

use super::input::Input;
use clap::Parser;
use dasklike::PoolName;
use dasklike::size::parse_size;
use std::path::PathBuf;

/// NDVI over the clear pixels of every step of a Sentinel-2 cube: a table, a picture, and a CSV if asked for.
#[derive(Debug, Parser)]
#[command(name = "ndvi_timeseries")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The picture to write
    #[arg(long, value_name = "PNG", default_value = "ndvi_timeseries.png")]
    pub(crate) output: PathBuf,
    /// Write the series here too: time,mean,std,min,max,count
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Workers of the local cluster [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: Option<u32>,
    /// Threads that compute in each worker [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) slots: Option<u32>,
    /// Run the workers as processes of their own
    #[arg(long)]
    pub(crate) processes: bool,
    /// The most memory of a worker, such as 512MB or 1GiB
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) memory_limit: Option<u64>,
    /// Compute on a running cluster instead
    #[arg(long, value_name = "URL_OR_CONTEXT", conflicts_with_all = ["workers", "slots", "processes", "memory_limit"])]
    pub(crate) scheduler: Option<String>,
    /// Whose workers of that cluster compute it
    #[arg(long, value_name = "NAME", requires = "scheduler", default_value_t)]
    pub(crate) pool: PoolName,
    /// A name for the job there: it goes on when this program ends, and the same again waits for its results
    #[arg(long, value_name = "NAME", requires = "scheduler")]
    pub(crate) name: Option<String>,
    /// Keep the dashboard after the end, until Ctrl-C
    #[arg(long)]
    pub(crate) hold: bool,
}
