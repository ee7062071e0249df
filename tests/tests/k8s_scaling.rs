//! Autoscaling and draining on a real Kubernetes: workers come and go while real jobs run, and no work is done twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::context::Context;
use dasklike::{CancelToken, Client, ComputeOptions, Dataset, OpenOptions, compute_with};
use dasklike_tests::k8s::engine::try_ndvi_timeseries;
use dasklike_tests::k8s::operator::{
    Connection, SOON, apply, condition, get, pods, ready, run, status,
};
use dasklike_tests::k8s::work::{
    Jobs, STORE, Store, asleep, count, policy, reruns, scheduler, slow, with_store,
};
use dasklike_tests::k8s::{Namespace, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_cluster_goes_from_zero_to_its_work_and_back() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let worker = slow(json!({"replicas": 0, "autoscaling": policy(0, 3)}));
        apply(
            &namespace,
            "demo",
            json!({"worker": worker, "scheduler": scheduler()}),
        );
        ready(&namespace, "demo").await;
        assert_eq!(
            pods(&namespace, "demo").await.len(),
            1,
            "the scheduler alone"
        );

        let connection = Connection::open(&namespace, "demo").await;
        let jobs = Jobs::start(2, connection.contexts(), input, facts);
        status(&namespace, "demo", "to grow with its queue", |cluster| {
            count(cluster, "desiredReplicas") == 3
        })
        .await;
        // The operator is restarted and the scheduler's work goes on: what it decided is in the status.
        let operators = "app.kubernetes.io/name=dasklike-operator";
        run(
            &namespace,
            &["delete", "pods", "--selector", operators, "--wait=false"],
        );
        jobs.one_more().await;
        jobs.end().await;
        asleep(&namespace, "demo").await;
        assert_eq!(reruns(&namespace, "demo-scheduler").await, 0.0);

        let told = get(&namespace, "demo");
        assert_eq!(condition(&told, "ScalingActive").1, "FollowsWork");
        let decisions = told["status"]["scalingDecisions"].as_array().unwrap();
        assert!(decisions.iter().any(|d| d["to"] == 3), "{decisions:?}");
        assert_eq!(decisions[0]["to"], 0, "{decisions:?}");
        let described = run(&namespace, &["describe", "dlc/demo"]);
        for word in ["ScaledUp", "ScaledDown", "slot-seconds"] {
            assert!(described.contains(word), "{word} is not in\n{described}");
        }

        // A job wakes it again.
        let series = try_ndvi_timeseries("demo", connection.contexts(), input).await;
        series.unwrap().assert_is(STORE, facts);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn workers_that_go_in_the_middle_of_work_lose_none_of_it() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let spec = |more: Value| json!({"worker": slow(more), "scheduler": scheduler()});
        apply(&namespace, "demo", spec(json!({"replicas": 3})));
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let jobs = Jobs::start(2, connection.contexts(), input, facts);
        jobs.one_more().await;

        // By number.
        run(&namespace, &["scale", "dlc/demo", "--replicas=2"]);
        jobs.one_more().await;
        ready(&namespace, "demo").await;

        // By hand.
        let victim = workers(&namespace).await.pop_first().unwrap();
        run(&namespace, &["delete", "pod", &victim.0, "--wait=false"]);
        replaced(&namespace, &victim.1).await;
        jobs.one_more().await;

        // By name, at the scheduler.
        let victim = workers(&namespace).await.pop_first().unwrap();
        drain(&connection, victim.0.clone()).await;
        replaced(&namespace, &victim.1).await;
        jobs.one_more().await;

        // All of a node's, as before it is repaired.
        let before = workers(&namespace).await;
        let nodes = [
            "get",
            "nodes",
            "--output=jsonpath={.items[0].metadata.name}",
        ];
        let node = run(&namespace, &nodes);
        let selector = "dasklike.dev/cluster=demo,app.kubernetes.io/component=worker";
        run(
            &namespace,
            &[
                "drain",
                node.trim(),
                "--force",
                "--delete-emptydir-data",
                "--pod-selector",
                selector,
            ],
        );
        run(&namespace, &["uncordon", node.trim()]);
        for uid in before.values() {
            replaced(&namespace, uid).await;
        }
        jobs.one_more().await;

        // By an edit of what they are made from.
        let before = workers(&namespace).await;
        let template = json!({"metadata": {"annotations": {"edit": "1"}}});
        apply(
            &namespace,
            "demo",
            spec(json!({"replicas": 2, "template": template})),
        );
        for uid in before.values() {
            replaced(&namespace, uid).await;
        }
        jobs.one_more().await;
        jobs.end().await;
        assert_eq!(reruns(&namespace, "demo-scheduler").await, 0.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn each_pool_follows_its_own_queue_and_a_dry_run_only_tells() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let pool = |name: &str, policy: Value| {
            let mut pool = slow(json!({"replicas": 0, "autoscaling": policy}));
            pool["name"] = json!(name);
            pool
        };
        let mut dry = policy(0, 4);
        dry["dryRun"] = json!(true);
        apply(
            &namespace,
            "demo",
            json!({
                "worker": slow(json!({"replicas": 0, "autoscaling": policy(0, 2)})),
                "pools": [pool("big", policy(0, 2)), pool("told", dry)],
                "scheduler": scheduler(),
            }),
        );
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let context = context(&connection);
        let token = CancelToken::default();
        let big = sum(context.clone(), input.clone(), "big", token.clone());
        status(&namespace, "demo", "to wake the pool big", |cluster| {
            let decisions = cluster["status"]["scalingDecisions"].as_array();
            decisions.is_some_and(|all| all.iter().any(|d| d["pool"] == "big"))
        })
        .await;
        let expected = &facts["raw"]["scl"]["sum"];
        assert_eq!(big.await.unwrap().unwrap(), expected.as_f64().unwrap());
        let told = get(&namespace, "demo");
        let decisions = told["status"]["scalingDecisions"].as_array().unwrap();
        assert!(
            decisions.iter().all(|d| d["pool"] == "big"),
            "the other pools have no work: {decisions:?}"
        );

        // A pool that only tells what it would do gets no workers, so its job waits; it is given up.
        let waiting = sum(context, input.clone(), "told", token.clone());
        let told = status(&namespace, "demo", "to tell of the pool told", |cluster| {
            let decisions = cluster["status"]["scalingDecisions"].as_array();
            decisions.is_some_and(|all| all.iter().any(|d| d["pool"] == "told"))
        })
        .await;
        token.cancel();
        assert!(waiting.await.unwrap().is_err(), "nobody computed it");
        let pools = told["status"]["pools"].as_array().unwrap();
        let desired = pools.iter().find(|p| p["name"] == "told").unwrap();
        assert_eq!(desired["desired"], 0);
        let events = run(&namespace, &["get", "events"]);
        assert!(events.contains("WouldScale"), "{events}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_cluster_without_work_sleeps_is_woken_by_a_job_and_is_deleted_at_last() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let idle = |action: &str| {
            let worker = slow(json!({"replicas": 2}));
            json!({"worker": worker, "scheduler": scheduler(),
                "idle": {"afterSeconds": 3, "action": action}})
        };
        apply(&namespace, "demo", idle("ScaleToZero"));
        let connection = Connection::open(&namespace, "demo").await;
        asleep(&namespace, "demo").await;
        let told = get(&namespace, "demo");
        assert_eq!(condition(&told, "ScalingActive").1, "Idle");

        // The first job of a cluster that sleeps takes longer than it may be idle.
        let series = try_ndvi_timeseries("demo", connection.contexts(), input).await;
        series.unwrap().assert_is(STORE, facts);
        until("an event that tells of it", SOON, || async {
            let events = run(&namespace, &["get", "events"]);
            match events.contains("from 0 to 2 workers: Woken") {
                true => Ok(()),
                false => Err(events),
            }
        })
        .await;
        asleep(&namespace, "demo").await;
        assert_eq!(reruns(&namespace, "demo-scheduler").await, 0.0);

        // With the other action it goes, and all that is its own.
        apply(&namespace, "demo", idle("Delete"));
        until("the cluster to be deleted", SOON, || async {
            let left = run(&namespace, &["get", "dlc,pods,secrets", "--output=name"]);
            match left.contains("demo") {
                true => Err(left),
                false => Ok(()),
            }
        })
        .await;
    })
    .await;
}

/// The sum of the scene classes, by the workers of a pool.
fn sum(
    context: Context,
    input: String,
    pool: &str,
    cancel: CancelToken,
) -> tokio::task::JoinHandle<Result<f64, dasklike::Error>> {
    let pool = pool.parse().unwrap();
    tokio::task::spawn_blocking(move || {
        let client = Client::connect_context(&context)?;
        let cube = Dataset::open(&input, &OpenOptions::default()).unwrap();
        let options = ComputeOptions {
            pool,
            cancel,
            ..ComputeOptions::default()
        };
        let sum = cube["scl"].sum(["time", "y", "x"]);
        let computed = compute_with(&client, [&sum], &options, |_| ())?;
        Ok(computed[0].values_f64()[0])
    })
}

/// The context that `dasklike connect` has written.
fn context(connection: &Connection) -> Context {
    let file = connection.contexts().join("demo.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The workers that are not on their way out: uids by name.
async fn workers(namespace: &Namespace) -> BTreeMap<String, String> {
    let all = pods(namespace, "demo").await;
    let workers = all.into_iter().filter(|(name, _)| name != "demo-scheduler");
    workers.map(|(name, (uid, _))| (name, uid)).collect()
}

/// Waits until a worker is gone and the cluster is whole again.
async fn replaced(namespace: &Namespace, uid: &str) {
    until("another worker in its place", SOON, || async {
        let now = workers(namespace).await;
        match now.values().any(|other| other == uid) {
            true => Err(format!("{now:?}")),
            false => Ok(()),
        }
    })
    .await;
    ready(namespace, "demo").await;
}

async fn drain(connection: &Connection, name: String) {
    let context = context(connection);
    let asked = tokio::task::spawn_blocking(move || {
        let client = Client::connect_context(&context).unwrap();
        client.drain_worker(&name, Some(Duration::from_secs(600)))
    });
    asked.await.unwrap().unwrap();
}
