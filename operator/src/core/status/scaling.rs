//! What autoscaling decided, for the status: changes only, for a number that stays is no news.

use super::{Facts, int};
use crate::core::autoscale::Scaled;
use crate::core::cluster::{Pool, ValidatedCluster};
use dasklike_operator_api::ScalingDecision;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// So many are kept.
const KEPT: usize = 10;

/// The last changes, the latest first.
pub(super) fn decisions(
    cluster: &ValidatedCluster,
    facts: Facts<'_>,
    now: Timestamp,
) -> Vec<ScalingDecision> {
    let earlier = &facts.previous.scaling_decisions;
    let pools = cluster.pools.iter().zip(&facts.plan.sizing.scaled);
    let new = pools.filter_map(|(pool, scaled)| {
        let decision = change(pool, scaled.as_ref()?, now)?;
        // What is only told stays to be done, and would be told at every look.
        let told = earlier.iter().find(|old| old.pool == decision.pool);
        let again = decision.dry_run && told.is_some_and(|old| old.to == decision.to);
        (!again).then_some(decision)
    });
    new.chain(earlier.iter().cloned()).take(KEPT).collect()
}

fn change(pool: &Pool, scaled: &Scaled, now: Timestamp) -> Option<ScalingDecision> {
    let (from, decision) = (scaled.observed.current, &scaled.decision);
    (decision.replicas != from).then(|| ScalingDecision {
        time: Time(now),
        pool: pool.name.clone(),
        from: int(from),
        to: int(decision.replicas),
        reason: decision.reason.name().to_owned(),
        message: decision.reason.to_string(),
        dry_run: scaled.policy.dry_run(),
    })
}
