//! A worker's pod.

use super::super::cluster::{Pool, ValidatedCluster};
use super::super::labels;
use super::super::names::{TLS_DIR, WORKER_CONTAINER};
use super::pod::{Kind, pod};
use dasklike_operator_api::TlsMode;
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, ResourceFieldSelector,
};

/// The pod of a pool's worker of this index. It has no controller but the operator: a worker that was told to
/// drain exits with 0 and stays gone, one that crashed is restarted in place by the kubelet.
pub fn worker_pod(cluster: &ValidatedCluster, pool: &Pool, index: u32) -> Pod {
    pod(
        cluster,
        Kind {
            name: cluster.key.worker(&pool.name, index),
            labels: labels::worker(&cluster.key, &pool.name),
            part: &pool.part,
            role: "worker",
            restart_policy: "OnFailure",
            grace_seconds: pool.drain_timeout_seconds,
            journal: None,
            engine: engine(cluster, pool),
        },
    )
}

fn engine(cluster: &ValidatedCluster, pool: &Pool) -> Container {
    let mut args = vec![
        "worker".to_owned(),
        format!("--scheduler={}", cluster.scheduler_url()),
        "--name=$(POD_NAME)".to_owned(),
        format!("--pool={}", pool.name),
    ];
    if cluster.tls == TlsMode::Operator {
        args.push(format!("--tls-dir={TLS_DIR}"));
    }
    let slots = match pool.slots {
        0 => limit("DASKLIKE_SLOTS", "limits.cpu"),
        slots => EnvVar {
            name: "DASKLIKE_SLOTS".to_owned(),
            value: Some(slots.to_string()),
            value_from: None,
        },
    };
    Container {
        name: WORKER_CONTAINER.to_owned(),
        args: Some(args),
        // Variables, not flags: a template changes one of them by its name.
        env: Some(vec![
            pod_name(),
            slots,
            limit("DASKLIKE_MEMORY_LIMIT", "limits.memory"),
        ]),
        ..Container::default()
    }
}

fn pod_name() -> EnvVar {
    EnvVar {
        name: "POD_NAME".to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.name".to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

/// The container's own limit, rounded up to a whole number; where it has none, what the node can give.
fn limit(name: &str, resource: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            resource_field_ref: Some(ResourceFieldSelector {
                resource: resource.to_owned(),
                ..ResourceFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
    }
}
