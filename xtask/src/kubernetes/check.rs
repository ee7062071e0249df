//! `cargo xtask test --only k8s`: the tests that need a Kubernetes, with what they need around them.

use super::programs::{self, Program};
use super::{down, is_up, up};
use crate::checks::{build_programs, run_with_data};
use crate::images;
use crate::places::target;
use crate::run::{cargo, say};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the kubeconfig of a cluster to test on, and tells the tests which one it is.
pub(crate) const KUBECONFIG: &str = "DASKLIKE_TEST_KUBECONFIG";
/// Tells the tests where kubectl and helm are.
const TOOLS: &str = "DASKLIKE_TEST_BIN";

/// Runs the tests on the cluster that the environment names, or on our own. One that was started for them is ended
/// after them; one that ran already is somebody's.
pub(crate) fn run_tests() -> Result<()> {
    let tools = tools()?;
    if let Some(path) = std::env::var_os(KUBECONFIG) {
        let path = given(&path)?;
        images_into(&path)?;
        return run_tests_on(&path, &tools);
    }
    let stays = is_up()?;
    let path = up()?;
    let outcome = images::build_and_load(&[], None).and_then(|()| run_tests_on(&path, &tools));
    if stays {
        return outcome;
    }
    let ended = down();
    outcome.and(ended)
}

fn run_tests_on(kubeconfig: &Path, tools: &Path) -> Result<()> {
    build_programs()?;
    let mut test = cargo()?;
    test.args([
        "test",
        "--release",
        "--workspace",
        "--locked",
        "--no-fail-fast",
    ]);
    // Plain `cargo test` lists these tests as ignored, with the reason.
    test.args(["--test", "k8s_*", "--", "--include-ignored"]);
    run_with_data(test.env(KUBECONFIG, kubeconfig).env(TOOLS, tools))
}

/// The kubeconfig that the user names.
fn given(path: &std::ffi::OsStr) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| {
        format!(
            "{KUBECONFIG} is set to {}, which cannot be read",
            path.display()
        )
    })
}

/// Loads the images into a kind cluster. How they get into any other is its owner's knowledge.
fn images_into(kubeconfig: &Path) -> Result<()> {
    let output = Command::new(Program::Kubectl.path()?)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["config", "current-context"])
        .output()
        .context("cannot start kubectl")?;
    let context = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || context.is_empty() {
        bail!("{} has no current context", kubeconfig.display());
    }
    match context.strip_prefix("kind-") {
        Some(name) => images::build_and_load(&[], Some(name)),
        None => {
            say(&format!(
                "the nodes of {context} must have the images localhost/dasklike:dev and localhost/dasklike-operator:dev of this checkout"
            ));
            Ok(())
        }
    }
}

/// A folder with kubectl and helm.
fn tools() -> Result<PathBuf> {
    let tools = [Program::Kubectl, Program::Helm];
    programs::ensure(&tools)?;
    let folder = target()?.join("kubernetes-tools");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for tool in tools {
        let link = folder.join(tool.name());
        // An older link may lead to an older version.
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
        }
        symlink(tool.path()?, &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(folder)
}
