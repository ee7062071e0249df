//! An operator of a test's own, and what a user does with clusters.

use super::namespace::Namespace;
use super::resource;
use super::tools::{helm, kubectl, output};
use super::wait::until;
use crate::charts::root;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long what takes the operator and a few pods a second or two may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(120);

/// Installs the resource and an operator that looks after `namespace` alone, and runs in it.
pub fn install(namespace: &Namespace, settings: &[&str]) {
    let name = namespace.name.as_str();
    resource::know();
    let mut install = helm(&["install", "dasklike", "--wait", "--timeout=2m"]);
    install
        .arg(root().join("charts/dasklike-operator"))
        .args(["--namespace", name])
        .args(["--set", &format!("namespaces={{{name}}}")])
        .args(["--set", &format!("fullnameOverride={name}")])
        .args(["--set", "replicas=1"])
        .args(settings);
    output(&mut install);
}

/// Takes the operator away again; clusters stay until their namespace goes.
pub fn uninstall(namespace: &Namespace) {
    output(&mut helm(&[
        "uninstall",
        "dasklike",
        "--wait",
        "--namespace",
        &namespace.name,
    ]));
}

/// `kubectl` in the test's namespace; the test fails if it does.
pub fn run(namespace: &Namespace, arguments: &[&str]) -> String {
    output(kubectl(&["--namespace", &namespace.name]).args(arguments))
}

/// `kubectl apply` of a cluster with this spec.
pub fn apply(namespace: &Namespace, name: &str, spec: Value) -> String {
    let cluster = cluster(name, spec);
    apply_text(Some(&namespace.name), &cluster.to_string())
}

/// What `kubectl apply` says against a cluster with this spec.
pub fn refusal(namespace: &Namespace, name: &str, spec: Value) -> String {
    let (ok, _, stderr) = try_apply(Some(&namespace.name), &cluster(name, spec).to_string());
    assert!(!ok, "a bad cluster was accepted");
    stderr
}

fn cluster(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
        "metadata": {"name": name}, "spec": spec})
}

pub(super) fn apply_text(namespace: Option<&str>, text: &str) -> String {
    let (ok, stdout, stderr) = try_apply(namespace, text);
    assert!(ok, "kubectl apply failed\n{stderr}");
    stdout
}

fn try_apply(namespace: Option<&str>, text: &str) -> (bool, String, String) {
    let mut command = kubectl(&["apply", "--filename=-"]);
    if let Some(namespace) = namespace {
        command.args(["--namespace", namespace]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cannot start kubectl");
    let mut stdin = child.stdin.take().expect("the pipe was asked for");
    stdin.write_all(text.as_bytes()).expect("kubectl reads");
    drop(stdin);
    let output = child.wait_with_output().expect("kubectl ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Waits until the cluster is Ready for the spec that it has now.
pub async fn ready(namespace: &Namespace, name: &str) {
    status(namespace, name, "to be Ready", |cluster| {
        let settled = cluster["status"]["observedGeneration"] == cluster["metadata"]["generation"];
        settled
            && condition(cluster, "Ready").0 == "True"
            && condition(cluster, "Progressing").0 != "True"
    })
    .await;
}

/// Waits until the cluster is as `wanted` says.
pub async fn status(
    namespace: &Namespace,
    name: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    until(&format!("the cluster {name} {what}"), SOON, || async {
        let cluster = get(namespace, name);
        match wanted(&cluster) {
            true => Ok(cluster),
            false => Err(cluster["status"].to_string()),
        }
    })
    .await
}

/// The cluster as it is now.
pub fn get(namespace: &Namespace, name: &str) -> Value {
    let text = run(
        namespace,
        &["get", "dasklikecluster", name, "--output=json"],
    );
    serde_json::from_str(&text).expect("kubectl prints JSON")
}

/// Status, reason and message of a condition; empty where there is none.
pub fn condition<'a>(cluster: &'a Value, kind: &str) -> (&'a str, &'a str, &'a str) {
    let conditions = cluster["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    let word = |key: &str| found.and_then(|c| c[key].as_str()).unwrap_or_default();
    (word("status"), word("reason"), word("message"))
}

/// The cluster's pods by name, those that are on their way out left aside: uid, and the hash of their template.
pub async fn pods(namespace: &Namespace, name: &str) -> BTreeMap<String, (String, String)> {
    let label = format!("dasklike.dev/cluster={name}");
    let list = namespace
        .api::<Pod>()
        .list(&ListParams::default().labels(&label))
        .await
        .expect("pods can be listed");
    list.into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .map(|pod| {
            let labels = pod.metadata.labels.unwrap_or_default();
            let hash = labels.get("dasklike.dev/hash").cloned().unwrap_or_default();
            let uid = pod.metadata.uid.unwrap_or_default();
            (pod.metadata.name.unwrap_or_default(), (uid, hash))
        })
        .collect()
}

/// `dasklike connect`, ended when this is dropped, with contexts of its own.
pub struct Connection {
    child: Child,
    contexts: tempfile::TempDir,
}

impl Connection {
    /// Connects to the cluster, and waits until its context is written.
    pub async fn open(namespace: &Namespace, name: &str) -> Connection {
        let contexts = tempfile::tempdir().expect("a folder for contexts");
        let mut child = Command::new(program("dasklike"))
            .args(["connect", name, "--namespace", &namespace.name])
            .env("KUBECONFIG", super::cluster::kubeconfig())
            .env("DASKLIKE_CONTEXTS", contexts.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cannot start dasklike");
        // What it says is shown if the test fails, and must be read, or it would wait.
        let stderr = child.stderr.take().expect("the pipe was asked for");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("dasklike connect: {line}");
            }
        });
        // From here on it ends with this value, also when the context never comes.
        let connection = Connection { child, contexts };
        let context = connection.contexts().join(format!("{name}.json"));
        until(&format!("the context {name}"), SOON, || async {
            match context.is_file() {
                true => Ok(()),
                false => Err("there is none yet".to_owned()),
            }
        })
        .await;
        connection
    }

    /// The folder of its contexts.
    pub fn contexts(&self) -> &Path {
        self.contexts.path()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that has ended already has told why.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of this build: two folders above the test.
fn program(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("this program is somewhere");
    let program = me.ancestors().nth(2).expect("cargo's folders").join(name);
    assert!(
        program.is_file(),
        "{} is not built: cargo build --release --workspace --bins",
        program.display()
    );
    program
}
