//! Images in the node's containerd.

use super::layout::Layout;
use crate::run::run;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether containerd answers.
pub(crate) fn answers(layout: &Layout) -> Result<bool> {
    let status = ctr(layout)
        .arg("version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start ctr, which is in Debian's containerd")?;
    Ok(status.success())
}

/// Puts the images of an archive where the kubelet finds them.
pub(crate) fn import_archive(layout: &Layout, archive: &Path) -> Result<()> {
    // What it prints is talk; our stdout is for data.
    run(ctr(layout)
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(archive)
        .stdout(std::io::stderr()))
}

/// The same, into the cluster that runs.
pub(crate) fn import(archive: &Path) -> Result<()> {
    let layout = Layout::new()?;
    if !answers(&layout)? {
        bail!(
            "no test cluster runs to take {}: start it with `cargo xtask cluster up`, or name a kind cluster with --kind",
            archive.display()
        );
    }
    import_archive(&layout, archive)
}

fn ctr(layout: &Layout) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(layout.containerd_socket());
    command
}
