//! `dasklike scheduler`, `worker` and `local`: parts of a cluster that run until they are told to end.

use crate::commands::talk::say;
use anyhow::Result;
use dasklike::cluster::{WorkerSettings, memory_bytes, processors, run_scheduler, run_worker};
use dasklike::size::parse_size;
use dasklike::{ClientTls, LocalCluster, LocalClusterConfig, PoolName};
use dasklike_proto_engine::transport::DEFAULT_PORT;
use dasklike_scheduler::http::DEFAULT_PORT as DASHBOARD_PORT;
use dasklike_scheduler::{DashboardConfig, SchedulerConfig};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// How many ports are tried for the dashboard when none was asked for.
const DASHBOARD_TRIES: u16 = 100;

/// Run a scheduler until Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct SchedulerArgs {
    /// The address to listen on for workers, clients and browsers; :: or 0.0.0.0 for all
    #[arg(
        long,
        env = "DASKLIKE_HOST",
        value_name = "ADDRESS",
        default_value = "127.0.0.1"
    )]
    host: IpAddr,
    /// The port for workers and clients; 0 for any free one
    #[arg(long, env = "DASKLIKE_PORT", value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// The dashboard's port [default: the first free one from 8787]
    #[arg(long, env = "DASKLIKE_DASHBOARD_PORT", value_name = "PORT")]
    dashboard_port: Option<u16>,
    /// A name under which browsers may ask for the dashboard, beside localhost; may be repeated, or hold commas
    #[arg(
        long,
        env = "DASKLIKE_DASHBOARD_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    dashboard_host: Vec<String>,
    /// A folder with ca.crt, tls.crt and tls.key: workers and clients must show a certificate of that authority
    /// whose common name begins with worker. or client.
    #[arg(long, env = "DASKLIKE_TLS_DIR", value_name = "FOLDER")]
    tls_dir: Option<PathBuf>,
    /// A folder in which named jobs are kept: after a restart with the same folder they go on
    #[arg(long, env = "DASKLIKE_JOURNAL", value_name = "FOLDER")]
    journal: Option<PathBuf>,
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
        let scheme = if self.tls_dir.is_some() { "tls" } else { "tcp" };
        run_scheduler(
            SchedulerConfig {
                listen,
                tls: self.tls_dir,
                dashboard: Some(dashboard),
                journal: self.journal,
            },
            |scheduler| {
                if let Some(address) = scheduler.address() {
                    say!("scheduler: {scheme}://{address}");
                }
                if let Some(url) = scheduler.dashboard_url() {
                    say!("dashboard: {url}");
                }
            },
        )?;
        Ok(())
    }
}

/// Run a worker until the scheduler or Ctrl-C ends it; what it has started is finished first
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The scheduler, such as tcp://127.0.0.1:8786, or tls:// with a TLS folder
    #[arg(long, env = "DASKLIKE_SCHEDULER", value_name = "URL")]
    scheduler: String,
    /// A name for people, unique in the cluster [default: from the process' number]
    #[arg(long, env = "DASKLIKE_NAME", value_name = "NAME")]
    name: Option<String>,
    /// Whose jobs it runs
    #[arg(long, env = "DASKLIKE_POOL", value_name = "NAME", default_value_t)]
    pool: PoolName,
    /// Threads that compute; 0 for one a processor, of which a container may have fewer than the machine
    #[arg(long, env = "DASKLIKE_SLOTS", value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1024))]
    slots: u32,
    /// The most memory of the process, such as 512MB or 1GiB [default: four fifths of the machine's]
    #[arg(long, env = "DASKLIKE_MEMORY_LIMIT", value_name = "BYTES", value_parser = parse_size)]
    memory_limit: Option<u64>,
    /// A folder with ca.crt, tls.crt (its common name begins with worker.) and tls.key, for a tls:// scheduler; read at
    /// each connect
    #[arg(long, env = "DASKLIKE_TLS_DIR", value_name = "FOLDER")]
    tls_dir: Option<PathBuf>,
    /// The name that the scheduler's certificate carries [default: the host of the address]
    #[arg(
        long,
        env = "DASKLIKE_TLS_SERVER_NAME",
        value_name = "NAME",
        requires = "tls_dir"
    )]
    tls_server_name: Option<String>,
}

impl WorkerArgs {
    pub(crate) fn run(self) -> Result<()> {
        let name = self
            .name
            .unwrap_or_else(|| format!("worker-{}", std::process::id()));
        let tls = self.tls_dir.map(|folder| ClientTls {
            server_name: self.tls_server_name,
            ..ClientTls::folder(folder)
        });
        run_worker(WorkerSettings {
            scheduler: self.scheduler,
            tls,
            name,
            slots: match self.slots {
                0 => processors(),
                slots => slots,
            },
            memory_limit: self.memory_limit.unwrap_or_else(|| memory_bytes() / 5 * 4),
            pool: self.pool,
        })?;
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
            say!("scheduler: {url}");
        }
        if let Some(url) = cluster.dashboard_url() {
            say!("dashboard: {url}");
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
