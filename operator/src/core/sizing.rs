//! How many workers each pool should have, and why.

use super::autoscale::{Input, Scaled, autoscale};
use super::cluster::{Pool, ValidatedCluster};
use super::demand::Demand;
use super::plan::Seen;
use dasklike_operator_api::{ConditionType, DaskLikeClusterStatus, Idle, IdleAction, reasons};
use dasklike_scaling::Policy;
use jiff::{SignedDuration, Timestamp};

/// What decides the numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// The spec's numbers, or the work where autoscaling is set.
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
    /// The decision about each pool that follows its work, in the same order.
    pub scaled: Vec<Option<Scaled>>,
    /// When the answer may be another without anything else happening.
    pub recheck_at: Option<Timestamp>,
}

/// How many workers each pool should have at `now`.
pub fn size(cluster: &ValidatedCluster, seen: Seen<'_>, now: Timestamp) -> Sizing {
    let (mode, recheck_at) = if cluster.suspend {
        (Mode::Suspended, None)
    } else {
        match &cluster.idle {
            Some(idle) => idleness(idle, cluster, seen.demand, seen.status, now),
            None => (Mode::Spec, None),
        }
    };
    let scaled: Vec<Option<Scaled>> = cluster
        .pools
        .iter()
        .map(|pool| match mode {
            Mode::Spec => follow(cluster, pool, seen, now),
            Mode::Suspended | Mode::Idle { .. } | Mode::IdleDelete { .. } => None,
        })
        .collect();
    let desired = cluster
        .pools
        .iter()
        .zip(&scaled)
        .map(|(pool, scaled)| match (&mode, scaled) {
            (Mode::Suspended | Mode::Idle { .. }, _) => 0,
            (_, Some(scaled)) if !scaled.policy.dry_run() => scaled.decision.replicas,
            (_, _) => pool.replicas,
        })
        .collect();
    let rechecks = scaled.iter().flatten();
    let rechecks = rechecks.filter_map(|scaled| {
        let after = scaled.decision.recheck_after?;
        now.checked_add(after).ok()
    });
    Sizing {
        recheck_at: rechecks.chain(recheck_at).min(),
        mode,
        desired,
        scaled,
    }
}

fn follow(
    cluster: &ValidatedCluster,
    pool: &Pool,
    seen: Seen<'_>,
    now: Timestamp,
) -> Option<Scaled> {
    let policy = pool.autoscaling.as_ref()?;
    let unknown = dasklike_scaling::History::default();
    let history = seen.history.get(&pool.name);
    let input = Input {
        cluster,
        pool,
        policy,
        pods: seen.pods,
        demand: seen.demand,
        current: current(pool, policy, seen.status),
        history: history.map_or(&unknown, |history| &history.scaling),
    };
    Some(autoscale(&input, now))
}

/// The number that was wanted until now: the status has it, so that another operator goes on from there.
fn current(pool: &Pool, policy: &Policy, previous: &DaskLikeClusterStatus) -> u32 {
    if policy.dry_run() {
        return pool.replicas;
    }
    let known = previous.pools.iter().find(|known| known.name == pool.name);
    match known {
        Some(known) => u32::try_from(known.desired).unwrap_or_default(),
        None => policy.clamp(pool.replicas),
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
