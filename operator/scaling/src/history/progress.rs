//! Whether tasks get done: what is estimated of tasks that run for long already is too little.

use crate::observed::Demand;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When a task was last seen to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Progress {
    /// Tasks that were not done.
    tasks: u64,
    /// Tasks that were.
    done: u64,
    /// Since when tasks have run and none was done.
    since: Option<Timestamp>,
}

impl Progress {
    pub(super) fn see(&mut self, demand: &Demand, now: Timestamp) {
        let progressed = demand.running_tasks == 0 || self.were_done(demand);
        self.since = match self.since {
            _ if demand.running_tasks == 0 => None,
            Some(since) if !progressed => Some(since),
            _ => Some(now),
        };
        self.tasks = demand.tasks();
        self.done = demand.done_tasks;
    }

    /// Whether tasks were done since. As many new ones may have come, so the tasks that are left tell it only where the
    /// scheduler does not count; one that counts from 0 again has started anew.
    fn were_done(&self, demand: &Demand) -> bool {
        demand.done_tasks != self.done || demand.tasks() < self.tasks
    }

    /// For how long tasks have run without one of them being done.
    pub(super) fn stalled(&self, demand: &Demand, now: Timestamp) -> SignedDuration {
        match self.since {
            Some(since) if demand.running_tasks > 0 && !self.were_done(demand) => {
                now.duration_since(since)
            }
            _ => SignedDuration::ZERO,
        }
    }
}
