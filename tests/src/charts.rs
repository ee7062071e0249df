//! The Helm charts of the checkout, as files and as Helm renders them.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Kubernetes version that charts are rendered for. A Helm built from its Go module would say 1.20.
const KUBE_VERSION: &str = "1.34.4";

/// Values under which every optional object is rendered.
pub const EVERYTHING: [&str; 5] = [
    "metrics.serviceMonitor.enabled=true",
    "metrics.clusterPodMonitor.enabled=true",
    "alerts.enabled=true",
    "grafanaDashboard.enabled=true",
    "networkPolicy.enabled=true",
];

/// The checkout's root folder. Cargo starts a test in the folder of its package; where that was when the test was
/// compiled may be another checkout that shares the target folder.
pub fn root() -> PathBuf {
    let tests = std::env::current_dir().expect("a test is somewhere");
    tests
        .parent()
        .expect("a package is in the checkout")
        .to_owned()
}

/// A file of the checkout.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The one document in a YAML text.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("not YAML: {e}\n{text}"))
}

/// All objects in a YAML text.
pub fn objects(text: &str) -> Vec<Value> {
    let mut all: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("not YAML: {e}\n{text}"));
    all.retain(|object| !object.is_null());
    all
}

/// The resource that `dasklike-operator crd` wrote.
pub fn crd() -> Value {
    let crd = yaml(&read("crds/dasklikeclusters.dasklike.dev.yaml"));
    assert_eq!(crd["kind"], "CustomResourceDefinition");
    crd
}

/// Runs Helm, which `cargo xtask test --only k8s` builds.
pub fn helm(arguments: &[&str]) -> Output {
    let folder = std::env::var_os("DASKLIKE_TEST_BIN").expect(
        "DASKLIKE_TEST_BIN names no folder with helm: start this as `cargo xtask test --only k8s`",
    );
    Command::new(Path::new(&folder).join("helm"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("helm starts")
}

/// What `helm template` makes of a chart, in namespace `dasklike-system`.
pub fn template(chart: &str, settings: &[&str]) -> Result<String, String> {
    let chart = format!("charts/{chart}");
    let mut arguments = vec![
        "template",
        "dasklike",
        &chart,
        "--namespace",
        "dasklike-system",
        "--kube-version",
        KUBE_VERSION,
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let output = helm(&arguments);
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The objects of `kind` among `objects`.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}
