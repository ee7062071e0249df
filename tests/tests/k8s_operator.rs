//! The operator on a real Kubernetes: what a user applies becomes a cluster that computes, heals, and follows edits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::k8s::engine::try_ndvi_timeseries;
use dasklike_tests::k8s::file_server::FileServer;
use dasklike_tests::k8s::operator::{
    Connection, SOON, apply, condition, get, install, pods, ready, refusal, run, status, uninstall,
};
use dasklike_tests::k8s::port_forward::PortForward;
use dasklike_tests::k8s::{Namespace, data, until, with_namespace};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STORE: &str = "s2_field_2019";

/// Workers that many fit on one small node.
fn worker(replicas: u32) -> Value {
    json!({"replicas": replicas, "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}})
}

fn spec(replicas: u32) -> Value {
    json!({"worker": worker(replicas),
        "scheduler": {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}}})
}

async fn workers(namespace: &Namespace, name: &str) -> Vec<String> {
    let all = pods(namespace, name).await.into_keys();
    all.filter(|pod| *pod != format!("{name}-scheduler"))
        .collect()
}

/// Waits until as many pods as `before` are there, and all workers are of another template.
async fn rolled(namespace: &Namespace, before: &BTreeMap<String, (String, String)>) {
    until("workers of the new template", SOON, || async {
        let now = pods(namespace, "demo").await;
        let old: Vec<&String> = before.values().map(|(_, hash)| hash).collect();
        let new = now
            .iter()
            .filter(|(name, _)| *name != "demo-scheduler")
            .all(|(_, (_, hash))| !old.contains(&hash));
        match new && now.len() == before.len() {
            true => Ok(()),
            false => Err(format!("{now:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_cluster_computes_for_who_may_read_its_secret_and_for_no_one_else() {
    let Some(folder) = data::folder() else { return };
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        let server = FileServer::start(&namespace.client, &folder).await;
        let input = format!("{}/{STORE}.v3.zarr", server.url);
        apply(&namespace, "demo", spec(2));
        apply(&namespace, "other", spec(1));
        ready(&namespace, "demo").await;
        ready(&namespace, "other").await;

        let demo = Connection::open(&namespace, "demo").await;
        let series = try_ndvi_timeseries("demo", demo.contexts(), &input).await;
        series
            .unwrap()
            .assert_is(STORE, &data::facts(&folder, STORE));

        // Without a certificate, and with one of another cluster.
        let forward = PortForward::start(&namespace, "pod/demo-scheduler", 8786);
        let plain = format!("tcp://{}", forward.address);
        let said = try_ndvi_timeseries(&plain, demo.contexts(), &input).await;
        assert!(said.is_err(), "a client without a certificate computed");
        let other = Connection::open(&namespace, "other").await;
        let path = other.contexts().join("other.json");
        let mut context: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        context["address"] = json!(format!("tls://{}", forward.address));
        std::fs::write(&path, context.to_string()).unwrap();
        let said = try_ndvi_timeseries("other", other.contexts(), &input).await;
        assert!(said.is_err(), "a client of another cluster computed");
        drop((demo, other));
        uninstall(&namespace);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn scale_edit_suspend_and_delete() {
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        apply(&namespace, "demo", spec(1));
        ready(&namespace, "demo").await;
        let first = pods(&namespace, "demo").await;
        assert_eq!(first.len(), 2, "{first:?}");

        run(&namespace, &["scale", "dlc/demo", "--replicas=3"]);
        ready(&namespace, "demo").await;
        let three = pods(&namespace, "demo").await;
        assert_eq!(three.len(), 4, "{three:?}");
        for (name, pod) in &first {
            assert_eq!(three.get(name), Some(pod), "scaling up replaced {name}");
        }
        let selector = get(&namespace, "demo")["status"]["selector"].clone();
        let selected = run(
            &namespace,
            &[
                "get",
                "pods",
                "--output=name",
                "--selector",
                selector.as_str().unwrap(),
            ],
        );
        assert_eq!(selected.lines().count(), 3, "{selected}");
        run(&namespace, &["scale", "dlc/demo", "--replicas=1"]);
        until("one worker", SOON, || async {
            let left = workers(&namespace, "demo").await;
            if left.len() == 1 {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;

        // An edit of the workers replaces them, and leaves the scheduler alone.
        ready(&namespace, "demo").await;
        let before = pods(&namespace, "demo").await;
        let mut edited = spec(1);
        edited["worker"]["template"] = json!({"spec": {"containers": [
            {"name": "worker", "env": [{"name": "GREETING", "value": "hello"}]}]}});
        apply(&namespace, "demo", edited);
        rolled(&namespace, &before).await;
        ready(&namespace, "demo").await;
        let after = pods(&namespace, "demo").await;
        assert_eq!(after.get("demo-scheduler"), before.get("demo-scheduler"));
        // It stays as it is: an operator that fights itself would replace them again.
        let generation = get(&namespace, "demo")["metadata"]["generation"].clone();
        assert_eq!(
            get(&namespace, "demo")["status"]["observedGeneration"],
            generation
        );

        run(
            &namespace,
            &[
                "patch",
                "dlc/demo",
                "--type=merge",
                "--patch={\"spec\":{\"suspend\":true}}",
            ],
        );
        until("no pods while suspended", SOON, || async {
            let left = pods(&namespace, "demo").await;
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
        run(
            &namespace,
            &["get", "service/demo-scheduler", "secret/demo-tls"],
        );
        run(
            &namespace,
            &[
                "patch",
                "dlc/demo",
                "--type=merge",
                "--patch={\"spec\":{\"suspend\":false}}",
            ],
        );
        ready(&namespace, "demo").await;

        run(&namespace, &["delete", "dlc/demo", "--timeout=60s"]);
        until("all of the cluster to be gone", SOON, || async {
            let left = run(
                &namespace,
                &[
                    "get",
                    "pods,services,secrets,networkpolicies",
                    "--output=name",
                    "--selector=dasklike.dev/cluster=demo",
                ],
            );
            if left.trim().is_empty() {
                Ok(())
            } else {
                Err(left)
            }
        })
        .await;
        uninstall(&namespace);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn what_is_lost_comes_back_and_what_fails_is_explained() {
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        apply(&namespace, "demo", spec(2));
        ready(&namespace, "demo").await;
        let before = pods(&namespace, "demo").await;

        // A worker, the scheduler, and an object that the pods need.
        let victim = workers(&namespace, "demo").await.remove(0);
        run(
            &namespace,
            &["delete", "pod", &victim, "demo-scheduler", "--wait=false"],
        );
        run(&namespace, &["delete", "service/demo-scheduler"]);
        until("new pods and the Service", SOON, || async {
            let now = pods(&namespace, "demo").await;
            let old = [&before[&victim], &before["demo-scheduler"]];
            let new = now.values().all(|pod| !old.contains(&pod));
            let services = run(&namespace, &["get", "services", "--output=name"]);
            if new && now.len() == 3 && services.contains("demo-scheduler") {
                Ok(())
            } else {
                Err(format!("{now:?} {services}"))
            }
        })
        .await;
        ready(&namespace, "demo").await;

        // An image that is nowhere: said in the condition, and healed by the next edit.
        let mut broken = spec(1);
        broken["worker"]["template"] = json!({"spec": {"containers": [
            {"name": "worker", "image": "localhost/nowhere:1"}]}});
        apply(&namespace, "broken", broken);
        let told = status(
            &namespace,
            "broken",
            "to say that its image is missing",
            |cluster| condition(cluster, "WorkersReady").1.contains("Image"),
        )
        .await;
        assert_eq!(condition(&told, "Ready").0, "False");
        apply(
            &namespace,
            "broken",
            json!({"worker": {"template": null, "replicas": 1}}),
        );
        ready(&namespace, "broken").await;
        let events = run(&namespace, &["get", "events", "--output=name"]);
        assert!(!events.is_empty());
        uninstall(&namespace);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_bad_spec_is_refused_with_the_fields_name() {
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        for (spec, field) in [
            (json!({"worker": {"replicas": -1}}), "replicas"),
            (json!({"worker": {"slots": -1}}), "slots"),
            (
                json!({"worker": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}}),
                "minReplicas",
            ),
            (json!({"pools": [{"name": "Not DNS"}]}), "name"),
            (json!({"pools": [{"name": "a"}, {"name": "a"}]}), "pools"),
            (json!({"tls": {"mode": "Sometimes"}}), "mode"),
        ] {
            let said = refusal(&namespace, "bad", spec.clone());
            assert!(said.contains(field), "{spec} was refused with {said}");
        }
        // What only the API server of pods can judge is said in a condition, with its words.
        let mut odd = spec(1);
        odd["worker"]["template"] = json!({"spec": {"containers": [
            {"name": "worker", "ports": [{"containerPort": 99999}]}]}});
        apply(&namespace, "odd", odd);
        let told = status(
            &namespace,
            "odd",
            "to tell why its pods are refused",
            |cluster| {
                condition(cluster, "WorkersReady")
                    .2
                    .contains("containerPort")
            },
        )
        .await;
        assert_eq!(condition(&told, "WorkersReady").0, "False");
        uninstall(&namespace);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn an_operator_killed_in_the_middle_of_a_roll_is_followed_by_another() {
    with_namespace(async move |namespace| {
        install(&namespace, &["--set", "replicas=2"]);
        apply(&namespace, "demo", spec(3));
        ready(&namespace, "demo").await;
        let before = pods(&namespace, "demo").await;
        let mut edited = spec(3);
        edited["worker"]["template"] = json!({"metadata": {"annotations": {"edit": "1"}}});
        apply(&namespace, "demo", edited);
        // Both at once, without grace: whichever leads is gone in the middle of its work.
        let operators = "app.kubernetes.io/name=dasklike-operator";
        run(
            &namespace,
            &[
                "delete",
                "pods",
                "--selector",
                operators,
                "--force",
                "--grace-period=0",
            ],
        );
        rolled(&namespace, &before).await;
        ready(&namespace, "demo").await;
        let after = pods(&namespace, "demo").await;
        assert_eq!(after.get("demo-scheduler"), before.get("demo-scheduler"));
        uninstall(&namespace);
    })
    .await;
}
