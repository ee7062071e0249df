//! What the autoscaler sees of a pool, and what it decides.

use super::cluster::{Pool, ValidatedCluster};
use super::demand::{Demand, PoolDemand, WorkerDemand};
use super::observed::{ObservedPod, Pods};
use dasklike_scaling::{
    Decision, History, Observed, Policy, SlotSeconds, Worker, WorkerState, decide,
};
use jiff::{SignedDuration, Timestamp};
use std::num::NonZeroU32;

/// What was decided about a pool, and from what.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// What is allowed.
    pub policy: Policy,
    /// What was seen.
    pub observed: Observed,
    /// What was decided.
    pub decision: Decision,
    /// What to remember.
    pub history: History,
}

/// What a pool is judged by.
pub(super) struct Input<'a> {
    pub(super) cluster: &'a ValidatedCluster,
    pub(super) pool: &'a Pool,
    pub(super) policy: &'a Policy,
    pub(super) pods: &'a Pods,
    pub(super) demand: Option<&'a Demand>,
    /// How many workers were wanted until now.
    pub(super) current: u32,
    pub(super) history: &'a History,
}

/// Decides how many workers a pool should have at `now`.
pub(super) fn autoscale(input: &Input<'_>, now: Timestamp) -> Scaled {
    let observed = observe(input, now);
    let decision = decide(input.policy, &observed, input.history, now);
    let history = input.history.after(input.policy, &observed, &decision, now);
    Scaled {
        policy: input.policy.clone(),
        observed,
        decision,
        history,
    }
}

fn observe(input: &Input<'_>, now: Timestamp) -> Observed {
    // A pool that the scheduler does not name has no workers and no jobs.
    let pool = |demand: &Demand| {
        demand
            .pools
            .get(&input.pool.name)
            .map(|pool| work(pool))
            .unwrap_or_default()
    };
    let said = |name: &str| {
        let demand = input.demand?;
        let worker = demand.pools.get(&input.pool.name)?.workers.get(name)?;
        Some((demand.received, worker))
    };
    let pods = || {
        let own = input.pods.iter().filter(|(_, pod)| {
            pod.pool() == Some(&input.pool.name)
                && pod.owner.as_deref() == Some(&input.cluster.uid)
                && !pod.is_finished()
        });
        own.map(|(name, pod)| (name, pod, said(name)))
    };
    let slots = pods().find_map(|(_, _, said)| NonZeroU32::new(said?.1.slots));
    Observed {
        slots_per_worker: slots.unwrap_or(input.pool.expected_slots),
        workers: pods()
            .map(|(name, pod, said)| Worker {
                name: name.clone(),
                state: state(pod, said, now),
            })
            .collect(),
        demand: input.demand.map(pool),
        unschedulable: count(pods().filter(|(_, pod, _)| pod.is_unschedulable()).count()),
        current: input.current,
    }
}

fn state(
    pod: &ObservedPod,
    said: Option<(Timestamp, &WorkerDemand)>,
    now: Timestamp,
) -> WorkerState {
    match said {
        Some((_, worker)) if pod.deleting || worker.draining => WorkerState::Draining {
            busy_slots: worker.busy_slots,
        },
        None if pod.deleting => WorkerState::Draining { busy_slots: 0 },
        None => WorkerState::Starting { since: pod.created },
        Some((received, worker)) => WorkerState::Connected {
            slots: worker.slots,
            busy_slots: worker.busy_slots,
            idle_since: idle_since(received, worker, now),
            held_bytes: 0,
        },
    }
}

fn idle_since(received: Timestamp, worker: &WorkerDemand, now: Timestamp) -> Option<Timestamp> {
    if worker.busy_slots > 0 {
        return None;
    }
    let idle = SignedDuration::try_from_secs_f64(worker.idle_seconds).unwrap_or_default();
    Some(received.checked_sub(idle).unwrap_or(now))
}

fn work(pool: &PoolDemand) -> dasklike_scaling::Demand {
    dasklike_scaling::Demand {
        ready_tasks: pool.ready_tasks,
        running_tasks: pool.running_tasks,
        blocked_tasks: pool.blocked_tasks,
        queue_seconds: SlotSeconds::new(pool.queue_seconds),
        held_bytes: pool.held_bytes,
        done_tasks: pool.done_tasks,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
