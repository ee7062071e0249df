//! What a scheduler says about the work it has: plain types, whatever the wire looks like.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// The last that one scheduler said.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The scheduler's incarnation.
    pub epoch: u64,
    /// By the pool's name. Boxed, for a map has room for eleven.
    pub pools: BTreeMap<String, Box<PoolDemand>>,
    /// Jobs that are not finished.
    pub unfinished_jobs: u32,
    /// Since when no job is unfinished: none while one is. The operator's own clock.
    pub idle_since: Option<Timestamp>,
    /// When it was said. The operator's own clock.
    pub received: Timestamp,
}

/// The work of one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolDemand {
    /// Tasks that could run now.
    pub ready_tasks: u64,
    /// Tasks that run.
    pub running_tasks: u64,
    /// Tasks whose inputs are not there yet.
    pub blocked_tasks: u64,
    /// Estimated seconds of one slot for all the tasks that wait.
    pub queue_seconds: f64,
    /// Bytes of results that this pool's workers hold.
    pub held_bytes: u64,
    /// Tasks done since the scheduler started; always 0 where it does not tell.
    pub done_tasks: u64,
    /// By the worker's name, which is its pod's.
    pub workers: BTreeMap<String, WorkerDemand>,
}

/// One connected worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerDemand {
    /// Threads that compute.
    pub slots: u32,
    /// Of these, how many have a task.
    pub busy_slots: u32,
    /// It takes no new work.
    pub draining: bool,
    /// Seconds since it last had a task: 0 while it has one.
    pub idle_seconds: f64,
}

impl Demand {
    /// Unfinished tasks of all pools, whether ready, running or blocked.
    pub fn queue_tasks(&self) -> u64 {
        self.pools
            .values()
            .map(|pool| pool.ready_tasks + pool.running_tasks + pool.blocked_tasks)
            .sum()
    }

    /// The named worker, whichever pool it is in.
    pub fn worker(&self, name: &str) -> Option<&WorkerDemand> {
        self.pools.values().find_map(|pool| pool.workers.get(name))
    }

    /// Whether a decision could differ: all but the moment of the message and the drift of idle clocks.
    pub fn differs_from(&self, earlier: &Demand) -> bool {
        self.epoch != earlier.epoch
            || self.unfinished_jobs != earlier.unfinished_jobs
            || self.idle_since.is_some() != earlier.idle_since.is_some()
            || self.pools.len() != earlier.pools.len()
            || self
                .pools
                .iter()
                .zip(&earlier.pools)
                .any(|((name, pool), (other_name, other))| {
                    name != other_name || pool.differs_from(other)
                })
    }
}

impl PoolDemand {
    fn differs_from(&self, earlier: &PoolDemand) -> bool {
        self.ready_tasks != earlier.ready_tasks
            || self.running_tasks != earlier.running_tasks
            || self.blocked_tasks != earlier.blocked_tasks
            || self.queue_seconds != earlier.queue_seconds
            || self.held_bytes != earlier.held_bytes
            || self.done_tasks != earlier.done_tasks
            || self.workers.len() != earlier.workers.len()
            || self.workers.iter().zip(&earlier.workers).any(
                |((name, worker), (other_name, other))| {
                    name != other_name
                        || worker.slots != other.slots
                        || worker.busy_slots != other.busy_slots
                        || worker.draining != other.draining
                },
            )
    }
}
