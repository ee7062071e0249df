//! A namespace for each test: shown when the test fails, and removed.

use super::cluster::client;
use super::tools::kubectl;
use super::wait::until;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

/// How long a namespace may take to be gone. Its controller looks every few seconds, and pods have their grace.
const GONE: Duration = Duration::from_secs(120);

/// The namespace of one test. It enforces the restricted pod security standard, as careful users' do.
#[derive(Clone)]
pub struct Namespace {
    /// The API server, as the administrator.
    pub client: Client,
    /// The namespace's name, which no other test has.
    pub name: String,
}

impl Namespace {
    /// The objects of one kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }
}

/// Runs `test` in a new namespace. When it fails, what the namespace holds is printed. The namespace is removed
/// either way, unless DASKLIKE_TEST_KEEP is set.
pub async fn with_namespace<F, Fut>(test: F)
where
    F: FnOnce(Namespace) -> Fut,
    Fut: Future<Output = ()>,
{
    let namespace = create().await;
    let outcome = AssertUnwindSafe(test(namespace.clone()))
        .catch_unwind()
        .await;
    if outcome.is_err() {
        dump(&namespace.name);
    }
    if std::env::var_os("DASKLIKE_TEST_KEEP").is_some() {
        eprintln!(
            "the namespace {} stays, DASKLIKE_TEST_KEEP is set",
            namespace.name
        );
    } else {
        delete(&namespace, outcome.is_ok()).await;
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

async fn create() -> Namespace {
    let client = client().await;
    let namespace: NamespaceObject = serde_json::from_value(json!({
        "metadata": {
            "generateName": "dasklike-test-",
            "labels": {
                "dasklike.dev/test": "true",
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
    }))
    .unwrap();
    let created = Api::<NamespaceObject>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .expect("no namespace can be made");
    let name = created.metadata.name.expect("every object has a name");
    let namespace = Namespace { client, name };
    // Pods made before it are refused.
    let accounts = namespace.api::<ServiceAccount>();
    until("the namespace's ServiceAccount", GONE, || async {
        match accounts.get_opt("default").await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("it is not there yet".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    })
    .await;
    namespace
}

/// A test that failed already is not failed again by what its namespace does at the end.
async fn delete(namespace: &Namespace, strict: bool) {
    let namespaces = Api::<NamespaceObject>::all(namespace.client.clone());
    let deleted = namespaces
        .delete(&namespace.name, &DeleteParams::default())
        .await;
    if !strict {
        return;
    }
    deleted.expect("the namespace cannot be deleted");
    until("the namespace to be gone", GONE, || async {
        match namespaces.get_opt(&namespace.name).await {
            Ok(None) => Ok(()),
            Ok(Some(left)) => Err(format!("{:?}", left.status.and_then(|s| s.conditions))),
            Err(e) => Err(e.to_string()),
        }
    })
    .await;
}

/// Prints what people would look at first.
fn dump(name: &str) {
    let show = |arguments: &[&str]| {
        let mut command = kubectl(&["--namespace", name]);
        match command.args(arguments).output() {
            Ok(output) => eprintln!(
                "--- kubectl --namespace {name} {}\n{}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => eprintln!("--- kubectl cannot be started: {error}"),
        }
    };
    show(&["get", "all", "--output=wide"]);
    // Clusters of ours, if the cluster knows what that is.
    show(&["get", "dasklike", "--output=yaml"]);
    show(&["describe", "pods"]);
    show(&["get", "events", "--sort-by=.lastTimestamp"]);
    let mut pods = kubectl(&["--namespace", name, "get", "pods", "--output=name"]);
    let pods = pods
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    for pod in pods.lines() {
        show(&["logs", pod, "--all-containers", "--prefix", "--tail=100"]);
    }
}
