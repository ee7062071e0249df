//! A scheduler or a worker for as long as a process lives.

use super::Background;
use super::machine::processors;
use super::process::WorkerSpec;
use dasklike_graph::pool::PoolName;
use dasklike_proto_engine::transport::{ClientTls, ConnectError, Connector};
use dasklike_scheduler::{Scheduler, SchedulerConfig, SchedulerHandle, StartError};
use dasklike_worker::{Worker, WorkerConfig, WorkerError};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a worker's process takes beside its tasks: code, threads, connections, codecs' tables.
const PROCESS_BYTES: u64 = 28 << 20;

/// The least that is worth starting a worker with: a few chunks.
const LEAST_TASK_BYTES: u64 = 4 << 20;

/// Why a scheduler or a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The system gives no threads or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// The scheduler does not start.
    #[error(transparent)]
    Scheduler(#[from] StartError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] ConnectError),
    /// The worker does not start, or was refused.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The process itself takes most of the memory.
    #[error("a memory limit of {limit} bytes is too little: a worker's process takes {PROCESS_BYTES} bytes itself; give it at least {}", PROCESS_BYTES + LEAST_TASK_BYTES)]
    Memory {
        /// The limit.
        limit: u64,
    },
}

/// Runs a scheduler until the process is told to end (SIGINT or SIGTERM). `started` is called once it listens.
pub fn run_scheduler(
    config: SchedulerConfig,
    started: impl FnOnce(&SchedulerHandle),
) -> Result<(), ServeError> {
    let background = Background::start(processors().clamp(1, 4) as usize)?;
    background.run(async {
        let mut ends = Ends::new()?;
        let scheduler = Scheduler::start(config).await?;
        started(&scheduler);
        ends.next().await;
        scheduler.shutdown().await;
        Ok(())
    })
}

/// A worker that is a process.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The scheduler's address.
    pub scheduler: String,
    /// What a `tls://` address needs.
    pub tls: Option<ClientTls>,
    /// A name for people, unique in the cluster.
    pub name: String,
    /// Threads that compute; at least 1.
    pub slots: u32,
    /// The most bytes that the whole process may use.
    pub memory_limit: u64,
    /// Whose jobs it runs.
    pub pool: PoolName,
}

/// Runs a worker in a process of its own until it has drained or is refused. SIGINT and SIGTERM make it drain;
/// the second one ends it at once.
pub fn run_worker(settings: WorkerSettings) -> Result<(), ServeError> {
    let WorkerSettings {
        scheduler,
        tls,
        name,
        slots,
        memory_limit,
        pool,
    } = settings;
    let connector = Connector::to(&scheduler, tls)?;
    let memory_limit = task_memory(memory_limit)?;
    let background = Background::start(1)?;
    background.run(async {
        let mut ends = Ends::new()?;
        let worker = Worker::start(WorkerConfig {
            name,
            slots,
            memory_limit,
            pool,
            connector,
        })?;
        tokio::select! {
            ended = worker.ended() => return Ok(ended?),
            () = ends.next() => worker.drain(),
        }
        tokio::select! {
            ended = worker.ended() => Ok(ended?),
            () = ends.next() => Ok(()),
        }
    })
}

/// As [`run_worker`], without a word on signals: the process ends with its parent.
pub(crate) fn run_worker_process(spec: WorkerSpec) -> Result<(), ServeError> {
    let connector = Connector::tcp(&spec.scheduler)?;
    let memory_limit = task_memory(spec.memory_limit)?;
    let background = Background::start(1)?;
    background.run(async {
        let config = WorkerConfig {
            name: spec.name,
            slots: spec.slots,
            memory_limit,
            pool: PoolName::default(),
            connector,
        };
        Ok(Worker::start(config)?.ended().await?)
    })
}

/// What of a process' memory is for tasks. An eighth of the rest is for the buffers of connections.
fn task_memory(limit: u64) -> Result<u64, ServeError> {
    match limit.checked_sub(PROCESS_BYTES) {
        Some(rest) if rest >= LEAST_TASK_BYTES => Ok(rest / 8 * 7),
        _ => Err(ServeError::Memory { limit }),
    }
}

/// The signals that tell a process to end.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn new() -> io::Result<Ends> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
