//! The step before all others: a number of workers that the work raised is said in the status before pods are made.
//! Whoever watches sees it at once, though pods of many clusters wait to be made; and an operator that is ended in the
//! middle leaves behind what it was at.
//!
//! A lowered number is not: which workers go is part of the decision, and is done in the look that decides it.

use crate::context::Context;
use crate::core::cluster::ValidatedCluster;
use crate::core::events::notes;
use crate::core::names::ClusterKey;
use crate::core::plan::Plan;
use crate::core::status::{self, Facts};
use crate::decision_log::log_decisions;
use crate::known_spec::known_spec;
use crate::memory::Memory;
use crate::reconcile::{decide, has_service, is_ours, previous};
use crate::status_patch::write_status;
use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterStatus};
use std::cmp::Ordering;
use tracing::debug;

/// Says a raised number of a cluster that follows its work, if there is one. What cannot be said now is said at the end of
/// the look.
pub(crate) async fn announce(cluster: &DaskLikeCluster, context: &Context) {
    if !is_ours(cluster) {
        return;
    }
    let key = ClusterKey::of(cluster);
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    let mut memory = context.memories.take(&key, uid);
    if let Ok(validated) = known_spec(cluster, context, &mut memory) {
        say(cluster, &validated, context, &mut memory).await;
    }
    context.memories.put(&key, memory);
}

async fn say(
    cluster: &DaskLikeCluster,
    validated: &ValidatedCluster,
    context: &Context,
    memory: &mut Memory,
) {
    let now = context.clock.now();
    let previous = previous(cluster, memory);
    let pods = context.pods.of(&validated.key);
    let plan = decide(validated, context, memory, &previous, &pods, now);
    if plan.delete_cluster || !is_news(validated, &plan, &previous) {
        return;
    }
    log_decisions(validated, &plan, memory, now);
    memory.history = plan.history(validated);
    let refusals = memory.refused.as_ref();
    let next = status::status(
        validated,
        Facts {
            plan: &plan,
            pods: &pods,
            before: &pods,
            service: has_service(context, validated),
            demand: context.demands.get(&validated.key).as_ref(),
            refusals: refusals.map_or(&[], |refused| &refused.refusals),
            previous: &previous,
        },
        now,
    );
    let _turn = context.turns.speak().await;
    match write_status(&validated.key, context, memory, &previous, &next, now).await {
        Ok(_) => context
            .teller
            .tell(cluster, notes(&previous, &next, 0, &[])),
        Err(error) => debug!(cluster = %validated.key, %error, "a new number is not said yet"),
    }
}

/// Whether the work raised a number and lowered none. One that the spec changed is known to whoever changed it.
fn is_news(cluster: &ValidatedCluster, plan: &Plan, previous: &DaskLikeClusterStatus) -> bool {
    let known = |name: &str| previous.pools.iter().find(|known| known.name == name);
    let pools = cluster.pools.iter().zip(&plan.sizing.desired);
    let changes: Vec<Ordering> = pools
        .filter_map(|(pool, desired)| {
            Some(i64::from(*desired).cmp(&known(&pool.name)?.desired.into()))
        })
        .collect();
    let mut scaled = plan.sizing.scaled.iter().flatten();
    previous.observed_generation == Some(cluster.generation)
        && changes.contains(&Ordering::Greater)
        && !changes.contains(&Ordering::Less)
        && scaled.all(|scaled| scaled.decision.retire.is_empty())
}
