//! How many workers each pool should have, and why.

use super::cluster::{Pool, ValidatedCluster};
use super::demand::Demand;
use dasklike_operator_api::{ConditionType, DaskLikeClusterStatus, Idle, IdleAction, reasons};
use jiff::{SignedDuration, Timestamp};

/// What decides the numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// The spec's numbers, within the bounds of autoscaling where that is set.
    Spec,
    /// `spec.suspend`: no pods.
    Suspended,
    /// `spec.idle`: no workers until there is a job.
    Idle {
        /// Since when there is no work, if the scheduler says.
        since: Option<Timestamp>,
    },
    /// `spec.idle`: the cluster is to be deleted.
    IdleDelete {
        /// Since when there is no work.
        since: Timestamp,
    },
}

/// The wanted numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizing {
    /// What decides them.
    pub mode: Mode,
    /// One for each pool, in the cluster's order.
    pub desired: Vec<u32>,
    /// When the answer may be another without anything else happening.
    pub recheck_at: Option<Timestamp>,
}

/// How many workers each pool should have at `now`. `previous` is the status as it was left.
pub fn size(
    cluster: &ValidatedCluster,
    demand: Option<&Demand>,
    previous: &DaskLikeClusterStatus,
    now: Timestamp,
) -> Sizing {
    let (mode, recheck_at) = if cluster.suspend {
        (Mode::Suspended, None)
    } else {
        match &cluster.idle {
            Some(idle) => idleness(idle, cluster, demand, previous, now),
            None => (Mode::Spec, None),
        }
    };
    let desired = cluster
        .pools
        .iter()
        .map(|pool| match mode {
            Mode::Spec | Mode::IdleDelete { .. } => by_spec(pool),
            Mode::Suspended | Mode::Idle { .. } => 0,
        })
        .collect();
    Sizing {
        mode,
        desired,
        recheck_at,
    }
}

/// With autoscaling, the spec's number within its bounds: following the work is not built yet, and the condition
/// `ScalingActive` says so.
fn by_spec(pool: &Pool) -> u32 {
    match &pool.autoscaling {
        None => pool.replicas,
        Some(autoscaling) => {
            let bound = |number: i32| u32::try_from(number).unwrap_or_default();
            pool.replicas
                .min(bound(autoscaling.max_replicas))
                .max(bound(autoscaling.min_replicas))
        }
    }
}

fn idleness(
    idle: &Idle,
    cluster: &ValidatedCluster,
    demand: Option<&Demand>,
    previous: &DaskLikeClusterStatus,
    now: Timestamp,
) -> (Mode, Option<Timestamp>) {
    let asleep = idle.action == IdleAction::ScaleToZero && fell_asleep(cluster, previous);
    let Some(demand) = demand else {
        // Not known is not the same as no work. Who sleeps sleeps on, or every restart of the operator would wake
        // all clusters.
        return match asleep {
            true => (Mode::Idle { since: None }, None),
            false => (Mode::Spec, None),
        };
    };
    let Some(since) = demand.idle_since.filter(|_| demand.unfinished_jobs == 0) else {
        return (Mode::Spec, None);
    };
    let over = since
        .checked_add(SignedDuration::from_secs(idle.after_seconds))
        .unwrap_or(Timestamp::MAX);
    if now < over && !asleep {
        return (Mode::Spec, Some(over));
    }
    match idle.action {
        IdleAction::ScaleToZero => (Mode::Idle { since: Some(since) }, None),
        IdleAction::Delete => (Mode::IdleDelete { since }, None),
    }
}

/// It was scaled to zero for idleness before, and the spec has not changed since. A scheduler that is restarted
/// counts its idle time from zero; that alone is no reason to wake up.
fn fell_asleep(cluster: &ValidatedCluster, previous: &DaskLikeClusterStatus) -> bool {
    previous.observed_generation == Some(cluster.generation)
        && previous.conditions.iter().any(|condition| {
            condition.type_ == ConditionType::ScalingActive && condition.reason == reasons::IDLE
        })
}
