//! What the records of a pool say, as numbers.

use crate::history::{CLOCKS_DIFFER, before};
use crate::simulate::Micros;
use crate::{Record, WorkerState};
use std::collections::BTreeMap;

/// One moment of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Since the first record.
    pub(super) at: Micros,
    /// Tasks that are not done.
    pub(super) tasks: u64,
    /// What a task was thought to take.
    pub(super) mean_seconds: f64,
    /// Slots that compute, from here on.
    pub(super) runs: f64,
    /// Pods that have a node.
    pub(super) pods: u32,
}

/// The records that know what there is to do.
pub(super) fn samples(records: &[Record]) -> Vec<Sample> {
    let Some(first) = records.first() else {
        return Vec::new();
    };
    records
        .iter()
        .filter_map(|record| {
            let observed = &record.observed;
            let demand = observed.demand?;
            let since = record.time.duration_since(first.time);
            let busy = observed
                .busy_slots()
                .saturating_add(observed.draining_slots());
            let pods = crate::observed::count(observed.workers.iter());
            Some(Sample {
                at: crate::simulate::micros(since),
                tasks: demand.tasks(),
                mean_seconds: demand.queue_seconds.get() / demand.tasks().max(1) as f64,
                runs: u64::from(busy).min(demand.running_tasks) as f64,
                pods: pods.saturating_sub(observed.unschedulable),
            })
        })
        .collect()
}

/// What most pods took to start: all but the fastest and the slowest tenth.
pub(super) fn start_seconds(records: &[Record]) -> Option<(f64, f64)> {
    let mut starting = BTreeMap::new();
    let mut taken = Vec::new();
    let mut latest = records.first()?.time;
    for record in records {
        // A pod made before that has worked, and its scheduler was restarted.
        let new_from = before(latest, CLOCKS_DIFFER);
        latest = record.time;
        for worker in &record.observed.workers {
            match worker.state {
                WorkerState::Starting { since } if since >= new_from => {
                    starting.insert(worker.name.as_str(), since);
                }
                WorkerState::Connected { .. } => {
                    if let Some(since) = starting.remove(worker.name.as_str()) {
                        taken.push(record.time.duration_since(since).as_secs_f64().max(0.0));
                    }
                }
                WorkerState::Starting { .. } | WorkerState::Draining { .. } => {}
            }
        }
    }
    taken.sort_by(f64::total_cmp);
    let last = taken.len().checked_sub(1)?;
    Some((taken[last / 10], taken[last - last / 10]))
}
