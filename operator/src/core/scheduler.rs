//! The scheduler's pod: make it, let it be, or let it go.

use super::cluster::ValidatedCluster;
use super::observed::Pods;
use super::plan::{Delete, Why};

/// What to do about the scheduler's pod.
#[derive(Clone, Debug, PartialEq)]
pub enum SchedulerPlan {
    /// Nothing, or wait for what is under way.
    Keep,
    /// Make it.
    Create,
    /// Let it go; it is made again when it is gone, for there is one name.
    Delete(Delete),
}

/// What to do about the scheduler's pod. A suspended cluster's stays while workers drain: they tell it what they
/// finished.
pub fn plan(cluster: &ValidatedCluster, pods: &Pods) -> SchedulerPlan {
    let name = cluster.key.scheduler();
    let Some(pod) = pods.get(&name) else {
        return match cluster.suspend {
            true => SchedulerPlan::Keep,
            false => SchedulerPlan::Create,
        };
    };
    if pod.deleting || pod.owner.as_deref() != Some(&cluster.uid) {
        return SchedulerPlan::Keep;
    }
    let workers = pods
        .values()
        .any(|pod| pod.pool().is_some() && !pod.is_finished());
    let why = if cluster.suspend {
        (!workers).then_some(Why::Suspended)
    } else if pod.is_finished() {
        Some(Why::Failed)
    } else {
        (*pod.hash != *cluster.scheduler.hash).then_some(Why::Outdated)
    };
    match why {
        None => SchedulerPlan::Keep,
        Some(why) => SchedulerPlan::Delete(Delete {
            name,
            uid: pod.uid.to_string(),
            grace_seconds: None,
            why,
        }),
    }
}
