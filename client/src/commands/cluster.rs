//! `dasklike scheduler`, `worker` and `local`: parts of a cluster that run until they are told to end.

use anyhow::Result;
use dasklike::cluster::{memory_bytes, processors, run_scheduler, run_worker};
use dasklike::size::parse_size;
use dasklike::{LocalCluster, LocalClusterConfig};
use dasklike_proto_engine::transport::DEFAULT_PORT;
use dasklike_scheduler::http::DEFAULT_PORT as DASHBOARD_PORT;
use dasklike_scheduler::{DashboardConfig, SchedulerConfig};
use std::net::{IpAddr, SocketAddr};

/// How many ports are tried for the dashboard when none was asked for.
const DASHBOARD_TRIES: u16 = 100;

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
        let dashboard = DashboardConfig {
            host: self.host,
            port: self.dashboard_port.unwrap_or(DASHBOARD_PORT),
            tries: if self.dashboard_port.is_some() {
                1
            } else {
                DASHBOARD_TRIES
            },
            hosts: self.dashboard_host,
        };
        let listen = Some(SocketAddr::new(self.host, self.port));
        run_scheduler(
            SchedulerConfig {
                listen,
                dashboard: Some(dashboard),
            },
            |scheduler| {
                if let Some(address) = scheduler.address() {
                    eprintln!("scheduler: tcp://{address}");
                }
                if let Some(url) = scheduler.dashboard_url() {
                    eprintln!("dashboard: {url}");
                }
            },
        )?;
        Ok(())
    }
}

/// Run a worker until the scheduler or Ctrl-C ends it; what it has started is finished first
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The scheduler, such as tcp://127.0.0.1:8786
    #[arg(long, value_name = "URL")]
    scheduler: String,
    /// A name for people, unique in the cluster [default: from the process' number]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Threads that compute [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: Option<u32>,
    /// The most memory of the process, such as 512MB or 1GiB [default: four fifths of the machine's]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory_limit: Option<u64>,
}

impl WorkerArgs {
    pub(crate) fn run(self) -> Result<()> {
        let name = self
            .name
            .unwrap_or_else(|| format!("worker-{}", std::process::id()));
        let slots = self.slots.unwrap_or_else(processors);
        let memory = self.memory_limit.unwrap_or_else(|| memory_bytes() / 5 * 4);
        run_worker(&self.scheduler, name, slots, memory)?;
        Ok(())
    }
}

/// Run a scheduler and workers on this machine until Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct LocalArgs {
    /// Worker processes [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    /// Threads that compute in each worker
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: u32,
    /// The most memory of a worker, such as 512MB or 1GiB [default: its share of four fifths of the machine's]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory_limit: Option<u64>,
}

impl LocalArgs {
    pub(crate) fn run(self) -> Result<()> {
        let workers = self.workers.unwrap_or_else(processors);
        let cluster = LocalCluster::start(&LocalClusterConfig {
            workers,
            slots: self.slots,
            memory_limit: self
                .memory_limit
                .unwrap_or_else(|| LocalClusterConfig::memory_share(workers)),
            processes: true,
            ..LocalClusterConfig::default()
        })?;
        if let Some(url) = cluster.scheduler_url() {
            eprintln!("scheduler: {url}");
        }
        if let Some(url) = cluster.dashboard_url() {
            eprintln!("dashboard: {url}");
        }
        let (end, ended) = std::sync::mpsc::channel();
        dasklike::start::on_interrupt(move || {
            // The other side waits for as long as the process lives.
            let _ = end.send(());
        });
        // An error means that signals cannot be had, so the system ends this process.
        if ended.recv().is_err() {
            std::thread::park();
        }
        Ok(())
    }
}
