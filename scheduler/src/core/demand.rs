//! What work there is and who could do it: what decides how many workers there should be.

use super::State;
use super::ids::{Epoch, Instant, PoolName};
use super::progress::Queue;
use std::collections::BTreeMap;

/// All work, by pool. Two of them differ only if something happened: time alone changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The scheduler's incarnation.
    pub epoch: Epoch,
    /// Every pool that has a worker or an unfinished job, and the default one.
    pub pools: BTreeMap<PoolName, PoolDemand>,
    /// Jobs that are queued or running.
    pub unfinished_jobs: u32,
    /// Since when no job is unfinished; `None` while one is.
    pub idle_since: Option<Instant>,
}

/// The work of one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolDemand {
    /// Its tasks.
    pub queue: Queue,
    /// Tasks done since the scheduler started.
    pub done: u64,
    /// Its connected workers, by name. One that has connected anew before its old connection is known to be lost is
    /// there once.
    pub workers: BTreeMap<String, WorkerDemand>,
}

/// A connected worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerDemand {
    /// Threads that compute.
    pub slots: u32,
    /// Those that do now.
    pub busy_slots: u32,
    /// It takes no new work.
    pub draining: bool,
    /// Since when it has had no task; `None` while it has one.
    pub idle_since: Option<Instant>,
}

impl State {
    /// The work there is.
    pub fn demand(&self) -> Demand {
        let mut pools = BTreeMap::from([(PoolName::default(), PoolDemand::default())]);
        for (pool, queue) in self.queues() {
            pools.entry(pool).or_default().queue = queue;
        }
        for worker in self.workers() {
            let pool = pools.entry(worker.hello.pool.clone()).or_default();
            let demand = WorkerDemand {
                slots: worker.hello.slots,
                busy_slots: worker.busy_slots(),
                draining: worker.draining,
                idle_since: worker.idle_since,
            };
            pool.workers.insert(worker.hello.name.clone(), demand);
        }
        for (name, pool) in &mut pools {
            pool.done = self.totals.done_in.get(name).copied().unwrap_or(0);
        }
        let unfinished = self.jobs.values().filter(|j| j.state.is_live()).count();
        Demand {
            epoch: self.epoch,
            pools,
            unfinished_jobs: u32::try_from(unfinished).unwrap_or(u32::MAX),
            idle_since: (unfinished == 0).then_some(self.last_end),
        }
    }
}
