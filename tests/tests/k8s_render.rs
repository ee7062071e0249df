//! The charts as Helm renders them: no cluster is needed, only Helm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::charts::{EVERYTHING, crd, helm, objects, of_kind, root, template};
use serde_json::{Value, json};

/// Value sets whose rendering is kept in `tests/snapshots/charts`: what it is called, the chart, the settings.
const CASES: [(&str, &str, &[&str]); 5] = [
    ("operator-default", "dasklike-operator", &[]),
    (
        "operator-namespaces",
        "dasklike-operator",
        &["namespaces={team-a,team-b}", "rbac.aggregateToUsers=false"],
    ),
    ("operator-everything", "dasklike-operator", &EVERYTHING),
    (
        "operator-placed",
        "dasklike-operator",
        &[
            "fullnameOverride=dlo",
            "replicas=1",
            "image.repository=registry.example/dasklike-operator",
            "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "engineImage.repository=registry.example/dasklike",
            "engineImage.tag=",
            "imagePullSecrets[0].name=registry",
            "priorityClassName=system-cluster-critical",
            "nodeSelector.role=infra",
            "tolerations[0].key=infra,tolerations[0].operator=Exists",
            "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=role,affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists",
            "serviceAccount.create=false,serviceAccount.name=mine",
            "extraEnv[0].name=RUST_LOG,extraEnv[0].value=debug",
            "logFormat=text",
        ],
    ),
    ("crds-default", "dasklike-crds", &["labels.team=platform"]),
];

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn charts_pass_lint() {
    for chart in ["charts/dasklike-crds", "charts/dasklike-operator"] {
        let output = helm(&["lint", "--strict", chart]);
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn renderings_are_as_kept() {
    let folder = root().join("tests/snapshots/charts");
    let update = std::env::var_os("DASKLIKE_UPDATE_SNAPSHOTS").is_some();
    let mut differ = Vec::new();
    for (name, chart, settings) in CASES {
        let fresh = template(chart, settings).unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder.join(format!("{name}.yaml"));
        if std::fs::read_to_string(&path).is_ok_and(|kept| kept == fresh) {
            continue;
        }
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &fresh).unwrap();
        } else {
            differ.push(format!(
                "{name}: {}",
                first_difference(&std::fs::read_to_string(&path).unwrap_or_default(), &fresh)
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "not as kept; if that is meant, run this with DASKLIKE_UPDATE_SNAPSHOTS=1 and commit the result\n{}",
        differ.join("\n")
    );
}

fn first_difference(kept: &str, fresh: &str) -> String {
    let number = kept
        .lines()
        .zip(fresh.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(end)").to_owned();
    format!(
        "line {}: kept `{}`, rendered `{}`",
        number + 1,
        line(kept),
        line(fresh)
    )
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn unknown_and_wrong_values_are_refused_by_name() {
    for (chart, setting, name) in [
        ("dasklike-operator", "replica=3", "replica"),
        ("dasklike-operator", "image.repo=x", "repo"),
        (
            "dasklike-operator",
            "metrics.serviceMonitor.enable=true",
            "enable",
        ),
        ("dasklike-operator", "image.digest=latest", "digest"),
        ("dasklike-operator", "namespaces={Not_A_Name}", "namespaces"),
        ("dasklike-operator", "logFormat=xml", "logFormat"),
        ("dasklike-operator", "concurrency=0", "concurrency"),
        ("dasklike-crds", "keep=false", "keep"),
    ] {
        let error = template(chart, &[setting]).expect_err(setting);
        assert!(
            error.contains(name),
            "--set {setting}: the message does not name {name}: {error}"
        );
    }
    let error = template(
        "dasklike-operator",
        &[
            "metrics.serviceMonitor.enabled=true",
            "metrics.service.enabled=false",
        ],
    )
    .expect_err("a ServiceMonitor without a Service");
    assert!(error.contains("metrics.service.enabled"), "{error}");
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn the_crd_chart_renders_the_resource_and_keeps_it() {
    let rendered = objects(&template("dasklike-crds", &[]).unwrap());
    let [rendered] = rendered.as_slice() else {
        panic!("{} objects", rendered.len());
    };
    let made = crd();
    let mut differ = Vec::new();
    differences(&made["spec"], &rendered["spec"], "spec", &mut differ);
    assert!(
        differ.is_empty(),
        "the template changed the resource: {differ:?}"
    );
    assert_eq!(rendered["metadata"]["name"], made["metadata"]["name"]);
    assert_eq!(
        rendered["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
}

/// The paths at which two values differ. Numbers are compared as numbers: Helm writes 1.0 as 1.
fn differences(made: &Value, rendered: &Value, path: &str, out: &mut Vec<String>) {
    match (made, rendered) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for (key, value) in a {
                differences(value, &b[key], &format!("{path}.{key}"), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{path}[{number}]"), out);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        _ => out.push(path.to_owned()),
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn the_operator_pod_is_restricted() {
    for (name, chart, settings) in CASES.iter().filter(|case| case.1 == "dasklike-operator") {
        let objects = objects(&template(chart, settings).unwrap());
        for deployment in of_kind(&objects, "Deployment") {
            let pod = &deployment["spec"]["template"]["spec"];
            let problems = restricted_problems(pod);
            assert!(problems.is_empty(), "{name}: {}", problems.join(", "));
        }
    }
}

/// What the pod security standard `restricted` of Kubernetes 1.34 and the project's own rules object to.
fn restricted_problems(pod: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        if pod.get(key).is_some_and(|v| *v == json!(true)) {
            problems.push(key.to_owned());
        }
    }
    let whole = &pod["securityContext"];
    if whole["runAsNonRoot"] != true || whole["runAsUser"] == 0 {
        problems.push("runAsNonRoot".to_owned());
    }
    if whole["seccompProfile"]["type"] != "RuntimeDefault" {
        problems.push("seccompProfile".to_owned());
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let allowed = [
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        if !allowed.iter().any(|kind| volume.get(kind).is_some()) {
            problems.push(format!("volume {}", volume["name"]));
        }
    }
    let containers = ["initContainers", "containers"]
        .map(|key| pod[key].as_array().cloned().unwrap_or_default())
        .concat();
    for container in containers {
        let context = &container["securityContext"];
        let wanted = [
            ("allowPrivilegeEscalation", json!(false)),
            ("readOnlyRootFilesystem", json!(true)),
            ("capabilities", json!({"drop": ["ALL"]})),
        ];
        for (key, value) in wanted {
            if context[key] != value {
                problems.push(format!("{} {key}", container["name"]));
            }
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if container.get(probe).is_none() {
                problems.push(format!("{} has no {probe}", container["name"]));
            }
        }
        if container["resources"]["limits"]["memory"].is_null() {
            problems.push(format!("{} has no memory limit", container["name"]));
        }
    }
    problems
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn names_say_each_thing_once() {
    for (release, expected) in [
        ("dasklike", "dasklike-operator"),
        ("dasklike-operator", "dasklike-operator"),
        ("team", "team-dasklike-operator"),
    ] {
        let output = helm(&[
            "template",
            release,
            "charts/dasklike-operator",
            "--kube-version",
            "1.34.4",
        ]);
        let objects = objects(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(
            of_kind(&objects, "Deployment")[0]["metadata"]["name"],
            expected,
            "release {release}"
        );
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn nothing_is_cluster_wide_when_namespaces_are_named() {
    let rendered = template(
        "dasklike-operator",
        &["namespaces={team-a}", "rbac.aggregateToUsers=false"],
    )
    .unwrap();
    let objects = objects(&rendered);
    let wide: Vec<&Value> = objects
        .iter()
        .filter(|o| o["kind"].as_str().unwrap().starts_with("Cluster"))
        .collect();
    assert!(wide.is_empty(), "{wide:?}");
    for object in &objects {
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .expect("an object without a namespace");
        assert!(
            ["team-a", "dasklike-system"].contains(&namespace),
            "{namespace}"
        );
    }
}

#[test]
#[ignore = "needs helm: cargo xtask test --only k8s"]
fn the_dashboard_arrives_whole() {
    let objects = objects(&template("dasklike-operator", &EVERYTHING).unwrap());
    let config = of_kind(&objects, "ConfigMap")[0];
    let dashboard: Value =
        serde_json::from_str(config["data"]["dasklike.json"].as_str().unwrap()).unwrap();
    let kept =
        std::fs::read(root().join("charts/dasklike-operator/dashboards/dasklike.json")).unwrap();
    assert_eq!(dashboard, serde_json::from_slice::<Value>(&kept).unwrap());
}
