//! Autoscaling on a real Kubernetes while what it depends on is away: the API server, and the scheduler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::k8s::api_proxy::ApiProxy;
use dasklike_tests::k8s::engine::{ndvi_timeseries_with, snapshot, try_ndvi_timeseries};
use dasklike_tests::k8s::operator::{Connection, SOON, apply, get, pods, ready, run, status};
use dasklike_tests::k8s::volume::Volume;
use dasklike_tests::k8s::work::{
    Jobs, STORE, Store, asleep, count, policy, reruns, scheduler, slow, with_store,
};
use dasklike_tests::k8s::{Namespace, until};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(30);

fn spec() -> Value {
    let worker = slow(json!({"replicas": 0, "autoscaling": policy(0, 3)}));
    json!({"worker": worker, "scheduler": scheduler()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn work_goes_on_while_the_operator_cannot_reach_the_api_server() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let proxy = ApiProxy::start(&namespace).await;
        proxy.lead(&namespace);
        apply(&namespace, "demo", spec());
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let jobs = Jobs::start(2, connection.contexts(), input, facts);
        status(&namespace, "demo", "to have a worker", |cluster| {
            count(cluster, "readyReplicas") > 0
        })
        .await;

        // The operator is in the middle of scaling, and loses the leadership too: it cannot renew its Lease.
        proxy.cut();
        let before = pods(&namespace, "demo").await;
        tokio::time::sleep(OUTAGE).await;
        let after = pods(&namespace, "demo").await;
        for (name, pod) in &before {
            assert_eq!(after.get(name), Some(pod), "{name} went in the outage");
        }
        proxy.mend();

        jobs.one_more().await;
        status(&namespace, "demo", "to follow its queue again", |cluster| {
            count(cluster, "desiredReplicas") == 3 && count(cluster, "readyReplicas") == 3
        })
        .await;
        jobs.end().await;
        asleep(&namespace, "demo").await;
        assert_eq!(reruns(&namespace, "demo-scheduler").await, 0.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_scheduler_that_is_lost_in_the_middle_of_scaling_is_followed_by_another() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        apply(&namespace, "demo", spec());
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let contexts = connection.contexts();
        let job = try_ndvi_timeseries("demo", contexts, input);
        let kill = async {
            status(&namespace, "demo", "to grow with its queue", |cluster| {
                count(cluster, "desiredReplicas") > 0
            })
            .await;
            lose(&namespace).await;
        };
        let (lost, ()) = tokio::join!(job, kill);
        // A job lives with its scheduler. If this one ended before, it was right.
        match lost {
            Ok(series) => series.assert_is(STORE, facts),
            Err(said) => assert!(said.contains("scheduler"), "{said}"),
        }
        status(&namespace, "demo", "to hear its scheduler", |cluster| {
            cluster["status"]["conditions"]
                .as_array()
                .is_some_and(|all| {
                    all.iter()
                        .any(|c| c["type"] == "SchedulerReady" && c["status"] == "True")
                })
        })
        .await;
        // The connection leads to the new one as soon as it is there.
        let again = until("a job to be done by the new scheduler", SOON, || async {
            try_ndvi_timeseries("demo", contexts, input).await
        })
        .await;
        again.assert_is(STORE, facts);
        asleep(&namespace, "demo").await;
        let told = get(&namespace, "demo");
        for decision in told["status"]["scalingDecisions"].as_array().unwrap() {
            let to = decision["to"].as_i64().unwrap();
            assert!((0..=3).contains(&to), "{decision}");
        }
    })
    .await;
}

/// Kills the scheduler's pod and waits for the next one.
async fn lose(namespace: &Namespace) {
    let before = pods(namespace, "demo").await["demo-scheduler"].clone();
    let now = ["--force", "--grace-period=0"];
    run(
        namespace,
        &[&["delete", "pod", "demo-scheduler"], &now[..]].concat(),
    );
    until("another scheduler", SOON, || async {
        match pods(namespace, "demo").await.get("demo-scheduler") {
            Some(pod) if *pod != before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// Tasks of all stages of the only job: done, and in all.
async fn tasks(namespace: &Namespace) -> Result<(u64, u64), String> {
    let shown = snapshot(namespace, "demo-scheduler").await?;
    let stages = shown["jobs"][0]["stages"].as_array();
    let stages = stages.ok_or_else(|| format!("it has no job: {shown}"))?;
    let sum = |field: &str| stages.iter().filter_map(|s| s[field].as_u64()).sum();
    Ok((sum("done"), sum("tiles")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_named_job_goes_on_when_its_scheduler_and_the_pod_are_lost() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let volume = Volume::claim(&namespace, "season").await;
        let mut scheduler = scheduler();
        scheduler["journal"] = json!({"claimName": "season"});
        let worker = slow(json!({"replicas": 1}));
        apply(
            &namespace,
            "demo",
            json!({"worker": worker, "scheduler": scheduler}),
        );
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let contexts = connection.contexts();
        // Tiles smaller than chunks, so that there are many.
        let more = ["--name", "season", "--chunks", "1,64,64"];
        let job = ndvi_timeseries_with("demo", contexts, input, &more);
        let kill = async {
            let (done, all) = until("a part of the job to be done", SOON, || async {
                match tasks(&namespace).await? {
                    (done, all) if done * 8 > all => Ok((done, all)),
                    other => Err(format!("{other:?} are done")),
                }
            })
            .await;
            assert!(done * 2 < all, "{done} of {all} is too late");
            lose(&namespace).await;
            let (again, _) = until("the next scheduler to have the job", SOON, || {
                tasks(&namespace)
            })
            .await;
            assert!(
                again >= done,
                "{again} of {all} are done, there were {done}"
            );
        };
        let (series, ()) = tokio::join!(job, kill);
        series.unwrap().assert_is(STORE, facts);
        drop(volume);
    })
    .await;
}
