//! A cluster on this machine: a scheduler in this process, and workers as threads of it or as processes.

use super::Background;
use super::machine::{memory_bytes, processors};
use super::process::{ProcessError, WorkerProcess, WorkerSpec};
use crate::submit::{Client, ComputeError};
use dasklike_graph::pool::PoolName;
use dasklike_scheduler::{
    DashboardConfig, Scheduler, SchedulerConfig, SchedulerHandle, StartError,
};
use dasklike_worker::{Worker, WorkerConfig, WorkerError, WorkerHandle};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long workers may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the scheduler is asked whether they have.
const POLL: Duration = Duration::from_millis(5);
/// If the dashboard's port is taken, so many are tried in all.
const DASHBOARD_TRIES: u16 = 100;

/// What a local cluster is made of.
#[derive(Clone, Debug)]
pub struct LocalClusterConfig {
    /// Workers.
    pub workers: u32,
    /// Threads that compute, in each worker.
    pub slots: u32,
    /// The most bytes of memory that a worker may use.
    pub memory_limit: u64,
    /// Workers are processes of their own, not threads of this one.
    pub processes: bool,
    /// The dashboard's port, or the next free one; `None` for no dashboard.
    pub dashboard: Option<u16>,
}

impl Default for LocalClusterConfig {
    /// One worker with one slot for each processor, and four fifths of the memory shared among them.
    fn default() -> LocalClusterConfig {
        let workers = processors();
        LocalClusterConfig {
            workers,
            slots: 1,
            memory_limit: LocalClusterConfig::memory_share(workers),
            processes: false,
            dashboard: Some(dasklike_scheduler::http::DEFAULT_PORT),
        }
    }
}

impl LocalClusterConfig {
    /// The memory limit of each of so many workers: four fifths of the machine's, shared.
    pub fn memory_share(workers: u32) -> u64 {
        memory_bytes() / 5 * 4 / u64::from(workers.max(1))
    }
}

/// Why a local cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A cluster without workers computes nothing.
    #[error("a local cluster needs at least one worker with one slot, not {workers} with {slots}")]
    Empty {
        /// The workers asked for.
        workers: u32,
        /// The slots asked for.
        slots: u32,
    },
    /// The system gives no threads.
    #[error("cannot start the threads of the local cluster: {0}")]
    Threads(std::io::Error),
    /// The scheduler does not start.
    #[error(transparent)]
    Scheduler(#[from] StartError),
    /// A worker does not start.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A worker's process does not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The scheduler does not answer.
    #[error(transparent)]
    Client(#[from] ComputeError),
    /// Workers did not connect in time.
    #[error("{connected} of {wanted} workers connected within {} seconds: is the machine overloaded?", CONNECT_TIMEOUT.as_secs())]
    Timeout {
        /// Workers that did.
        connected: usize,
        /// Workers that were started.
        wanted: u32,
    },
}

/// A running cluster on this machine. Dropping it ends it.
pub struct LocalCluster {
    // In this order they are dropped: the client's connection first, the runtime last.
    client: Client,
    threads: Vec<WorkerHandle>,
    processes: Vec<WorkerProcess>,
    scheduler: Option<SchedulerHandle>,
    background: Arc<Background>,
}

impl LocalCluster {
    /// Starts a scheduler and workers, and waits until all of them are connected.
    pub fn start(config: &LocalClusterConfig) -> Result<LocalCluster, ClusterError> {
        let LocalClusterConfig { workers, slots, .. } = *config;
        if workers == 0 || slots == 0 {
            return Err(ClusterError::Empty { workers, slots });
        }
        let background = Arc::new(Background::start(2).map_err(ClusterError::Threads)?);
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let dashboard = config.dashboard.map(|port| DashboardConfig {
            host: loopback,
            port,
            tries: DASHBOARD_TRIES,
            hosts: Vec::new(),
        });
        let listen = config.processes.then_some(SocketAddr::new(loopback, 0));
        let scheduler = background.run(Scheduler::start(SchedulerConfig {
            listen,
            dashboard,
            ..SchedulerConfig::default()
        }))?;
        let client = Client::connect_by(background.clone(), &scheduler.in_memory_connector())?;
        let mut cluster = LocalCluster {
            client,
            threads: Vec::new(),
            processes: Vec::new(),
            scheduler: Some(scheduler),
            background,
        };
        cluster.start_workers(config)?;
        Ok(cluster)
    }

    fn start_workers(&mut self, config: &LocalClusterConfig) -> Result<(), ClusterError> {
        let address = self.scheduler.as_ref().and_then(SchedulerHandle::address);
        for number in 0..config.workers {
            let name = format!("worker-{number}");
            let (slots, memory_limit) = (config.slots, config.memory_limit);
            match address.filter(|_| config.processes) {
                Some(address) => {
                    let spec = WorkerSpec {
                        scheduler: format!("tcp://{address}"),
                        name,
                        slots,
                        memory_limit,
                    };
                    self.processes.push(WorkerProcess::spawn(&spec)?);
                }
                None => {
                    let Some(scheduler) = &self.scheduler else {
                        continue;
                    };
                    let connector = scheduler.in_memory_connector();
                    let worker = WorkerConfig {
                        name,
                        slots,
                        memory_limit,
                        pool: PoolName::default(),
                        connector,
                    };
                    self.threads
                        .push(self.background.run(async { Worker::start(worker) })?);
                }
            }
        }
        for worker in &self.threads {
            self.background.run(worker.connected())?;
        }
        self.wait_for_processes()
    }

    fn wait_for_processes(&mut self) -> Result<(), ClusterError> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let wanted = self.processes.len();
        loop {
            let connected = self.client.cluster()?.workers.len();
            if connected >= wanted {
                return Ok(());
            }
            for process in &mut self.processes {
                process.check()?;
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Timeout {
                    connected,
                    wanted: wanted as u32,
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// A client of this cluster.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The dashboard's address, if there is one.
    pub fn dashboard_url(&self) -> Option<String> {
        self.scheduler
            .as_ref()
            .and_then(SchedulerHandle::dashboard_url)
    }

    /// Where workers and clients of other processes can connect; only a cluster of processes listens.
    pub fn scheduler_url(&self) -> Option<String> {
        self.scheduler
            .as_ref()
            .and_then(SchedulerHandle::address)
            .map(|a| format!("tcp://{a}"))
    }

    /// Ends a worker without warning, as a failing machine would; for tests. False if there is no such worker.
    pub fn kill_worker(&mut self, number: usize) -> bool {
        if number < self.threads.len() {
            drop(self.threads.remove(number));
            return true;
        }
        let found = number < self.processes.len();
        if found {
            drop(self.processes.remove(number));
        }
        found
    }

    /// Cuts a worker's connection, as a broken cable would; it connects again. For tests. False if there is no
    /// such worker among the threads.
    pub fn cut_worker(&self, number: usize) -> bool {
        self.threads
            .get(number)
            .map(WorkerHandle::cut_connection)
            .is_some()
    }

    /// The ids of the workers' processes.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.processes.iter().map(WorkerProcess::id).collect()
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.processes.clear();
        self.threads.clear();
        if let Some(scheduler) = self.scheduler.take() {
            // On a thread of asynchronous code nothing may block; the scheduler then ends without a grace.
            if tokio::runtime::Handle::try_current().is_err() {
                self.background.run(scheduler.shutdown());
            }
        }
    }
}
