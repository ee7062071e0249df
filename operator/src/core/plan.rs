//! What to do next about a cluster, from what was seen. Deciding is here, all of it; carrying it out is not.

use super::backoff::Backoff;
use super::cluster::ValidatedCluster;
use super::demand::Demand;
use super::observed::Pods;
use super::scheduler::{self, SchedulerPlan};
use super::sizing::{self, Mode, Sizing};
use super::workers::{self, PoolPlan};
use dasklike_operator_api::DaskLikeClusterStatus;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What is remembered from one look to the next, by the pool's name. Losing it costs a few early retries, and an
/// autoscaler that learns anew.
pub type History = BTreeMap<String, PoolHistory>;

/// What is remembered of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolHistory {
    /// Of pods that ended too soon.
    pub backoff: Backoff,
    /// Of the work there was, and of what scaling brought.
    pub scaling: dasklike_scaling::History,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The cluster's pods.
    pub pods: &'a Pods,
    /// What its scheduler says.
    pub demand: Option<&'a Demand>,
    /// Whether a PodDisruptionBudget protects its scheduler.
    pub protected: bool,
    /// The status as it was left.
    pub status: &'a DaskLikeClusterStatus,
    /// What is remembered.
    pub history: &'a History,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Plan {
    /// The wanted numbers and why.
    pub sizing: Sizing,
    /// The cluster itself is to be deleted, and nothing else to be done.
    pub delete_cluster: bool,
    /// The scheduler's pod.
    pub scheduler: SchedulerPlan,
    /// The pools, in the cluster's order.
    pub pools: Vec<PoolPlan>,
    /// Pods of pools that the spec does not have any more.
    pub removed: Vec<Delete>,
    /// Whether evictions of the scheduler are to be refused; none: leave it as it is.
    pub protect_scheduler: Option<bool>,
    /// When to look again though nothing else happens.
    pub recheck_at: Option<Timestamp>,
}

/// A pod to let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Its name.
    pub name: String,
    /// Its uid: a pod of this name that was made later stays.
    pub uid: String,
    /// Seconds that it has to end; none: what the pod says.
    pub grace_seconds: Option<i64>,
    /// Why.
    pub why: Why,
}

/// Why a pod is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Fewer workers are wanted.
    ScaledDown,
    /// There is no work.
    Idle,
    /// The cluster is suspended.
    Suspended,
    /// Its pool is not in the spec any more.
    PoolRemoved,
    /// It was made from what the spec said before.
    Outdated,
    /// It will be ended from outside, so it goes while it can still finish.
    Disrupted,
    /// It ended, and not well.
    Failed,
    /// It ended well.
    Completed,
}

impl Why {
    /// The word for it in logs, events and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Why::ScaledDown => "ScaledDown",
            Why::Idle => "Idle",
            Why::Suspended => "Suspended",
            Why::PoolRemoved => "PoolRemoved",
            Why::Outdated => "Outdated",
            Why::Disrupted => "Disrupted",
            Why::Failed => "Failed",
            Why::Completed => "Completed",
        }
    }
}

/// The scheduler stays protected for so long after its last job: short jobs in a row need one budget, not many.
const PROTECTION_LINGERS: SignedDuration = SignedDuration::from_secs(60);

/// What to do about a cluster at `now`.
pub fn plan(cluster: &ValidatedCluster, seen: Seen<'_>, now: Timestamp) -> Plan {
    let sizing = sizing::size(cluster, seen, now);
    let pools: Vec<PoolPlan> = cluster
        .pools
        .iter()
        .zip(sizing.desired.iter().zip(&sizing.scaled))
        .map(|(pool, (desired, scaled))| {
            let input = workers::Input {
                cluster,
                pool,
                desired: *desired,
                why_fewer: why_fewer(&sizing.mode),
                retire: scaled
                    .as_ref()
                    .map_or(&[], |scaled| &scaled.decision.retire),
                pods: seen.pods,
                demand: seen.demand,
                backoff: seen
                    .history
                    .get(&pool.name)
                    .map_or_else(Backoff::default, |history| history.backoff),
            };
            workers::plan(&input, now)
        })
        .collect();
    let (protect_scheduler, protection_ends) = protection(cluster, seen, now);
    let recheck_at = pools
        .iter()
        .map(|pool| pool.recheck_at)
        .chain([sizing.recheck_at, protection_ends])
        .flatten()
        .min();
    Plan {
        delete_cluster: matches!(sizing.mode, Mode::IdleDelete { .. }),
        scheduler: scheduler::plan(cluster, seen.pods),
        removed: removed(cluster, seen.pods),
        protect_scheduler,
        recheck_at,
        sizing,
        pools,
    }
}

/// Pods of pools that are no more. How long they may take to finish was said in the pod when it was made.
fn removed(cluster: &ValidatedCluster, pods: &Pods) -> Vec<Delete> {
    pods.iter()
        .filter(|(_, pod)| !pod.deleting && pod.owner.as_deref() == Some(&cluster.uid))
        .filter(|(_, pod)| pod.pool().is_some_and(|name| cluster.pool(name).is_none()))
        .map(|(name, pod)| Delete {
            name: name.clone(),
            uid: pod.uid.to_string(),
            grace_seconds: None,
            why: Why::PoolRemoved,
        })
        .collect()
}

fn why_fewer(mode: &Mode) -> Why {
    match mode {
        Mode::Spec | Mode::IdleDelete { .. } => Why::ScaledDown,
        Mode::Suspended => Why::Suspended,
        Mode::Idle { .. } => Why::Idle,
    }
}

fn protection(
    cluster: &ValidatedCluster,
    seen: Seen<'_>,
    now: Timestamp,
) -> (Option<bool>, Option<Timestamp>) {
    if cluster.suspend {
        return (Some(false), None);
    }
    match seen.demand.map(|demand| demand.idle_since) {
        None => (None, None),
        Some(None) => (Some(true), None),
        Some(Some(_)) if !seen.protected => (Some(false), None),
        Some(Some(since)) => {
            let over = since
                .checked_add(PROTECTION_LINGERS)
                .unwrap_or(Timestamp::MAX);
            match now < over {
                true => (None, Some(over)),
                false => (Some(false), None),
            }
        }
    }
}

impl Plan {
    /// All pods to let go: the scheduler's, the pools', and those of pools that the spec does not have any more.
    pub fn deletes(&self) -> impl Iterator<Item = &Delete> {
        let scheduler = match &self.scheduler {
            SchedulerPlan::Delete(delete) => Some(delete),
            _ => None,
        };
        scheduler
            .into_iter()
            .chain(self.pools.iter().flat_map(|pool| &pool.delete))
            .chain(&self.removed)
    }

    /// What to remember.
    pub fn history(&self, cluster: &ValidatedCluster) -> History {
        cluster
            .pools
            .iter()
            .zip(self.pools.iter().zip(&self.sizing.scaled))
            .map(|(pool, (plan, scaled))| {
                let scaling = scaled.as_ref().map(|scaled| scaled.history.clone());
                let history = PoolHistory {
                    backoff: plan.backoff,
                    scaling: scaling.unwrap_or_default(),
                };
                (pool.name.clone(), history)
            })
            .filter(|(_, history)| *history != PoolHistory::default())
            .collect()
    }
}
