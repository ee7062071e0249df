//! The rules of `ARCHITECTURE.md` that a machine can check: which crate may use which, and what the pure cores
//! never touch.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each folder's crate and the crates of this project that it may use. What is not listed may use all.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("dasklike-operator-api", &[]),
    ("dasklike-scaling", &[]),
    (
        "dasklike-operator",
        &[
            "dasklike-operator-api",
            "dasklike-scaling",
            "dasklike-proto-admin",
        ],
    ),
    ("dasklike-graph", &[]),
    ("dasklike-array", &["dasklike-graph"]),
    ("dasklike-storage", &["dasklike-graph"]),
    ("dasklike-proto-engine", &["dasklike-graph"]),
    ("dasklike-proto-admin", &[]),
    (
        "dasklike-scheduler",
        &[
            "dasklike-proto-admin",
            "dasklike-proto-engine",
            "dasklike-graph",
        ],
    ),
    (
        "dasklike-worker",
        &[
            "dasklike-proto-engine",
            "dasklike-array",
            "dasklike-storage",
            "dasklike-graph",
        ],
    ),
    (
        "dasklike",
        &[
            "dasklike-worker",
            "dasklike-scheduler",
            "dasklike-scaling",
            "dasklike-proto-admin",
            "dasklike-proto-engine",
            "dasklike-storage",
            "dasklike-array",
            "dasklike-graph",
        ],
    ),
];

/// Crates outside of the project that pull in more than their user should know.
const BANNED_CRATES: [(&str, &[&str]); 3] = [
    (
        "dasklike-operator-api",
        &["tokio", "hyper", "tower", "kube-client", "kube-runtime"],
    ),
    (
        "dasklike-graph",
        &[
            "tokio",
            "tonic",
            "prost",
            "ndarray",
            "object_store",
            "zarrs",
        ],
    ),
    ("dasklike-scheduler", &["ndarray", "object_store", "zarrs"]),
];

/// What a core that is a function of its events never names, with the reason.
const BANNED_IN_CORES: [(&str, &str); 17] = [
    ("std::time", "time comes with the event"),
    ("SystemTime", "time comes with the event"),
    ("Instant::now", "time comes with the event"),
    ("std::env", "settings come with the configuration"),
    ("std::fs", "files belong to the edge"),
    ("std::io", "files and sockets belong to the edge"),
    ("std::net", "sockets belong to the edge"),
    ("std::process", "processes belong to the edge"),
    ("thread::", "threads belong to the edge"),
    ("Mutex", "a core has one owner"),
    ("tokio", "a core is synchronous"),
    ("tonic", "the wire belongs to the edge"),
    ("prost", "the wire belongs to the edge"),
    ("dasklike_proto", "the wire belongs to the edge"),
    ("tracing::", "a core says what happened in its effects"),
    ("rand::", "a core is the same every time"),
    (
        "HashMap",
        "its order differs from run to run: use a BTreeMap",
    ),
];

fn root() -> PathBuf {
    std::env::current_dir()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"]
        .as_array()
        .expect("there are packages")
        .clone()
}

fn dependencies(package: &Value) -> Vec<&str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.map(|d| d["name"].as_str().unwrap()).collect()
}

#[test]
fn arrows_point_down_only() {
    let packages = packages();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, may_use)) = MAY_USE.iter().find(|(n, _)| *n == name) else {
            continue;
        };
        let banned = BANNED_CRATES
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(&[][..], |b| b.1);
        for used in dependencies(package) {
            let ours = packages.iter().any(|p| p["name"] == used);
            if (ours && !may_use.contains(&used)) || banned.contains(&used) {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "ARCHITECTURE.md does not allow: {}",
        wrong.join(", ")
    );
    for (name, _) in MAY_USE {
        assert!(
            packages.iter().any(|p| p["name"] == name),
            "{name} is in the table and not in the workspace"
        );
    }
}

#[test]
fn cores_are_pure() {
    let mut wrong = Vec::new();
    for core in [
        "scheduler/src/core",
        "worker/src/core",
        "operator/src/core",
        "operator/scaling/src",
    ] {
        let files = rust_files(&root().join(core));
        assert!(!files.is_empty(), "{core} has no files");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (name, why) in BANNED_IN_CORES {
                    if code.contains(name) {
                        wrong.push(format!("{}:{}: {name}: {why}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a pure core names what it must not:\n{}",
        wrong.join("\n")
    );
}

/// `cargo xtask test` runs the ignored tests of files with such names, and of no others.
#[test]
fn no_test_is_left_out_for_its_files_name() {
    for file in rust_files(&root().join("tests/tests")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let waits = text
            .lines()
            .any(|line| line.starts_with("#[ignore") && line.contains("--only k8s"));
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(
            !waits || name.starts_with("k8s_"),
            "{name} has tests that `--only k8s` would not run: call it k8s_..."
        );
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
