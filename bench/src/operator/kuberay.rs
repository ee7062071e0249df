//! KubeRay's operator, a peer: the same number of clusters of a head and workers on the same API server, in the same run.
//!
//! It makes fewer objects of each (a Service and the pods; no Secret, no NetworkPolicy) and asks no scheduler for its
//! work, so what it uses is compared, and its time is told.

use super::IN_FLIGHT;
use super::child::{Process, Usage};
use super::clusters::{delete_namespace, wait};
use super::pods::PodCount;
use super::process::{NAMESPACE, OperatorProcess, remove_lease};
use crate::report::{Report, Target};
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const WHERE: &str = "bench-kuberay";
/// The Lease of its leader, whose name cannot be chosen.
const LEASE: &str = "ray-operator-leader";
/// Clusters that it works on at once: with 1, its default, it is slower.
const AT_ONCE: &str = "10";

/// How many clusters of how many workers, and for how long they are watched afterwards.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) clusters: usize,
    pub(crate) workers: usize,
    pub(crate) settled: Duration,
}

/// What an operator took until all pods were there, and what it used until all clusters were ready.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) exist: f64,
    pub(crate) cpu: Duration,
}

/// Measures it, and tells what it took and how ours compares.
pub(crate) async fn compare(
    program: &Path,
    process: &OperatorProcess,
    size: Size,
    ours: Taken,
    report: &mut Report,
) -> Result<()> {
    let client = process.client().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    delete_namespace(&namespaces, WHERE).await?;
    let namespace = serde_json::from_value(json!({"metadata": {"name": WHERE}}))?;
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let operator = start(program, process, &client).await?;
    let outcome = async {
        leads(&client, &operator).await?;
        measure(&client, &operator, size, ours, report).await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        operator.show_log();
    }
    drop(operator);
    delete_namespace(&namespaces, WHERE).await?;
    outcome
}

/// Starts it.
async fn start(program: &Path, process: &OperatorProcess, client: &Client) -> Result<Process> {
    remove_lease(client, LEASE).await?;
    Process::start(
        Command::new(program)
            .args(["--reconcile-concurrency", AT_ONCE])
            .args(["--leader-election-namespace", NAMESPACE])
            .args(["--metrics-addr", "127.0.0.1:18081"])
            .args(["--health-probe-bind-address", "127.0.0.1:18082"])
            .env("KUBECONFIG", process.kubeconfig()),
    )
}

/// Waits until it leads and has read what there is.
async fn leads(client: &Client, operator: &Process) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    wait("KubeRay's operator leads", || async {
        // Fails if it has ended: nobody would come to lead.
        operator.usage()?;
        Ok(leases.get_opt(LEASE).await?.is_some())
    })
    .await?;
    rests(operator).await?;
    Ok(())
}

/// Waits until it uses next to nothing, and says what it used.
async fn rests(operator: &Process) -> Result<Usage> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut before = operator.usage()?;
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = operator.usage()?;
        if now.cpu.saturating_sub(before.cpu) < Duration::from_millis(50)
            || Instant::now() > deadline
        {
            return Ok(now);
        }
        before = now;
    }
}

async fn measure(
    client: &Client,
    operator: &Process,
    size: Size,
    ours: Taken,
    report: &mut Report,
) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("ray.io", "v1", "RayCluster"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), WHERE, &resource);
    let count = PodCount::start(client, WHERE).await?;
    let began = Instant::now();
    stream::iter(0..size.clusters)
        .map(|number| {
            let api = api.clone();
            async move {
                let cluster = serde_json::from_value(cluster(number, size.workers))?;
                api.create(&PostParams::default(), &cluster).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
        .context("cannot make a RayCluster")?;
    count.reach(size.clusters * (1 + size.workers)).await?;
    let exist = began.elapsed().as_secs_f64();
    wait("all RayClusters are ready", || async {
        let all = api.list(&ListParams::default()).await?.items;
        let ready = all.iter().filter(|c| c.data["status"]["state"] == "ready");
        Ok(ready.count() == size.clusters)
    })
    .await?;
    let ready = began.elapsed().as_secs_f64();
    let busy = operator.usage()?;
    let before = rests(operator).await?;
    tokio::time::sleep(size.settled).await;
    let after = operator.usage()?;

    let seconds = |cpu: Duration| cpu.as_secs_f64();
    let mut told = |what: &str, value: f64, unit: &str| {
        report.figure(what, value, unit, Target::None);
    };
    told(
        &format!(
            "\nKubeRay, {AT_ONCE} clusters at once, without Secrets, NetworkPolicies and streams, until all pods exist"
        ),
        exist,
        " s",
    );
    told("until all its clusters are ready", ready, " s");
    told("its processor time until then", seconds(busy.cpu), " s");
    told(
        &format!(
            "settled, its processor time in {} s",
            size.settled.as_secs()
        ),
        seconds(after.cpu.saturating_sub(before.cpu)),
        " s",
    );
    told("its peak memory", after.peak_megabytes, " MB");
    told("our operator takes", ours.exist / exist, " times as long");
    report.figure(
        "and uses",
        seconds(ours.cpu) / seconds(busy.cpu),
        " times as much processor time",
        match (size.clusters, size.workers) {
            // Half a second, where KubeRay took one and a half.
            (100, 3) => Target::AtMost(0.33),
            _ => Target::None,
        },
    );
    Ok(())
}

/// A cluster whose pods go to kwok's nodes.
fn cluster(number: usize, workers: usize) -> Value {
    let template = |name: &str| {
        json!({"spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [{"name": name, "image": "localhost/ray:dev", "resources": {
                "requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}],
        }})
    };
    json!({
        "apiVersion": "ray.io/v1", "kind": "RayCluster",
        "metadata": {"name": super::clusters::name(number), "namespace": WHERE},
        "spec": {
            "headGroupSpec": {"rayStartParams": {}, "template": template("ray-head")},
            "workerGroupSpecs": [{"groupName": "default", "rayStartParams": {},
                "replicas": workers, "minReplicas": workers, "maxReplicas": workers,
                "template": template("ray-worker")}],
        },
    })
}
