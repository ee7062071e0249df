//! The scheduler's pod.

use super::super::cluster::ValidatedCluster;
use super::super::labels;
use super::super::names::{GRPC_PORT, HTTP_PORT, JOURNAL_DIR, SCHEDULER_CONTAINER, TLS_DIR};
use super::pod::{Kind, pod};
use dasklike_operator_api::TlsMode;
use k8s_openapi::api::core::v1::{Container, ContainerPort, HTTPGetAction, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A scheduler ends at once when it is told to.
const GRACE_SECONDS: i64 = 10;

/// The scheduler's pod. The kubelet restarts its process in place, so its address stays.
pub fn scheduler_pod(cluster: &ValidatedCluster) -> Pod {
    pod(
        cluster,
        Kind {
            name: cluster.key.scheduler(),
            labels: labels::scheduler(&cluster.key),
            part: &cluster.scheduler,
            role: "scheduler",
            restart_policy: "Always",
            grace_seconds: GRACE_SECONDS,
            journal: cluster.journal.as_ref(),
            engine: engine(cluster),
        },
    )
}

fn engine(cluster: &ValidatedCluster) -> Container {
    let mut args = vec![
        "scheduler".to_owned(),
        "--host=::".to_owned(),
        format!("--port={GRPC_PORT}"),
        format!("--dashboard-port={HTTP_PORT}"),
    ];
    if cluster.tls == TlsMode::Operator {
        args.push(format!("--tls-dir={TLS_DIR}"));
    }
    if cluster.journal.is_some() {
        args.push(format!("--journal={JOURNAL_DIR}"));
    }
    let port = |name: &str, number: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    Container {
        name: SCHEDULER_CONTAINER.to_owned(),
        args: Some(args),
        ports: Some(vec![port("grpc", GRPC_PORT), port("http", HTTP_PORT)]),
        // A scheduler starts in milliseconds: asked every second it is ready about when it is, and no probe for
        // its start has to pass first.
        readiness_probe: Some(Probe {
            period_seconds: Some(1),
            timeout_seconds: Some(2),
            failure_threshold: Some(3),
            ..get("/readyz")
        }),
        // A restart loses work, so a scheduler has a minute to answer.
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            timeout_seconds: Some(5),
            failure_threshold: Some(6),
            ..get("/healthz")
        }),
        ..Container::default()
    }
}

fn get(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}
