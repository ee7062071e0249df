//! The clusters to measure with, and the namespaces that they and their copies live in.

use super::IN_FLIGHT;
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

/// How long clusters may take to become ready, and namespaces to go.
const PATIENCE: Duration = Duration::from_secs(600);
const OURS: &str = "bench-operator";
const BARE: &str = "bench-bare";

/// So many clusters of so many workers.
pub(crate) struct Clusters {
    clusters: usize,
    workers: usize,
    /// `autoscaling` of their workers.
    autoscaling: Option<Value>,
}

impl Clusters {
    /// Installs the definition and makes two empty namespaces.
    pub(crate) async fn prepare(
        client: &Client,
        clusters: usize,
        workers: usize,
    ) -> Result<Clusters> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in [OURS, BARE] {
            delete_namespace(&namespaces, name).await?;
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            namespaces
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        install_definition(client).await?;
        let prepared = Clusters {
            clusters,
            workers,
            autoscaling: None,
        };
        // The API server lets the first object of a definition that has just come wait for two seconds.
        let first: DynamicObject = serde_json::from_value(prepared.cluster(0))?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        api(client).create(&dry_run, &first).await?;
        Ok(prepared)
    }

    /// The same, of workers that follow their work.
    pub(crate) fn autoscaled(self, autoscaling: Value) -> Clusters {
        Clusters {
            autoscaling: Some(autoscaling),
            ..self
        }
    }

    /// Where the operator works.
    pub(crate) fn namespace(&self) -> &'static str {
        OURS
    }

    /// Where the bare client works.
    pub(crate) fn bare_namespace(&self) -> &'static str {
        BARE
    }

    /// Creates them all.
    pub(crate) async fn apply(&self, client: &Client) -> Result<()> {
        let api = api(client);
        let requests = stream::iter(0..self.clusters).map(|number| {
            let api = api.clone();
            async move {
                let cluster: DynamicObject = serde_json::from_value(self.cluster(number))?;
                api.create(&PostParams::default(), &cluster).await?;
                anyhow::Ok(())
            }
        });
        requests
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await
    }

    /// Waits until all of them say so.
    pub(crate) async fn wait_until_ready(&self, client: &Client) -> Result<()> {
        let api = api(client);
        wait("all clusters are Ready", || async {
            let all = api.list(&ListParams::default()).await?;
            let ready = all.items.iter().filter(|c| has_condition(&c.data, "Ready"));
            Ok(ready.count() == self.clusters)
        })
        .await
    }

    /// Gives the first of them so many workers.
    pub(crate) async fn scale(&self, client: &Client, number: usize, workers: usize) -> Result<()> {
        let patch = json!({"spec": {"worker": {"replicas": workers}}});
        let api = api(client);
        api.patch(&name(number), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// A cluster whose pods go to kwok's nodes.
    fn cluster(&self, number: usize) -> Value {
        let template = json!({"spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}],
        }});
        let mut cluster = json!({
            "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
            "metadata": {"name": name(number), "namespace": OURS},
            "spec": {
                "image": "localhost/dasklike:dev",
                "scheduler": {"template": template},
                "worker": {"replicas": self.workers, "template": template},
            },
        });
        if let Some(autoscaling) = &self.autoscaling {
            cluster["spec"]["worker"]["autoscaling"] = autoscaling.clone();
        }
        cluster
    }

    /// Removes both namespaces with all that is in them.
    pub(crate) async fn remove(&self, client: &Client) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in [OURS, BARE] {
            delete_namespace(&namespaces, name).await?;
        }
        Ok(())
    }
}

/// Installs the resource's definition.
pub(crate) async fn install_definition(client: &Client) -> Result<()> {
    let definition = serde_json::to_value(dasklike_operator_api::definition())?;
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let name = "dasklikeclusters.dasklike.dev";
    let apply = PatchParams::apply("dasklike-bench").force();
    definitions
        .patch(name, &apply, &Patch::Apply(definition))
        .await?;
    wait("the definition is established", || async {
        let definition = definitions.get(name).await?;
        Ok(has_condition(&definition.data, "Established"))
    })
    .await
}

/// The name of a cluster.
pub(crate) fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// The clusters of the operator's namespace.
pub(crate) fn api(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dasklike.dev", "v1alpha1", "DaskLikeCluster");
    Api::namespaced_with(client.clone(), OURS, &ApiResource::from_gvk(&kind))
}

fn has_condition(object: &Value, wanted: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|c| {
        c.iter()
            .any(|c| c["type"] == wanted && c["status"] == "True")
    })
}

/// Deletes a namespace, if there is one, and waits until it is gone.
pub(crate) async fn delete_namespace(namespaces: &Api<Namespace>, name: &str) -> Result<()> {
    if namespaces.get_opt(name).await?.is_none() {
        return Ok(());
    }
    namespaces.delete(name, &DeleteParams::default()).await?;
    wait(&format!("the namespace {name} is gone"), || async {
        Ok(namespaces.get_opt(name).await?.is_none())
    })
    .await
}

/// Waits until something holds.
pub(crate) async fn wait<F: Future<Output = Result<bool>>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if holds()
            .await
            .with_context(|| format!("cannot tell whether {what}"))?
        {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("after {} s it is not so that {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
