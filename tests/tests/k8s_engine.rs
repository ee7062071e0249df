//! The engine alone on a real Kubernetes: pods of the image by plain manifests, no operator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::k8s::engine::{ndvi_timeseries, pod, ready, snapshot};
use dasklike_tests::k8s::file_server::FileServer;
use dasklike_tests::k8s::port_forward::PortForward;
use dasklike_tests::k8s::{Namespace, data, until, wait, with_namespace};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::PostParams;
use serde_json::json;

/// Zarr v2 with Blosc and Zarr v3 with shards: what the image links must decode both.
const STORES: [(&str, &str); 3] = [
    ("s2_field_2019", "v2"),
    ("s2_cloudy_2023q4", "v3"),
    ("s2_tile_33TWM_202308", "v3"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn a_scheduler_and_two_workers_compute_a_store_behind_http() {
    let Some(folder) = data::folder() else { return };
    with_namespace(async move |namespace| {
        let server = FileServer::start(&namespace.client, &folder).await;
        start(&namespace).await;
        let forward = PortForward::start(&namespace, "pod/scheduler", 8786);
        let url = format!("tcp://{}", forward.address);
        for (store, version) in STORES {
            let input = format!("{}/{store}.{version}.zarr", server.url);
            let series = ndvi_timeseries(&url, &input).await;
            series.assert_is(store, &data::facts(&folder, store));
        }
        // Both were there for it, and are still.
        assert_eq!(workers(&namespace).await.unwrap(), 2);
    })
    .await;
}

/// A scheduler that accepts work behind a Service, and two workers that found it by that Service's name.
async fn start(namespace: &Namespace) {
    let pods = namespace.api::<Pod>();
    let service = json!({
        "metadata": {"name": "scheduler"},
        "spec": {"selector": {"app": "scheduler"}, "ports": [{"port": 8786}]},
    });
    namespace
        .api::<Service>()
        .create(
            &PostParams::default(),
            &serde_json::from_value(service).unwrap(),
        )
        .await
        .unwrap();
    let mut scheduler = pod(
        "scheduler",
        &[
            "scheduler",
            "--host=0.0.0.0",
            "--port=8786",
            "--dashboard-port=8787",
        ],
    );
    let probe = json!({"httpGet": {"path": "/readyz", "port": 8787}, "periodSeconds": 1});
    scheduler.spec.as_mut().unwrap().containers[0].readiness_probe =
        Some(serde_json::from_value(probe).unwrap());
    scheduler.metadata.labels = Some([("app".to_owned(), "scheduler".to_owned())].into());
    pods.create(&PostParams::default(), &scheduler)
        .await
        .unwrap();
    ready(namespace, "scheduler").await;
    let url = format!("--scheduler=tcp://scheduler.{}.svc:8786", namespace.name);
    for name in ["worker-0", "worker-1"] {
        let worker = pod(
            name,
            &[
                "worker",
                &url,
                &format!("--name={name}"),
                "--slots=1",
                "--memory-limit=512MB",
            ],
        );
        pods.create(&PostParams::default(), &worker).await.unwrap();
    }
    until("two workers", wait::POD, || async {
        match workers(namespace).await {
            Ok(2) => Ok(()),
            Ok(n) => Err(format!("the scheduler has {n}")),
            Err(e) => Err(e),
        }
    })
    .await;
}

async fn workers(namespace: &Namespace) -> Result<usize, String> {
    let snapshot = snapshot(namespace, "scheduler").await?;
    snapshot["workers"]
        .as_array()
        .map(Vec::len)
        .ok_or_else(|| "the snapshot has no workers".to_owned())
}
