//! The bare client: creates copies of what the operator made.

use super::{IN_FLIGHT, clusters};
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How often deleting everything of a kind is tried.
const ATTEMPTS: usize = 10;

const MANAGED: &str = "app.kubernetes.io/managed-by=dasklike-operator";

/// Everything that the operator makes of a cluster.
fn kinds() -> [ApiResource; 5] {
    [
        ("", "v1", "Secret"),
        ("", "v1", "Service"),
        ("networking.k8s.io", "v1", "NetworkPolicy"),
        ("policy", "v1", "PodDisruptionBudget"),
        ("", "v1", "Pod"),
    ]
    .map(|(group, version, kind)| {
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    })
}

/// An object to create, and what it is.
pub(crate) struct Copy {
    resource: ApiResource,
    object: DynamicObject,
}

/// The operator's objects as they were before the API server added to them.
pub(crate) async fn read_back(client: &Client, namespace: &str) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for resource in kinds() {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let all = api.list(&ListParams::default().labels(MANAGED)).await?;
        for object in all.items {
            copies.push(Copy {
                object: strip(object, &resource)?,
                resource: resource.clone(),
            });
        }
    }
    Ok(copies)
}

fn strip(object: DynamicObject, resource: &ApiResource) -> Result<DynamicObject> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = json!(resource.api_version);
    value["kind"] = json!(resource.kind);
    let metadata = &value["metadata"];
    // An owner of another namespace would get them deleted.
    value["metadata"] = json!({
        "name": metadata["name"], "labels": metadata["labels"], "annotations": metadata["annotations"],
    });
    let map = value
        .as_object_mut()
        .context("an object is a JSON object")?;
    map.remove("status");
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        for added in [
            "nodeName",
            "clusterIP",
            "clusterIPs",
            "serviceAccountName",
            "serviceAccount",
        ] {
            spec.remove(added);
        }
    }
    Ok(serde_json::from_value(value)?)
}

/// How many there are of each kind, in words.
pub(crate) fn counts(copies: &[Copy]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for copy in copies {
        *counts.entry(copy.resource.kind.as_str()).or_default() += 1;
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    words.join(", ")
}

/// The workers that the first cluster has beyond its first `kept`.
pub(crate) fn workers_of(copies: &[Copy], number: usize, kept: usize) -> Vec<Copy> {
    let prefix = format!("{}-default-", clusters::name(number));
    let index = |copy: &Copy| -> Option<usize> {
        let name = copy.object.metadata.name.as_deref()?;
        name.strip_prefix(&prefix)?.parse().ok()
    };
    let added = copies
        .iter()
        .filter(|copy| index(copy).is_some_and(|i| i >= kept));
    added
        .map(|copy| Copy {
            resource: copy.resource.clone(),
            object: copy.object.clone(),
        })
        .collect()
}

/// Creates them all.
pub(crate) async fn create(client: &Client, namespace: &str, copies: &[Copy]) -> Result<()> {
    let requests = stream::iter(copies).map(|copy| async move {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &copy.resource);
        api.create(&PostParams::default(), &copy.object).await?;
        anyhow::Ok(())
    });
    requests
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}

/// Deletes them all.
pub(crate) async fn delete(client: &Client, namespace: &str) -> Result<()> {
    for resource in kinds() {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let (delete, all) = (
            DeleteParams::default().grace_period(0),
            ListParams::default().labels(MANAGED),
        );
        for left in (0..ATTEMPTS).rev() {
            match api.delete_collection(&delete, &all).await {
                Ok(_) => break,
                // The API server deletes no Services together.
                Err(kube::Error::Api(status)) if status.code == 405 => {
                    one_by_one(&api, &all).await?;
                    break;
                }
                // It gives up on thousands of objects after a minute, and has deleted some.
                Err(error) if left == 0 => return Err(error.into()),
                Err(_) => {}
            }
        }
    }
    Ok(())
}

async fn one_by_one(api: &Api<DynamicObject>, which: &ListParams) -> Result<()> {
    let all = api.list_metadata(which).await?;
    let requests = stream::iter(all.items).map(|object| async move {
        let name = object.metadata.name.unwrap_or_default();
        api.delete(&name, &DeleteParams::default()).await?;
        anyhow::Ok(())
    });
    requests
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}
