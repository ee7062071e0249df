//! Counts of one pool.

use crate::core::cluster::{Pool, ValidatedCluster};
use crate::core::observed::{ObservedPod, Pods};

/// Counts of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The pool.
    pub name: String,
    /// Workers that are wanted.
    pub desired: u32,
    /// Pods that run or will run and were not asked to go.
    pub current: u32,
    /// Of these, ready ones.
    pub ready: u32,
    /// Of the current ones, those made from what the spec said before.
    pub outdated: u32,
    /// Pods that were asked to go and are still there.
    pub draining: u32,
    /// Current and draining ones.
    pub existing: u32,
}

/// Counts a pool's pods.
pub fn count(cluster: &ValidatedCluster, pool: &Pool, desired: u32, pods: &Pods) -> Counts {
    let mut counts = Counts {
        name: pool.name.clone(),
        desired,
        ..Counts::default()
    };
    for pod in of_pool(cluster, pool, pods).map(|(_, pod)| pod) {
        if pod.is_current() {
            counts.current += 1;
            counts.ready += u32::from(pod.is_ready());
            counts.outdated += u32::from(*pod.hash != *pool.part.hash);
        } else if !pod.is_finished() {
            counts.draining += 1;
        }
    }
    counts.existing = counts.current + counts.draining;
    counts
}

/// This cluster's pods of a pool.
pub(super) fn of_pool<'a>(
    cluster: &'a ValidatedCluster,
    pool: &'a Pool,
    pods: &'a Pods,
) -> impl Iterator<Item = (&'a String, &'a ObservedPod)> {
    let pods = pods.iter().map(|(name, pod)| (name, &**pod));
    pods.filter(move |(_, pod)| {
        pod.pool() == Some(&pool.name) && pod.owner.as_deref() == Some(&cluster.uid)
    })
}
