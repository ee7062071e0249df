//! `dasklike scheduler`, `worker` and `local`: parts of a cluster that run until they are told to end.

use anyhow::{Context, Result};
use dasklike::cluster::{LocalCluster, LocalOptions};
use dasklike::size::parse_size;
use dasklike::start::{DASHBOARD_TRIES, default_memory, interrupted};
use dasklike_proto_engine::transport::{Connector, DEFAULT_PORT};
use dasklike_scheduler::{DashboardConfig, Scheduler, SchedulerConfig};
use dasklike_worker::{Worker, WorkerConfig};
use std::net::{IpAddr, SocketAddr};
use tokio::runtime::Runtime;

/// Where the dashboard is, if nothing is said.
const DASHBOARD_PORT: u16 = 8787;

/// Run a scheduler until Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct SchedulerArgs {
    /// The address to listen on for workers, clients and browsers; 0.0.0.0 for all
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port for workers and clients; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// The dashboard's port [default: the first free one from 8787]
    #[arg(long, value_name = "PORT")]
    dashboard_port: Option<u16>,
    /// A name under which browsers may ask for the dashboard, beside localhost; may be repeated
    #[arg(long, value_name = "NAME")]
    dashboard_host: Vec<String>,
}

impl SchedulerArgs {
    pub(crate) fn run(self) -> Result<()> {
        Runtime::new().context("cannot start the runtime")?.block_on(async {
            let dashboard = DashboardConfig {
                host: self.host,
                port: self.dashboard_port.unwrap_or(DASHBOARD_PORT),
                tries: if self.dashboard_port.is_some() { 1 } else { DASHBOARD_TRIES },
                hosts: self.dashboard_host,
            };
            let listen = Some(SocketAddr::new(self.host, self.port));
            let scheduler = Scheduler::start(SchedulerConfig { listen, dashboard: Some(dashboard) }).await?;
            if let Some(address) = scheduler.address() {
                eprintln!("scheduler at tcp://{address}");
            }
            if let Some(url) = scheduler.dashboard_url() {
                eprintln!("dashboard at {url}");
            }
            interrupted().await;
            scheduler.shutdown().await;
            Ok(())
        })
    }
}

/// Run a worker until the scheduler or Ctrl-C ends it; what it has started is finished first
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The scheduler, such as tcp://127.0.0.1:8786
    #[arg(long, value_name = "URL")]
    scheduler: String,
    /// A name for people, unique in the cluster [default: host and process]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Threads that compute [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: Option<u32>,
    /// The most memory of its tasks, such as 512MB or 1GiB [default: three quarters of the machine's]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory_limit: Option<u64>,
}

impl WorkerArgs {
    pub(crate) fn run(self) -> Result<()> {
        let connector = Connector::tcp(&self.scheduler)?;
        let name = self.name.unwrap_or_else(|| format!("worker-{}", std::process::id()));
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let slots = self.slots.unwrap_or(cores);
        let memory_limit = self.memory_limit.unwrap_or_else(default_memory);
        Runtime::new().context("cannot start the runtime")?.block_on(async {
            let worker = Worker::start(WorkerConfig { name, slots, memory_limit, connector })?;
            tokio::select! {
                ended = worker.ended() => return Ok(ended?),
                () = interrupted() => worker.drain(),
            }
            // A second signal ends it at once.
            tokio::select! {
                ended = worker.ended() => Ok(ended?),
                () = interrupted() => Ok(()),
            }
        })
    }
}
