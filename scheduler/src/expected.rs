//! What workers that come will be like. A job that comes to a pool without workers is planned for these, or its tasks
//! could need more memory than the workers that it wakes have.

use crate::core::ids::PoolName;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that a task may hold, by pool. Whoever runs the workers tells: nobody else knows before they are there.
#[derive(Debug, Default)]
pub(crate) struct Expected(Mutex<BTreeMap<PoolName, u64>>);

impl Expected {
    pub(crate) fn set(&self, pool: PoolName, task_bytes: u64) {
        self.lock().insert(pool, task_bytes);
    }

    pub(crate) fn get(&self, pool: &PoolName) -> Option<u64> {
        self.lock().get(pool).copied()
    }

    /// Each write is one insert, so that a panic in between leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PoolName, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
