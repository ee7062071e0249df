//! Tables of specs: those that are wrong and what is said, and what is made of good ones.

use super::cluster::MaxUnavailable;
use super::testing::{IMAGE, cluster, object};
use super::validate::{Error, Facts, validate};
use serde_json::{Value, json};

fn refused(spec: Value) -> String {
    let facts = Facts {
        default_image: IMAGE,
    };
    match validate(&object(spec.clone()), &facts) {
        Ok(_) => panic!("not refused: {spec}"),
        Err(error) => error.to_string(),
    }
}

fn worker_template(template: Value) -> Value {
    json!({"worker": {"template": template}})
}

#[test]
fn a_wrong_spec_is_refused_by_the_name_of_its_field() {
    let container = |body: Value| worker_template(json!({"spec": {"containers": [body]}}));
    let cases = [
        (
            json!({"worker": {"replicas": -1}}),
            "spec.worker.replicas: -1 must be between 0 and 10000",
        ),
        (
            json!({"worker": {"slots": -2}}),
            "spec.worker.slots: -2 must be between 0 and 1024",
        ),
        (
            json!({"worker": {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}}),
            "spec.worker.autoscaling.minReplicas: 3 must be between 0 and 2",
        ),
        (
            json!({"worker": {"maxUnavailable": "half"}}),
            "spec.worker.maxUnavailable: 'half' must be a number or a percentage from 0% to 100%",
        ),
        (
            json!({"worker": {"maxUnavailable": "101%"}}),
            "spec.worker.maxUnavailable: '101%' must be a number or a percentage from 0% to 100%",
        ),
        (
            json!({"pools": [{"name": "a"}, {"name": "a"}]}),
            "spec.pools[1].name: there is a pool named 'a' already; give each pool a name of its own",
        ),
        (
            json!({"pools": [{"name": "default"}]}),
            "spec.pools[0].name: there is a pool named 'default' already; give each pool a name of its own",
        ),
        (
            json!({"pools": [{"name": "Big"}]}),
            "spec.pools[0].name: 'Big' must be at most 16 characters of a-z, 0-9 and '-', not at its ends",
        ),
        (
            json!({"pools": [{"name": "a-very-long-name-"}]}),
            "spec.pools[0].name: 'a-very-long-name-' must be at most 16 characters of a-z, 0-9 and '-', not at its ends",
        ),
        (
            json!({"pools": [{"name": "gpu", "replicas": -1}]}),
            "spec.pools[0].replicas: -1 must be between 0 and 10000",
        ),
        (
            container(json!({"name": "worker", "ports": [{"containerPort": "x"}]})),
            "spec.worker.template.spec.containers[0].ports[0].containerPort: invalid type: string \"x\", expected i32",
        ),
        (
            worker_template(json!({"spec": {"tolerration": [{"key": "a"}]}})),
            "spec.worker.template.spec.tolerration: no such field in a Kubernetes 1.36 PodTemplateSpec; check its spelling",
        ),
        (
            container(json!({"name": "worker", "resources": {"limit": {"cpu": 1}}})),
            "spec.worker.template.spec.containers[0].resources.limit: no such field in a Kubernetes 1.36 PodTemplateSpec; check its spelling",
        ),
        (
            container(json!({"image": "x"})),
            "spec.worker.template.spec.containers[0].name: is missing: the engine's container is named scheduler or worker, a sidecar as you like",
        ),
        (
            worker_template(json!({"metadata": {"labels": {"dasklike.dev/cluster": "other"}}})),
            "spec.worker.template.metadata.labels: 'dasklike.dev/cluster' is decided by the operator, which finds its pods by it",
        ),
        (
            worker_template(json!({"metadata": {"name": "mine"}})),
            "spec.worker.template.metadata.name: is decided by the operator; only labels and annotations can be given",
        ),
        (
            worker_template(json!({"spec": {"restartPolicy": "Never"}})),
            "spec.worker.template.spec.restartPolicy: is decided by the operator; for workers see drainTimeoutSeconds",
        ),
        (
            json!({"scheduler": {"template": {"spec": []}}}),
            "spec.scheduler.template.spec: invalid type: sequence, expected PodSpec",
        ),
    ];
    for (spec, message) in cases {
        assert_eq!(refused(spec), message);
    }
}

#[test]
fn names_must_fit_into_those_of_pods_and_services() {
    let facts = Facts {
        default_image: IMAGE,
    };
    for (name, good) in [
        ("a", true),
        (&"a".repeat(40) as &str, true),
        (&"a".repeat(41), false),
        ("1a", false),
        ("a.b", false),
        ("a-", false),
        ("", false),
    ] {
        let mut object = object(json!({}));
        object.metadata.name = Some(name.to_owned());
        assert_eq!(validate(&object, &facts).is_ok(), good, "{name}");
    }
}

#[test]
fn defaults_are_those_of_the_schema() {
    let cluster = cluster(json!({}));
    let pool = &cluster.pools[0];
    assert_eq!(
        (pool.name.as_str(), pool.replicas, pool.slots),
        ("default", 1, 0)
    );
    assert_eq!(pool.max_unavailable, MaxUnavailable::Percent(25));
    assert_eq!(pool.drain_timeout_seconds, 600);
    assert_eq!(cluster.scheduler_url(), "tls://demo-scheduler.ns.svc:8786");
}

#[test]
fn the_image_is_the_specs_or_the_kept_or_the_default() {
    let with = |image: &str, kept: Option<&str>, default: &str| {
        let mut object = object(json!({"image": image}));
        object.status = kept.map(|kept| dasklike_operator_api::DaskLikeClusterStatus {
            image: Some(kept.to_owned()),
            ..Default::default()
        });
        validate(
            &object,
            &Facts {
                default_image: default,
            },
        )
        .map(|cluster| cluster.image)
    };
    assert_eq!(with("mine", Some("kept"), "new"), Ok("mine".to_owned()));
    assert_eq!(with("", Some("kept"), "new"), Ok("kept".to_owned()));
    assert_eq!(with("", None, "new"), Ok("new".to_owned()));
    assert_eq!(with("", None, ""), Err(Error::NoImage));
}

#[test]
fn labels_reach_the_pods_only_when_asked_for_and_never_the_operators() {
    let cluster = cluster(json!({"propagateLabels": ["team", "absent", "dasklike.dev/pool"]}));
    assert_eq!(
        cluster.propagated,
        [("team".to_owned(), "a".to_owned())].into()
    );
}

#[test]
fn a_hash_changes_with_its_own_part_only() {
    let hashes = |spec: Value| {
        let cluster = cluster(spec);
        (cluster.scheduler.hash, cluster.pools[0].part.hash.clone())
    };
    let base = hashes(json!({}));
    let cases = [
        (
            "the number of workers",
            json!({"worker": {"replicas": 7}}),
            (false, false),
        ),
        (
            "the time to drain",
            json!({"worker": {"drainTimeoutSeconds": 1}}),
            (false, false),
        ),
        (
            "how many may be missing",
            json!({"worker": {"maxUnavailable": 3}}),
            (false, false),
        ),
        ("suspension", json!({"suspend": true}), (false, false)),
        ("idleness", json!({"idle": {}}), (false, false)),
        (
            "labels",
            json!({"propagateLabels": ["team"]}),
            (false, false),
        ),
        (
            "another pool",
            json!({"pools": [{"name": "a"}]}),
            (false, false),
        ),
        ("the image", json!({"image": "other"}), (true, true)),
        ("slots", json!({"worker": {"slots": 2}}), (false, true)),
        (
            "a worker's resources",
            json!({"worker": {"resources": {"limits": {"cpu": 2}}}}),
            (false, true),
        ),
        (
            "a worker's template",
            worker_template(json!({"spec": {"hostNetwork": true}})),
            (false, true),
        ),
        (
            "the scheduler's template",
            json!({"scheduler": {"template": {"spec": {"hostNetwork": true}}}}),
            (true, false),
        ),
        ("TLS", json!({"tls": {"mode": "Disabled"}}), (true, true)),
    ];
    for (what, spec, differs) in cases {
        let other = hashes(spec);
        assert_eq!((other.0 != base.0, other.1 != base.1), differs, "{what}");
    }
}

/// The resource and the autoscaler each have their own type for a policy; what is left out means the same in both.
#[test]
fn a_policy_that_is_left_out_is_the_autoscalers_own() {
    let cluster = cluster(json!({"worker": {"autoscaling": {"maxReplicas": 7}}}));
    let policy = cluster.pools[0].autoscaling.clone().unwrap();
    assert_eq!(policy, dasklike_scaling::Policy::up_to(7));
}

#[test]
fn a_workers_slots_are_its_cpu_limit_rounded_up() {
    for (limit, slots) in [(json!("1500m"), 2), (json!(4), 4), (json!("0.1"), 1)] {
        let cluster = cluster(json!({"worker": {"resources": {"limits": {"cpu": limit}}}}));
        assert_eq!(cluster.pools[0].expected_slots.get(), slots);
    }
    let cluster = cluster(json!({"worker": {"slots": 3}}));
    assert_eq!(cluster.pools[0].expected_slots.get(), 3);
}
