//! One real cluster that goes to zero workers and back: how long a job waits that finds none, and how soon the operator
//! has raised the wanted number. And how long a new cluster takes to be Ready.

use super::process::{Operator, OperatorProcess};
use crate::programs::dasklike;
use crate::report::{Report, Target};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use dasklike::array::plan;
use dasklike::context::Context;
use dasklike::{Client as Scheduler, ComputeOptions, DataArray};
use dasklike_graph::dtype::DType;
use dasklike_graph::plan::Plan;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The namespace of it all.
const NAMESPACE: &str = "bench-wake";
/// No step takes longer, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Args)]
pub(crate) struct WakeArgs {
    /// How often
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    #[command(flatten)]
    operator: OperatorProcess,
}

/// `dasklike-bench wake`.
pub(crate) fn run(args: &WakeArgs) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(measure(args))
}

async fn measure(args: &WakeArgs) -> Result<()> {
    let client = args.operator.client().await?;
    super::clusters::install_definition(&client).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    super::clusters::delete_namespace(&namespaces, NAMESPACE).await?;
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let operator = Operator::start(&args.operator).await?;
    let outcome = rounds(args, &client).await;
    if outcome.is_err() {
        operator.show_log();
    }
    super::clusters::delete_namespace(&namespaces, NAMESPACE).await?;
    outcome?.print()
}

async fn rounds(args: &WakeArgs, client: &Client) -> Result<Report> {
    let mut ready = Vec::new();
    for round in 0..args.rounds {
        ready.push(applied_to_ready(client, &format!("c{round}")).await?);
    }
    create(
        client,
        "demo",
        json!({"replicas": 0, "autoscaling": {
        "maxReplicas": 1, "scaleDown": {"stabilizationWindowSeconds": 0, "maxPercent": 100}}}),
    )
    .await?;
    reach(client, "demo", is_ready).await?;
    let connection = Connection::open(args).await?;
    let scheduler = connection.scheduler().await?;
    let count = DataArray::ones(DType::F64, &[("x", 4, 1)]).count(..);
    let plan = plan([&count])?;
    let (mut raised, mut done) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        reach(client, "demo", |status| {
            status["desiredReplicas"] == 0 && status["replicas"] == 0
        })
        .await?;
        let (up, end) = wake(client, &scheduler, &plan).await?;
        raised.push(up);
        done.push(end);
    }
    let mut report = Report::new(
        "wake",
        "a real cluster of one node: clusters until they are Ready, and a pool from zero to its first job's end",
    );
    report.fact("rounds", args.rounds);
    let mut figures = |what: &str, seconds: &mut Vec<f64>, at_half: Target, at_most: Target| {
        seconds.sort_by(f64::total_cmp);
        let middle = seconds[seconds.len() / 2];
        report.figure(&format!("{what}, p50"), middle, " s", at_half);
        let most = seconds.last().copied().unwrap_or(f64::NAN);
        report.figure(&format!("{what}, the longest"), most, " s", at_most);
    };
    figures(
        "\napplied -> Ready with 2 workers",
        &mut ready,
        Target::AtMost(2.5),
        Target::None,
    );
    figures(
        "a job comes -> the wanted number is raised, as a watcher of the status sees it",
        &mut raised,
        Target::None,
        Target::AtMost(1.0),
    );
    figures(
        "a job comes to no workers -> its result, of which computing is nothing",
        &mut done,
        Target::AtMost(4.0),
        Target::None,
    );
    Ok(report)
}

async fn applied_to_ready(client: &Client, name: &str) -> Result<f64> {
    let began = Instant::now();
    create(client, name, json!({"replicas": 2})).await?;
    reach(client, name, is_ready).await?;
    let seconds = began.elapsed().as_secs_f64();
    api(client).delete(name, &DeleteParams::default()).await?;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let gone = async {
        while !pods
            .list_metadata(&Default::default())
            .await?
            .items
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, gone).await??;
    Ok(seconds)
}

/// Submits a job to no workers: seconds until the wanted number is raised, and until the result is there.
async fn wake(client: &Client, scheduler: &Scheduler, plan: &Plan) -> Result<(f64, f64)> {
    let (scheduler, plan) = (scheduler.clone(), plan.clone());
    let began = Instant::now();
    let job = tokio::task::spawn_blocking(move || {
        scheduler.compute(&plan, &ComputeOptions::default(), |_| ())?;
        anyhow::Ok(began.elapsed().as_secs_f64())
    });
    reach(client, "demo", |status| status["desiredReplicas"] == 1).await?;
    let raised = began.elapsed().as_secs_f64();
    Ok((raised, tokio::time::timeout(PATIENCE, job).await???))
}

fn api(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("dasklike.dev", "v1alpha1", "DaskLikeCluster");
    Api::namespaced_with(client.clone(), NAMESPACE, &ApiResource::from_gvk(&kind))
}

async fn create(client: &Client, name: &str, mut worker: Value) -> Result<()> {
    worker["resources"] = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}});
    let cluster = serde_json::from_value(json!({
        "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"image": "localhost/dasklike:dev", "worker": worker},
    }))?;
    api(client).create(&PostParams::default(), &cluster).await?;
    Ok(())
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.is_some_and(|c| {
        c.iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    })
}

/// Waits until the cluster's status is so. A watch: a poll would add its period to what is measured.
async fn reach(client: &Client, name: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut seen = Box::pin(watcher(api(client), only).applied_objects());
    let reached = async {
        while let Some(cluster) = seen.try_next().await? {
            if holds(&cluster.data["status"]) {
                return Ok(());
            }
        }
        bail!("the watch has ended")
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .with_context(|| format!("the cluster {name} does not get there"))?
}

/// `dasklike connect`, ended with this.
struct Connection {
    child: Child,
    contexts: tempfile::TempDir,
}

impl Connection {
    async fn open(args: &WakeArgs) -> Result<Connection> {
        let contexts = tempfile::tempdir().context("cannot make a folder for the context")?;
        let child = dasklike()?
            .args(["connect", "demo", "--namespace", NAMESPACE])
            .env("KUBECONFIG", args.operator.kubeconfig())
            .env("DASKLIKE_CONTEXTS", contexts.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start dasklike connect")?;
        Ok(Connection { child, contexts })
    }

    async fn scheduler(&self) -> Result<Scheduler> {
        let path = self.contexts.path().join("demo.json");
        let written = async {
            while !path.is_file() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written)
            .await
            .context("dasklike connect writes no context: is this built with --workspace?")?;
        let context: Context = serde_json::from_slice(&std::fs::read(path)?)?;
        Ok(tokio::task::spawn_blocking(move || Scheduler::connect_context(&context)).await??)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may have ended already; its context's folder goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
