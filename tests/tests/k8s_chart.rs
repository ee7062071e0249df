//! The charts on a real Kubernetes: install, upgrade, uninstall, and the rights that they give.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike_tests::charts::{EVERYTHING, objects, root, template};
use dasklike_tests::k8s::resource;
use dasklike_tests::k8s::{Namespace, helm, kubectl, output, until, with_namespace};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

/// How long a change may take to arrive in the cluster, on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// A right: API group, resource, verb, and the names that it is bound to.
type Right = (String, String, String, Vec<String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn install_upgrade_uninstall() {
    with_namespace(async move |namespace| {
        let name = namespace.name.as_str();
        // Another test, or an earlier run, may have brought the resource already.
        resource::in_turn(|| {
            run(chart(
                &["upgrade", "--install", "--take-ownership", "dasklike-crds"],
                "dasklike-crds",
                name,
            ));
        });
        let operator = |verb: &str, more: &[&str]| {
            let mut command = chart(
                &[verb, "dasklike", "--wait", "--timeout=2m"],
                "dasklike-operator",
                name,
            );
            command.args(ours(name)).args(more);
            run(command);
        };
        operator("install", &[]);
        assert_eq!(operator_pods(&namespace).await, 2);

        run(in_namespace(
            name,
            &["apply", "--filename", &path("examples/cluster.yaml")],
        ));
        run(in_namespace(
            name,
            &[
                "wait",
                "--for=condition=Ready",
                "dasklikecluster/demo",
                "--timeout=120s",
            ],
        ));
        let before = cluster_pods(&namespace).await;
        assert_eq!(before.len(), 3, "{before:?}");

        // Another replica count and another setting: the operator's pods are new, the cluster's are not.
        operator(
            "upgrade",
            &["--set", "replicas=1", "--set", "concurrency=8"],
        );
        until("the upgraded operator alone", SOON, || async {
            match operator_pods(&namespace).await {
                1 => Ok(()),
                n => Err(format!("{n} pods of operators")),
            }
        })
        .await;
        run(in_namespace(
            name,
            &["scale", "dasklikecluster/demo", "--replicas=3"],
        ));
        let after = until(
            "the worker that the upgraded operator adds",
            SOON,
            || async {
                let pods = cluster_pods(&namespace).await;
                if pods.len() == 4 {
                    Ok(pods)
                } else {
                    Err(format!("{pods:?}"))
                }
            },
        )
        .await;
        for (pod, uid) in &before {
            assert_eq!(after.get(pod), Some(uid), "the upgrade replaced {pod}");
        }

        // Without an operator the cluster stays, and can be deleted.
        run(release(
            "uninstall",
            &["dasklike", "--wait", "--timeout=2m"],
            name,
        ));
        run(release("uninstall", &["dasklike-crds", "--wait"], name));
        assert_eq!(cluster_pods(&namespace).await, after);
        run(in_namespace(
            name,
            &["delete", "dasklikecluster/demo", "--timeout=60s"],
        ));
        until("the cluster's pods to be gone", SOON, || async {
            let left = cluster_pods(&namespace).await;
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn the_operator_has_the_rights_that_it_uses_and_no_others() {
    with_namespace(async move |here| {
        with_namespace(async move |elsewhere| {
            let mut install = chart(&["install", "dasklike"], "dasklike-operator", &here.name);
            install.args(ours(&here.name)).args(["--set", "replicas=0"]);
            run(install);
            let account = format!("system:serviceaccount:{}:{}", here.name, here.name);
            let wanted = |names: &Namespace| [where_clusters_run(), lease(&names.name)].concat();
            settle(&account, &here.name, &wanted(&here)).await;
            settle(&account, &elsewhere.name, &[]).await;

            // Without a list of namespaces: the same everywhere, but for the Lease.
            let mut upgrade = chart(&["upgrade", "dasklike"], "dasklike-operator", &here.name);
            upgrade.args([
                "--set",
                &format!("fullnameOverride={}", here.name),
                "--set",
                "replicas=0",
            ]);
            run(upgrade);
            settle(&account, &here.name, &wanted(&here)).await;
            settle(&account, &elsewhere.name, &where_clusters_run()).await;
            run(release("uninstall", &["dasklike", "--wait"], &here.name));
            settle(&account, &here.name, &[]).await;
        })
        .await;
    })
    .await;
}

/// What the operator does where clusters run: `operator/src` has a place for each of these.
fn where_clusters_run() -> Vec<Right> {
    let apply = ["list", "watch", "create", "patch"];
    [
        (
            "dasklike.dev",
            "dasklikeclusters",
            &["list", "watch", "delete"][..],
        ),
        ("dasklike.dev", "dasklikeclusters/status", &["patch"]),
        ("dasklike.dev", "dasklikeclusters/finalizers", &["update"]),
        ("", "pods", &["get", "list", "watch", "create", "delete"]),
        ("", "services", &apply),
        ("", "secrets", &["get", "list", "watch", "create", "patch"]),
        ("networking.k8s.io", "networkpolicies", &apply),
        (
            "policy",
            "poddisruptionbudgets",
            &["list", "watch", "create", "patch", "delete"],
        ),
        ("events.k8s.io", "events", &["create", "patch"]),
    ]
    .into_iter()
    .flat_map(|(group, resource, verbs)| rights(group, resource, verbs, &[]))
    .collect()
}

fn lease(name: &str) -> Vec<Right> {
    let group = "coordination.k8s.io";
    let named = rights(group, "leases", &["get", "update"], &[name]);
    [rights(group, "leases", &["create"], &[]), named].concat()
}

fn rights(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> Vec<Right> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let right = |verb: &&str| {
        (
            group.to_owned(),
            resource.to_owned(),
            (*verb).to_owned(),
            names.clone(),
        )
    };
    verbs.iter().map(right).collect()
}

/// Waits until the API server allows `account` exactly `wanted` in `namespace`: it learns of roles by a watch.
async fn settle(account: &str, namespace: &str, wanted: &[Right]) {
    let wanted: BTreeSet<Right> = wanted.iter().cloned().collect();
    until(
        &format!("the rights of {account} in {namespace}"),
        SOON,
        || async {
            let allowed = allowed(account, namespace);
            if allowed == wanted {
                return Ok(());
            }
            Err(format!(
                "missing {:?}, too many {:?}",
                wanted.difference(&allowed).collect::<Vec<_>>(),
                allowed.difference(&wanted).collect::<Vec<_>>()
            ))
        },
    )
    .await;
}

/// What the API server says that `account` may do, but for what everyone may: ask who they are and what they may.
fn allowed(account: &str, namespace: &str) -> BTreeSet<Right> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace}});
    let review = file(&review.to_string());
    // Raw, since kubectl would first look for what it needs to check the request, which the account may not.
    let raw = "--raw=/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = output(&mut kubectl(&[
        "--as",
        account,
        "create",
        raw,
        "--filename",
        &at(&review),
    ]));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["incomplete"], false, "{answer}");
    let mut all = BTreeSet::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        let words = |key: &str| -> Vec<String> {
            let list = rule[key].as_array().into_iter().flatten();
            list.map(|w| w.as_str().unwrap().to_owned()).collect()
        };
        for group in words("apiGroups").iter().filter(|g| !g.starts_with("auth")) {
            for resource in words("resources") {
                for verb in words("verbs") {
                    all.insert((
                        group.clone(),
                        resource.clone(),
                        verb,
                        words("resourceNames"),
                    ));
                }
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn viewers_look_and_editors_change() {
    with_namespace(async move |namespace| {
        let name = namespace.name.as_str();
        resource::know();
        let mut install = chart(&["install", "dasklike"], "dasklike-operator", name);
        install.args(ours(name)).args(["--set", "replicas=0"]);
        run(install);
        for role in ["view", "edit"] {
            let who = format!("--user={role}er");
            run(in_namespace(
                name,
                &[
                    "create",
                    "rolebinding",
                    role,
                    &who,
                    &format!("--clusterrole={role}"),
                ],
            ));
        }
        for (user, verb, resource, expected) in [
            ("viewer", "list", "dasklikeclusters.dasklike.dev", true),
            ("viewer", "create", "dasklikeclusters.dasklike.dev", false),
            (
                "viewer",
                "patch",
                "dasklikeclusters.dasklike.dev/scale",
                false,
            ),
            ("viewer", "get", "secrets", false),
            ("editer", "create", "dasklikeclusters.dasklike.dev", true),
            (
                "editer",
                "patch",
                "dasklikeclusters.dasklike.dev/scale",
                true,
            ),
            (
                "editer",
                "patch",
                "dasklikeclusters.dasklike.dev/status",
                false,
            ),
            ("editer", "get", "secrets", true),
            ("editer", "create", "pods/portforward", true),
        ] {
            // The roles of users are put together by a controller, in its own time.
            until(
                &format!("whether a {user} may {verb} {resource}"),
                SOON,
                || async {
                    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
                    let sub = format!("--subresource={sub}");
                    let mut ask =
                        in_namespace(name, &["auth", "can-i", verb, resource, &sub, "--as", user]);
                    let said = ask.output().unwrap().stdout;
                    if said.starts_with(b"yes") == expected {
                        Ok(())
                    } else {
                        Err(format!("expected {expected}"))
                    }
                },
            )
            .await;
        }
        run(release("uninstall", &["dasklike", "--wait"], name));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn rendered_manifests_apply_without_helm() {
    with_namespace(async move |namespace| {
        let name = namespace.name.as_str();
        resource::know();

        let all = objects(&template("dasklike-operator", &EVERYTHING).unwrap());
        let known = all
            .into_iter()
            .filter(|o| !o["apiVersion"].as_str().unwrap().starts_with("monitoring."));
        let list = file(
            &json!({"apiVersion": "v1", "kind": "List", "items": inside(known, name)}).to_string(),
        );
        for way in [&["--server-side"][..], &[]] {
            let mut apply = kubectl(&[
                "apply",
                "--dry-run=server",
                "--validate=strict",
                "--filename",
                &at(&list),
            ]);
            apply.args(way);
            run(apply);
        }
        let examples = path("examples");
        run(in_namespace(
            name,
            &[
                "apply",
                "--dry-run=server",
                "--validate=strict",
                "--filename",
                &examples,
            ],
        ));
    })
    .await;
}

/// The objects, with those of the chart's namespace in `namespace`, which is there.
fn inside(objects: impl Iterator<Item = Value>, namespace: &str) -> Vec<Value> {
    objects
        .map(|mut object| {
            if let Some(there) = object.pointer_mut("/metadata/namespace") {
                *there = json!(namespace);
            }
            object
        })
        .collect()
}

/// Settings under which several installs do not meet: one namespace each, and names of its own.
fn ours(namespace: &str) -> [String; 4] {
    let set = || "--set".to_owned();
    [
        set(),
        format!("namespaces={{{namespace}}}"),
        set(),
        format!("fullnameOverride={namespace}"),
    ]
}

fn chart(command: &[&str], chart: &str, namespace: &str) -> Command {
    let mut command = helm(command);
    command.args([&path(&format!("charts/{chart}")), "--namespace", namespace]);
    command
}

fn release(verb: &str, more: &[&str], namespace: &str) -> Command {
    let mut command = helm(&[verb, "--namespace", namespace]);
    command.args(more);
    command
}

fn in_namespace(namespace: &str, arguments: &[&str]) -> Command {
    let mut command = kubectl(&["--namespace", namespace]);
    command.args(arguments);
    command
}

fn run(mut command: Command) {
    output(&mut command);
}

fn path(inside: &str) -> String {
    at_path(&root().join(inside))
}

fn at(file: &tempfile::NamedTempFile) -> String {
    at_path(file.path())
}

fn at_path(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

/// Names and uids of the pods of all clusters in the namespace.
async fn cluster_pods(namespace: &Namespace) -> BTreeMap<String, String> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=dasklike-operator");
    let pods = namespace.api::<Pod>().list(&ours).await.unwrap();
    let ids = pods
        .items
        .into_iter()
        .map(|pod| (pod.metadata.name.unwrap(), pod.metadata.uid.unwrap()));
    ids.collect()
}

async fn operator_pods(namespace: &Namespace) -> usize {
    let operators = ListParams::default().labels("app.kubernetes.io/name=dasklike-operator");
    namespace
        .api::<Pod>()
        .list(&operators)
        .await
        .unwrap()
        .items
        .len()
}
