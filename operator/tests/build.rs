//! The objects of some clusters, as committed in `tests/objects`. With `UPDATE_OBJECTS=1` they are written anew, for
//! a look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_operator::core::build;
use dasklike_operator::core::validate::{Facts, validate};
use dasklike_operator_api::{DaskLikeCluster, TlsMode};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// All objects of the cluster ns/demo with this spec: the scheduler, a worker of each pool, and the rest.
fn objects(spec: Value) -> String {
    let cluster: DaskLikeCluster = serde_json::from_value(json!({
        "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
        "metadata": {"name": "demo", "namespace": "ns", "uid": "11111111-2222-3333-4444-555555555555",
            "generation": 1, "labels": {"cost-centre": "42"}},
        "spec": spec,
    }))
    .unwrap();
    let facts = Facts {
        default_image: "registry.example/dasklike:1.2.3",
    };
    let cluster = validate(&cluster, &facts).unwrap();
    let mut documents = vec![document(&build::scheduler_pod(&cluster))];
    for pool in &cluster.pools {
        documents.push(document(&build::worker_pod(&cluster, pool, 0)));
    }
    documents.push(document(&build::service(&cluster)));
    if cluster.tls == TlsMode::Operator {
        let files = [("ca.crt".to_owned(), b"pem".to_vec())].into();
        documents.push(document(&build::secret(&cluster, &files)));
    }
    documents.push(document(&build::network_policy(&cluster)));
    documents.push(document(&build::disruption_budget(&cluster)));
    documents.join("---\n")
}

fn document(object: &impl Serialize) -> String {
    let mut text = serde_saphyr::to_string(object).unwrap();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn check(name: &str, spec: Value) {
    let path = Path::new("tests/objects").join(format!("{name}.yaml"));
    let made = objects(spec);
    if std::env::var_os("UPDATE_OBJECTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (made, committed)) in made.lines().zip(committed.lines()).enumerate() {
        assert_eq!(made, committed, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(
        made.lines().count(),
        committed.lines().count(),
        "{}",
        path.display()
    );
}

#[test]
fn the_smallest_spec() {
    check("smallest", json!({}));
}

/// Both families of addresses in the policy and the Service; nothing in any object is an address of one family.
#[test]
fn without_tls() {
    check(
        "without_tls",
        json!({"tls": {"mode": "Disabled"}, "scheduler": {"journal": {}}, "worker": {"slots": 3}}),
    );
}

#[test]
fn templates_pools_and_labels() {
    check(
        "templates",
        json!({
            "image": "registry.example/mine@sha256:abc",
            "imagePullSecrets": [{"name": "pull"}],
            "propagateLabels": ["cost-centre"],
            "scheduler": {
                "resources": {"requests": {"cpu": 1, "memory": "2Gi"}},
                "journal": {"claimName": "season"},
                "template": {
                    "metadata": {"annotations": {"a": "b"}},
                    "spec": {"priorityClassName": "high"},
                },
            },
            "worker": {"template": {"metadata": {"labels": {"queue": "q"}}, "spec": {
                "serviceAccountName": "reader",
                "tolerations": [{"key": "spot", "operator": "Exists"}],
                "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
                "containers": [
                    {"name": "worker", "env": [{"name": "AWS_REGION", "value": "eu-central-1"},
                        {"name": "DASKLIKE_MEMORY_LIMIT", "value": "900000000"}]},
                    {"name": "proxy", "image": "proxy:1"},
                ],
            }}},
            "pools": [{"name": "gpu", "drainTimeoutSeconds": 60,
                "resources": {"limits": {"cpu": "2500m", "memory": "8Gi", "nvidia.com/gpu": 1}}}],
        }),
    );
}
