//! One look at a cluster: validate, certify, plan, apply, carry out, say. Level-triggered: it asks what should be
//! and what is, never what happened, so a crash between any two steps is healed by the next look.

use crate::apply::apply;
use crate::carry_out::{Done, carry_out};
use crate::certify::certify;
use crate::context::Context;
use crate::core::cluster::{Pool, ValidatedCluster};
use crate::core::events::notes;
use crate::core::names::ClusterKey;
use crate::core::observed::Pods;
use crate::core::plan::{Plan, Seen, plan};
use crate::core::status::{self, Facts, Refusal};
use crate::decision_log::log_decisions;
use crate::demand::{Endpoint, EndpointTls, WorkerShape};
use crate::error::{Error, is};
use crate::known_spec::known_spec;
use crate::memory::{Memory, Refused};
use crate::object_index::Kind;
use crate::status_patch::write_status;
use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterStatus, MANAGED_BY, TlsMode};
use jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use tracing::{info, warn};

/// How long a refusal is left alone before it is asked again. A quota or a right may change without any word.
const ASK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// Looks at a cluster. Says when to look again though nothing happens.
///
/// # Errors
/// What stopped it, to be tried again after a while.
pub(crate) async fn reconcile(
    cluster: &DaskLikeCluster,
    context: &Context,
) -> Result<Option<Timestamp>, Error> {
    let key = ClusterKey::of(cluster);
    if !is_ours(cluster) {
        context.forget(&key);
        return Ok(None);
    }
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    let mut memory = context.memories.take(&key, uid);
    let result = look(cluster, &key, context, &mut memory).await;
    if result.is_ok() {
        memory.failures = 0;
    }
    context.memories.put(&key, memory);
    result
}

/// Whether it is there to stay, and nobody else looks after it.
pub(crate) fn is_ours(cluster: &DaskLikeCluster) -> bool {
    let by_us = [String::new(), MANAGED_BY.to_owned()].contains(&cluster.spec.managed_by);
    by_us && cluster.metadata.deletion_timestamp.is_none()
}

/// What to do about a cluster, from all that is known of it.
pub(crate) fn decide(
    validated: &ValidatedCluster,
    context: &Context,
    memory: &Memory,
    previous: &DaskLikeClusterStatus,
    pods: &Pods,
    now: Timestamp,
) -> Plan {
    let demand = context.demands.get(&validated.key);
    let seen = Seen {
        pods,
        demand: demand.as_ref(),
        protected: context
            .objects
            .get(Kind::DisruptionBudget, &validated.key)
            .is_some(),
        status: previous,
        history: &memory.history,
    };
    plan(validated, seen, now)
}

async fn look(
    cluster: &DaskLikeCluster,
    key: &ClusterKey,
    context: &Context,
    memory: &mut Memory,
) -> Result<Option<Timestamp>, Error> {
    let now = context.clock.now();
    let previous = previous(cluster, memory);
    let validated = match known_spec(cluster, context, memory) {
        Ok(validated) => validated,
        Err(error) => {
            let generation = cluster.metadata.generation.unwrap_or_default();
            let next = status::invalid(generation, &error, &previous, now);
            if next != previous {
                warn!(cluster = %key, reason = error.reason(), %error, "the spec is refused");
            }
            context
                .teller
                .tell(cluster, notes(&previous, &next, 0, &[]));
            return write_status(key, context, memory, &previous, &next, now).await;
        }
    };
    let certified = match validated.tls {
        TlsMode::Operator => certify(&validated, context, memory, now).await,
        TlsMode::Disabled => Ok(()),
    };
    let demand = context.demands.get(key);
    let before = context.pods.of(key);
    let plan = decide(&validated, context, memory, &previous, &before, now);
    log_decisions(&validated, &plan, memory, now);
    if plan.delete_cluster {
        return delete(cluster, key, context).await;
    }
    let done = act(&validated, context, memory, &plan, certified, now).await;
    let pods = context.pods.of(key);
    context
        .endpoints
        .set(key, endpoint(&validated, memory, &pods));
    let next = status::status(
        &validated,
        Facts {
            plan: &plan,
            pods: &pods,
            before: &before,
            service: has_service(context, &validated),
            demand: demand.as_ref(),
            refusals: &done.refusals,
            previous: &previous,
        },
        now,
    );
    log(key, &plan, &done);
    context.teller.tell(
        cluster,
        notes(&previous, &next, done.created, &done.deleted),
    );
    if demand.is_some_and(|demand| demand.unfinished_jobs == 0) {
        memory.spec = None;
    }
    let write_at = write_status(key, context, memory, &previous, &next, now).await?;
    match done.failure {
        Some(failure) => Err(failure),
        None => Ok(again(&plan, memory, &done, write_at, now)),
    }
}

/// Does what the plan says. Pods need their certificates: without those, none are made.
async fn act(
    validated: &ValidatedCluster,
    context: &Context,
    memory: &mut Memory,
    plan: &Plan,
    certified: Result<(), Error>,
    now: Timestamp,
) -> Done {
    memory.history = plan.history(validated);
    let refused = memory
        .refused
        .take()
        .filter(|refused| refused.generation == validated.generation && now < refused.until);
    let mut done = Done::default();
    match certified {
        Ok(()) => {
            let applied = apply(validated, context, memory, plan.protect_scheduler);
            let (applied, carried_out) = tokio::join!(
                applied,
                carry_out(validated, context, plan, refused.is_none())
            );
            done = carried_out;
            if let Err(error) = applied {
                done.note(error);
            }
        }
        Err(error) => done.note(error),
    }
    memory.refused = refused.or_else(|| newly_refused(validated, &done, now));
    if let Some(refused) = &memory.refused {
        done.refusals.extend(refused.refusals.iter().cloned());
    }
    // Words that come and go with the order of answers would change the status for nothing.
    done.refusals.sort_by(|a, b| a.object.cmp(&b.object));
    done.refusals.dedup();
    done
}

/// Pods that were refused: they are asked for again only later.
fn newly_refused(validated: &ValidatedCluster, done: &Done, now: Timestamp) -> Option<Refused> {
    let refusals: Vec<Refusal> = done
        .refusals
        .iter()
        .filter(|refusal| refusal.object.starts_with("pod "))
        .cloned()
        .collect();
    (!refusals.is_empty()).then(|| Refused {
        generation: validated.generation,
        until: now.checked_add(ASK_AGAIN).unwrap_or(Timestamp::MAX),
        refusals,
    })
}

/// The status as it was last written by us, or else as the object has it.
pub(crate) fn previous(cluster: &DaskLikeCluster, memory: &Memory) -> DaskLikeClusterStatus {
    let written = memory.status.as_ref();
    let written = written.and_then(|(status, _)| status.unpack().ok());
    written.unwrap_or_else(|| cluster.status.clone().unwrap_or_default())
}

/// Whether the cluster's Service is there.
pub(crate) fn has_service(context: &Context, validated: &ValidatedCluster) -> bool {
    let service = context.objects.get(Kind::Service, &validated.key);
    service.is_some_and(|service| !service.is_of_another(&validated.uid))
}

/// Where the scheduler is, once it answers.
fn endpoint(validated: &ValidatedCluster, memory: &Memory, pods: &Pods) -> Option<Endpoint> {
    let pod = pods.get(&validated.key.scheduler())?;
    if !pod.is_ready() {
        return None;
    }
    let tls = match validated.tls {
        TlsMode::Disabled => None,
        TlsMode::Operator => Some(EndpointTls {
            server_name: validated.key.scheduler_host(),
            credentials: memory.certificates.as_ref()?.credentials.clone(),
        }),
    };
    Some(Endpoint {
        pod_uid: pod.uid.to_string(),
        ip: pod.ip.as_deref()?.parse().ok()?,
        tls,
        shapes: validated.pools.iter().filter_map(shape).collect(),
    })
}

fn shape(pool: &Pool) -> Option<WorkerShape> {
    Some(WorkerShape {
        pool: pool.name.clone(),
        slots: pool.expected_slots.get(),
        memory_limit: pool.expected_memory?,
    })
}

/// The cluster had no work for so long that its spec says to delete it.
async fn delete(
    cluster: &DaskLikeCluster,
    key: &ClusterKey,
    context: &Context,
) -> Result<Option<Timestamp>, Error> {
    info!(cluster = %key, reason = "IdleDelete", "the cluster is deleted");
    let api: Api<DaskLikeCluster> = Api::namespaced(context.client.clone(), &key.namespace);
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: cluster.metadata.uid.clone(),
            // A spec that was edited meanwhile may say otherwise.
            resource_version: cluster.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&key.name, &params).await {
        Err(error) if !is(&error, 404) => {
            Err(Error::of("delete", &format!("cluster {key}"), error))
        }
        _ => Ok(None),
    }
}

/// The earliest moment at which something is due without anybody's word.
fn again(
    plan: &Plan,
    memory: &Memory,
    done: &Done,
    write_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let certificates = memory.certificates.as_ref().map(|known| known.recheck_at);
    let pods = memory.refused.as_ref().map(|refused| refused.until);
    let ask_again = pods.or_else(|| {
        let later = now.checked_add(ASK_AGAIN).ok();
        later.filter(|_| !done.refusals.is_empty())
    });
    [plan.recheck_at, certificates, write_at, ask_again]
        .into_iter()
        .flatten()
        .min()
}

/// One line for a decision; none where nothing was to be done.
fn log(key: &ClusterKey, plan: &Plan, done: &Done) {
    if done.created > 0 || !done.deleted.is_empty() {
        let why: std::collections::BTreeSet<&str> = done
            .deleted
            .iter()
            .map(|delete| delete.why.word())
            .collect();
        info!(
            cluster = %key,
            desired = plan.sizing.desired.iter().sum::<u32>(),
            created = done.created,
            deleted = done.deleted.len(),
            why = ?why,
            "pods are changed"
        );
    }
    for refusal in &done.refusals {
        warn!(cluster = %key, object = refusal.object, reason = refusal.reason, message = refusal.message, "refused");
    }
}
