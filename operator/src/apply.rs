//! The step that applies Service, NetworkPolicy and PodDisruptionBudget, each only when it is not what was applied.

use crate::context::Context;
use crate::core::build;
use crate::core::cluster::ValidatedCluster;
use crate::error::{Error, is};
use crate::memory::{Applied, Memory};
use crate::object_index::{Kind, Observed};
use crate::slim::SlimMeta;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Debug;

/// Applies what is not as it should be, all at once. `protect` is the plan's word about the budget.
///
/// # Errors
/// The first that could not be applied; the others are applied.
pub(crate) async fn apply(
    cluster: &ValidatedCluster,
    context: &Context,
    memory: &mut Memory,
    protect: Option<bool>,
) -> Result<(), Error> {
    let known = |kind: Kind| memory.applied.get(&kind).map(|known| (**known).clone());
    let (service, policy, budget) = tokio::join!(
        service(context, cluster, known(Kind::Service)),
        one(
            context,
            cluster,
            Kind::NetworkPolicy,
            known(Kind::NetworkPolicy),
            build::network_policy(cluster)
        ),
        budget(context, cluster, known(Kind::DisruptionBudget), protect),
    );
    let mut first = Ok(());
    for (kind, result) in [
        (Kind::Service, service),
        (Kind::NetworkPolicy, policy.map(Some)),
        (Kind::DisruptionBudget, budget),
    ] {
        match result {
            Ok(Some(applied)) => {
                memory.applied.insert(kind, Box::new(applied));
            }
            Ok(None) => {
                memory.applied.remove(&kind);
            }
            Err(error) => first = first.and(Err(error)),
        }
    }
    first
}

/// The Service, unless it is to be made and that has to wait for its turn.
async fn service(
    context: &Context,
    cluster: &ValidatedCluster,
    known: Option<Applied>,
) -> Result<Option<Applied>, Error> {
    let mut turn = None;
    if context.objects.get(Kind::Service, &cluster.key).is_none() {
        turn = context.service_turns.take(&cluster.key, &context.dirty);
        if turn.is_none() {
            return Ok(None);
        }
    }
    let object = build::service(cluster);
    let applied = one(context, cluster, Kind::Service, known, object).await;
    drop(turn);
    applied.map(Some)
}

/// Applies one object, unless the last that was applied is the same and is still there unchanged.
async fn one<K>(
    context: &Context,
    cluster: &ValidatedCluster,
    kind: Kind,
    known: Option<Applied>,
    object: K,
) -> Result<Applied, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Serialize + Debug,
{
    // Of the text itself: it is compared within this run only, and one program writes one object in one way.
    let asked = Sha256::digest(serde_json::to_vec(&object).unwrap_or_default()).into();
    let observed = context.objects.get(kind, &cluster.key);
    if let (Some(known), Some(observed)) = (known, &observed)
        && known.asked == asked
        && known.version == observed.version
    {
        return Ok(known);
    }
    let name = object.meta().name.clone().unwrap_or_default();
    let title = format!("{} {name}", kind.word());
    if observed.is_some_and(|object| object.is_of_another(&cluster.uid)) {
        return Err(Error::name_taken(&title));
    }
    let api: Api<SlimMeta<K>> = Api::namespaced(context.client.clone(), &cluster.key.namespace);
    let applied = api
        .patch(
            &name,
            &PatchParams::apply(crate::FIELD_MANAGER).force(),
            &Patch::Apply(&object),
        )
        .await
        .map_err(|error| Error::of("apply", &title, error))?;
    let observed = Observed::new(kind, &applied.metadata);
    let version = observed.version.clone();
    context.objects.applied(kind, &cluster.key, observed);
    Ok(Applied { asked, version })
}

/// The budget is there only while it is wanted.
async fn budget(
    context: &Context,
    cluster: &ValidatedCluster,
    known: Option<Applied>,
    protect: Option<bool>,
) -> Result<Option<Applied>, Error> {
    let kind = Kind::DisruptionBudget;
    match protect {
        None => Ok(known),
        Some(true) => {
            let budget = build::disruption_budget(cluster);
            one(context, cluster, kind, known, budget).await.map(Some)
        }
        Some(false) if context.objects.get(kind, &cluster.key).is_none() => Ok(None),
        Some(false) => {
            let name = cluster.key.disruption_budget();
            let api: Api<SlimMeta<PodDisruptionBudget>> =
                Api::namespaced(context.client.clone(), &cluster.key.namespace);
            match api.delete(&name, &DeleteParams::default()).await {
                Err(error) if !is(&error, 404) => Err(Error::of(
                    "delete",
                    &format!("{} {name}", kind.word()),
                    error,
                )),
                _ => {
                    context.objects.deleted(kind, &cluster.key);
                    Ok(None)
                }
            }
        }
    }
}
