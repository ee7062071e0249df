//! Fake nodes, whose pods become Running without being run: for measuring what only counts objects.

use super::layout::Layout;
use super::parts::Part;
use super::programs::{self, Program, data_files};
use super::ready::{self, kubectl};
use crate::run::say;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

/// Marks a node as kwok's. Tests select it, and pods for it must tolerate it, so that no ordinary pod lands there.
const MARK: (&str, &str) = ("kwok.x-k8s.io/node", "fake");

/// What kwok does to nodes and pods, and when: at once, but for the nodes' heartbeats. Without stages it does
/// nothing.
const STAGES: [&str; 5] = [
    "kustomize/stage/node/fast/node-initialize.yaml",
    "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "kustomize/stage/pod/fast/pod-ready.yaml",
    "kustomize/stage/pod/fast/pod-complete.yaml",
    "kustomize/stage/pod/fast/pod-delete.yaml",
];

/// Starts kwok unless it runs, and makes the nodes unless they are there.
pub(crate) fn ensure(layout: &Layout, nodes: u32) -> Result<()> {
    programs::ensure(&[Program::Kwok])?;
    if !ready::ended(layout, &[Part::Kwok])?.is_empty() {
        Part::Kwok.start(layout)?;
    }
    apply(layout, nodes)?;
    ready::wait(layout, "the fake nodes", &[Part::Kwok], || {
        Ok(ready_nodes(layout)? >= nodes as usize)
    })?;
    say(&format!("{nodes} fake nodes are ready"));
    Ok(())
}

/// kwok's command line.
pub(crate) fn arguments(layout: &Layout) -> Result<Vec<String>> {
    let stages = data_files(Program::Kwok, &STAGES)?;
    let (name, value) = MARK;
    let mut arguments = vec![
        format!("--kubeconfig={}", layout.kubeconfig().display()),
        format!("--manage-nodes-with-annotation-selector={name}={value}"),
        // Without leases nodes are taken for lost every now and then, and their pods for not ready, for good.
        "--node-lease-duration-seconds=40".into(),
        // Nobody asks fake nodes for logs, so there is nothing to listen for.
        "--server-address=".into(),
        "--node-port=0".into(),
        // Otherwise it writes a line for every change of every pod.
        "--v=WARN".into(),
    ];
    arguments.extend(
        stages
            .iter()
            .map(|stage| format!("--config={}", stage.display())),
    );
    Ok(arguments)
}

fn apply(layout: &Layout, nodes: u32) -> Result<()> {
    let items: Vec<Value> = (0..nodes).map(node).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let mut child = kubectl(layout)?
        .args(["apply", "--server-side", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start kubectl")?;
    child
        .stdin
        .take()
        .context("the pipe was asked for")?
        .write_all(list.to_string().as_bytes())
        .context("cannot write to kubectl")?;
    if !child.wait()?.success() {
        bail!("kubectl could not make the fake nodes");
    }
    Ok(())
}

fn node(number: u32) -> Value {
    let (name, value) = MARK;
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": format!("kwok-{number}"),
            "annotations": {name: value},
            "labels": {"type": "kwok", "kubernetes.io/role": "agent"},
        },
        "spec": {"taints": [{"key": name, "value": value, "effect": "NoSchedule"}]},
    })
}

fn ready_nodes(layout: &Layout) -> Result<usize> {
    let Some(list) = ready::get(layout, "/api/v1/nodes?labelSelector=type%3Dkwok")? else {
        return Ok(0);
    };
    let list: Value = serde_json::from_str(&list).context("the API server answers no JSON")?;
    let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(items.iter().filter(|node| ready::is_ready(node)).count())
}
