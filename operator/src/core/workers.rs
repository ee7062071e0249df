//! One pool's pods: which to make and which to let go.
//!
//! Letting go is always the same: the pod is deleted with a grace period, the worker takes no new work, finishes
//! what it computes and exits. Such a pod *drains* and counts no more.

use super::backoff::Backoff;
use super::cluster::{Pool, ValidatedCluster};
use super::demand::Demand;
use super::observed::{ObservedPod, Phase, Pods};
use super::plan::{Delete, Why};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What to do about one pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolPlan {
    /// Indices of pods to make.
    pub create: Vec<u32>,
    /// Pods to let go.
    pub delete: Vec<Delete>,
    /// What is remembered of pods that ended too soon.
    pub backoff: Backoff,
    /// When to look again though nothing else happens.
    pub recheck_at: Option<Timestamp>,
}

/// What a pool's pods are judged by.
pub struct Input<'a> {
    /// The cluster.
    pub cluster: &'a ValidatedCluster,
    /// The pool.
    pub pool: &'a Pool,
    /// How many workers it should have.
    pub desired: u32,
    /// Why, where it is fewer than there are.
    pub why_fewer: Why,
    /// Workers that are to go before all others.
    pub retire: &'a [String],
    /// All pods of the cluster.
    pub pods: &'a Pods,
    /// What the scheduler says.
    pub demand: Option<&'a Demand>,
    /// What is remembered of pods that ended too soon.
    pub backoff: Backoff,
}

type Named<'a> = (&'a String, &'a ObservedPod);

/// What to do about a pool at `now`.
pub fn plan(input: &Input<'_>, now: Timestamp) -> PoolPlan {
    let own: Vec<Named<'_>> = input
        .pods
        .iter()
        .map(|(name, pod)| (name, &**pod))
        .filter(|(_, pod)| pod.pool() == Some(&input.pool.name))
        .filter(|(_, pod)| pod.owner.as_deref() == Some(&input.cluster.uid))
        .collect();
    let (finished, rest): (Vec<_>, Vec<_>) = own
        .into_iter()
        .filter(|(_, pod)| !pod.deleting)
        .partition(|(_, pod)| pod.is_finished());
    let mut delete: Vec<Delete> = finished
        .iter()
        .map(|(name, pod)| remove(name, pod, ended(pod), 0))
        .collect();
    let current = rest;
    let grace = input.pool.drain_timeout_seconds;
    // Whoever ends them would do so later, and without waiting for what they compute.
    let (disrupted, mut current): (Vec<_>, Vec<_>) =
        current.into_iter().partition(|(_, pod)| pod.disrupted);
    delete.extend(
        disrupted
            .iter()
            .map(|(name, pod)| remove(name, pod, Why::Disrupted, grace)),
    );
    current.sort_by_cached_key(|named| keep_order(input, *named));
    let surplus = current.len().saturating_sub(count(input.desired));
    delete.extend(
        current
            .drain(..surplus)
            .map(|(name, pod)| remove(name, pod, input.why_fewer, grace)),
    );
    let rolled = roll(input, &current);
    let missing = count(input.desired) - current.len() + rolled.len();
    delete.extend(rolled);
    let backoff = input
        .backoff
        .healed_by(current.iter().map(|(_, pod)| *pod), now)
        .after(finished.iter().map(|(_, pod)| *pod), now);
    let wait = backoff.waits_until(now).filter(|_| missing > 0);
    PoolPlan {
        create: match wait {
            Some(_) => Vec::new(),
            None => free_indices(input, missing),
        },
        delete,
        backoff,
        recheck_at: wait,
    }
}

/// Outdated pods that may go now: those that are not ready cost nothing; of the others as many as may be missing.
fn roll(input: &Input<'_>, current: &[Named<'_>]) -> Vec<Delete> {
    let ready = current.iter().filter(|(_, pod)| pod.is_ready()).count();
    let missing = count(input.desired).saturating_sub(ready);
    let may_miss = count(input.pool.max_unavailable.of(input.desired));
    let mut budget = may_miss.saturating_sub(missing);
    current
        .iter()
        .filter(|(_, pod)| *pod.hash != *input.pool.part.hash)
        .filter(|(_, pod)| {
            let go = !pod.is_ready() || budget > 0;
            if pod.is_ready() && budget > 0 {
                budget -= 1;
            }
            go
        })
        .map(|(name, pod)| remove(name, pod, Why::Outdated, input.pool.drain_timeout_seconds))
        .collect()
}

/// First those that go first: chosen by name, not ready, outdated, least busy, youngest.
fn keep_order(
    input: &Input<'_>,
    (name, pod): Named<'_>,
) -> (bool, bool, bool, u32, Reverse<Timestamp>, Reverse<u32>) {
    let busy = input
        .demand
        .and_then(|demand| demand.worker(name))
        .map_or(0, |worker| worker.busy_slots);
    let index = input.cluster.key.worker_index(&input.pool.name, name);
    (
        !input.retire.contains(name),
        pod.is_ready(),
        *pod.hash == *input.pool.part.hash,
        busy,
        Reverse(pod.created),
        Reverse(index.unwrap_or(u32::MAX)),
    )
}

/// The lowest indices whose names are free. Who makes the same pods twice asks for the same names, so the API
/// server makes them once. A name is taken until its pod is gone, whoever's pod it is.
fn free_indices(input: &Input<'_>, missing: usize) -> Vec<u32> {
    let taken: BTreeSet<u32> = input
        .pods
        .keys()
        .filter_map(|name| input.cluster.key.worker_index(&input.pool.name, name))
        .collect();
    (0..)
        .filter(|index| !taken.contains(index))
        .take(missing)
        .collect()
}

/// What is left of a pod that ended is removed; there is nothing to wait for.
fn ended(pod: &ObservedPod) -> Why {
    match pod.phase {
        Phase::Failed => Why::Failed,
        _ => Why::Completed,
    }
}

fn remove(name: &str, pod: &ObservedPod, why: Why, grace_seconds: i64) -> Delete {
    Delete {
        name: name.to_owned(),
        uid: pod.uid.to_string(),
        grace_seconds: Some(grace_seconds),
        why,
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
