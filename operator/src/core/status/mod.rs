//! The status: counts and conditions, from what was seen after acting. Never a list of workers.

mod conditions;
mod counts;
mod scaling;
#[cfg(test)]
mod tests;
mod writing;

pub use counts::{Counts, count};
pub use writing::{Write, writing};

use super::cluster::ValidatedCluster;
use super::demand::Demand;
use super::labels;
use super::names::DEFAULT_POOL;
use super::observed::{ObservedPod, Pods};
use super::plan::Plan;
use super::sizing::Mode;
use super::validate::Error;
use conditions::Judged;
use dasklike_operator_api::{
    Condition, ConditionType, DaskLikeClusterStatus, LastScale, LastTermination, PoolStatus,
    SchedulerStatus, Truth, reasons,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What an attempt to make or change an object was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `pod demo-default-3`.
    pub object: String,
    /// One of [`reasons`].
    pub reason: &'static str,
    /// The API server's words.
    pub message: String,
}

/// What the status is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What was decided.
    pub plan: &'a Plan,
    /// The pods, after acting.
    pub pods: &'a Pods,
    /// The pods that were acted upon: those that ended are gone after it, and how they ended is told.
    pub before: &'a Pods,
    /// Whether the scheduler's Service is there: nobody finds the scheduler without it.
    pub service: bool,
    /// What the scheduler says.
    pub demand: Option<&'a Demand>,
    /// What the API server did not want.
    pub refusals: &'a [Refusal],
    /// The status as it was left.
    pub previous: &'a DaskLikeClusterStatus,
}

/// The status of a cluster whose spec is good.
pub fn status(
    cluster: &ValidatedCluster,
    facts: Facts<'_>,
    now: Timestamp,
) -> DaskLikeClusterStatus {
    let now = whole_seconds(now);
    let pools: Vec<Counts> = cluster
        .pools
        .iter()
        .zip(&facts.plan.sizing.desired)
        .map(|(pool, desired)| count(cluster, pool, *desired, facts.pods))
        .collect();
    let total = |of: fn(&Counts) -> u32| pools.iter().map(of).fold(0, u32::saturating_add);
    let desired = int(total(|pool| pool.desired));
    let judged = conditions::judge(cluster, facts, &pools);
    DaskLikeClusterStatus {
        observed_generation: Some(cluster.generation),
        image: Some(cluster.image.clone()),
        replicas: pools.first().map_or(0, |pool| int(pool.existing)),
        ready_replicas: int(total(|pool| pool.ready)),
        desired_replicas: desired,
        selector: Some(labels::pool_selector(&cluster.key, DEFAULT_POOL)),
        queue_tasks: facts
            .demand
            .map(|demand| i64::try_from(demand.queue_tasks()).unwrap_or(i64::MAX)),
        scheduler: Some(SchedulerStatus {
            address: cluster.scheduler_url(),
            epoch: facts
                .demand
                .and_then(|demand| i64::try_from(demand.epoch).ok()),
        }),
        pools: pools.iter().map(pool_status).collect(),
        conditions: with_times(judged, cluster.generation, facts.previous, now),
        last_scale: last_scale(facts, desired, now),
        scaling_decisions: scaling::decisions(cluster, facts, now),
        last_termination: last_termination(facts),
    }
}

/// The status of a cluster whose spec is wrong: what runs goes on running, and the condition names the field.
pub fn invalid(
    generation: i64,
    error: &Error,
    previous: &DaskLikeClusterStatus,
    now: Timestamp,
) -> DaskLikeClusterStatus {
    let judged = [ConditionType::Ready, ConditionType::Progressing]
        .map(|type_| Judged::new(type_, Truth::False, error.reason(), error.to_string()));
    let mut conditions = with_times(judged.to_vec(), generation, previous, whole_seconds(now));
    conditions.extend(
        previous
            .conditions
            .iter()
            .filter(|old| judged.iter().all(|new| new.type_ != old.type_))
            .cloned(),
    );
    conditions.sort_by_key(|condition| condition.type_);
    DaskLikeClusterStatus {
        observed_generation: Some(generation),
        conditions,
        ..previous.clone()
    }
}

fn pool_status(counts: &Counts) -> PoolStatus {
    PoolStatus {
        name: counts.name.clone(),
        desired: int(counts.desired),
        ready: int(counts.ready),
        draining: int(counts.draining),
        outdated: int(counts.outdated),
    }
}

/// A condition's time is that of the last change of its truth.
fn with_times(
    judged: Vec<Judged>,
    generation: i64,
    previous: &DaskLikeClusterStatus,
    now: Timestamp,
) -> Vec<Condition> {
    judged
        .into_iter()
        .map(|judged| {
            let since = previous
                .conditions
                .iter()
                .find(|old| old.type_ == judged.type_ && old.status == judged.truth)
                .map_or(Time(now), |old| old.last_transition_time.clone());
            Condition {
                type_: judged.type_,
                status: judged.truth,
                reason: judged.reason,
                message: judged.message,
                last_transition_time: since,
                observed_generation: Some(generation),
            }
        })
        .collect()
}

fn last_scale(facts: Facts<'_>, desired: i32, now: Timestamp) -> Option<LastScale> {
    let previous = facts.previous;
    // The first time, nothing changed: it began.
    if previous.observed_generation.is_none() || previous.desired_replicas == desired {
        return previous.last_scale.clone();
    }
    let was_asleep = previous
        .conditions
        .iter()
        .any(|old| old.type_ == ConditionType::ScalingActive && old.reason == reasons::IDLE);
    let by_work = facts.plan.sizing.scaled.iter().flatten();
    let by_work = by_work
        .filter(|scaled| !scaled.policy.dry_run())
        .find(|scaled| scaled.decision.replicas != scaled.observed.current);
    let reason = match facts.plan.sizing.mode {
        Mode::Suspended => reasons::SUSPENDED,
        Mode::Idle { .. } => reasons::IDLE,
        Mode::Spec | Mode::IdleDelete { .. } if was_asleep => reasons::WOKEN,
        Mode::Spec | Mode::IdleDelete { .. } => by_work.map_or(reasons::SPEC_CHANGED, |scaled| {
            scaled.decision.reason.name()
        }),
    };
    Some(LastScale {
        time: Time(now),
        from: previous.desired_replicas,
        to: desired,
        reason: reason.to_owned(),
    })
}

/// The latest end with an error, also of a pod that is gone.
fn last_termination(facts: Facts<'_>) -> Option<LastTermination> {
    let kept = facts.previous.last_termination.clone();
    let seen = (facts.before.iter())
        .chain(facts.pods.iter())
        .filter_map(|(name, pod)| termination(name, pod))
        .max_by(|a, b| (a.time.0, &a.pod).cmp(&(b.time.0, &b.pod)));
    match (seen, kept) {
        (Some(seen), Some(kept)) if seen.time.0 <= kept.time.0 => Some(kept),
        (Some(seen), _) => Some(seen),
        (None, kept) => kept,
    }
}

fn termination(name: &str, pod: &ObservedPod) -> Option<LastTermination> {
    let ended = pod.termination.as_ref()?;
    Some(LastTermination {
        pod: name.to_owned(),
        reason: ended.reason.clone(),
        exit_code: ended.exit_code,
        message: ended.message.clone(),
        time: Time(whole_seconds(ended.at)),
    })
}

/// Kubernetes writes times in whole seconds; what is compared with what it kept must be cut alike.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
