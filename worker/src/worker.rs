//! A worker as a whole: slots, connection, clock.

use crate::core::effect::Slot;
use crate::core::event::Event;
use crate::executor::Executor;
use crate::session::{Connection as Session, keep};
use crate::slots;
use dasklike_graph::pool::PoolName;
use dasklike_graph::protocol::WorkerHello;
use dasklike_proto_engine::transport::Connector;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle as Thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a drained worker waits for its last reports to be taken.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a worker is.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// A name for people, unique in the cluster.
    pub name: String,
    /// Threads that compute; at least 1.
    pub slots: u32,
    /// The most bytes that its tasks may hold together.
    pub memory_limit: u64,
    /// Whose jobs it runs.
    pub pool: PoolName,
    /// The way to the scheduler.
    pub connector: Connector,
}

/// Why a worker does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A worker without slots or memory computes nothing.
    #[error(
        "worker {name:?} has {slots} slots and {memory_limit} bytes of memory: it needs at least one of each"
    )]
    Config {
        /// Its name.
        name: String,
        /// Its slots.
        slots: u32,
        /// Its memory.
        memory_limit: u64,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for worker {name:?}: {source}")]
    Thread {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The scheduler does not want the worker.
    #[error("the scheduler refused worker {name:?}: {why}")]
    Refused {
        /// Its name.
        name: String,
        /// The scheduler's words.
        why: String,
    },
}

/// A worker.
#[derive(Debug)]
pub struct Worker;

/// A running worker. Dropping it ends the worker: its connection is closed, and what it computed is lost.
pub struct WorkerHandle {
    name: String,
    executor: Arc<Executor>,
    threads: Vec<Thread<()>>,
    tasks: [JoinHandle<()>; 2],
    session: watch::Receiver<Session>,
    cut: watch::Sender<bool>,
}

impl Worker {
    /// Starts a worker; its connection and its reading run in the current tokio runtime, its slots on threads
    /// of their own. It connects, and connects again, until it is told to end.
    pub fn start(config: WorkerConfig) -> Result<WorkerHandle, WorkerError> {
        let WorkerConfig {
            name,
            slots,
            memory_limit,
            pool,
            connector,
        } = config;
        if slots == 0 || memory_limit == 0 {
            return Err(WorkerError::Config {
                name,
                slots,
                memory_limit,
            });
        }
        let executor = Executor::new(slots, memory_limit);
        let mut threads = Vec::new();
        for slot in 0..slots {
            let of_thread = executor.clone();
            let thread = std::thread::Builder::new().name(format!("{name}/{slot}"));
            match thread.spawn(move || slots::run(&of_thread, Slot(slot))) {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    executor.close();
                    return Err(WorkerError::Thread { name, source });
                }
            }
        }
        let hello = WorkerHello {
            name: name.clone(),
            slots,
            memory_limit,
            pool,
        };
        let (status, session) = watch::channel(Session::Connecting);
        let cut = watch::channel(false).0;
        let tasks = [
            tokio::spawn(keep(
                executor.clone(),
                connector,
                hello,
                status,
                cut.clone(),
            )),
            tokio::spawn(executor.clone().keep_time()),
        ];
        Ok(WorkerHandle {
            name,
            executor,
            threads,
            tasks,
            session,
            cut,
        })
    }
}

impl WorkerHandle {
    /// Waits until the scheduler has welcomed the worker.
    pub async fn connected(&self) -> Result<(), WorkerError> {
        let mut session = self.session.clone();
        let reached = session.wait_for(|s| *s != Session::Connecting).await;
        match reached.as_deref() {
            Ok(Session::Refused(why)) => Err(self.refused(why)),
            Ok(_) => Ok(()),
            Err(_) => Err(self.refused("the worker has ended")),
        }
    }

    /// Takes no more work, finishes what runs, then ends: [`WorkerHandle::ended`] tells when.
    pub fn drain(&self) {
        self.executor.dispatch(Event::DrainRequested);
    }

    /// Waits until the worker has drained, or was refused.
    pub async fn ended(&self) -> Result<(), WorkerError> {
        let (mut exit, mut session) = (self.executor.exit(), self.session.clone());
        let refused = async {
            match session
                .wait_for(|s| matches!(s, Session::Refused(_)))
                .await
                .as_deref()
            {
                Ok(Session::Refused(why)) => Err(self.refused(why)),
                _ => Ok(()),
            }
        };
        tokio::select! {
            _ = exit.wait_for(|exit| *exit) => {}
            refused = refused => return refused,
        }
        // What was reported last must arrive, or it would be computed again: the scheduler then closes the
        // connection.
        let mut session = self.session.clone();
        let closed = session.wait_for(|s| *s != Session::Connected);
        if tokio::time::timeout(FAREWELL, closed).await.is_err() {
            tracing::warn!(
                name = self.name,
                "the scheduler does not take the last reports"
            );
        }
        Ok(())
    }

    /// Cuts the connection, as when a cable breaks: what was assigned is lost, and the worker connects again.
    pub fn cut_connection(&self) {
        self.cut.send_replace(true);
    }

    /// Ends the worker now and waits for its threads: at most for the tile that each runs.
    pub fn stop(mut self) {
        self.end();
        for thread in self.threads.drain(..) {
            // Panics of tasks are caught; another would have been reported by the thread itself.
            let _ = thread.join();
        }
    }

    fn end(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.executor.close();
    }

    fn refused(&self, why: &str) -> WorkerError {
        WorkerError::Refused {
            name: self.name.clone(),
            why: why.to_owned(),
        }
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.end();
    }
}
