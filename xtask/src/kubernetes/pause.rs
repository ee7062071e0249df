//! The pause container that holds each pod's namespaces: Kubernetes' own source, compiled here, because no
//! registry may be at hand.

use super::programs::{Program, data_files};
use crate::images::{Recipe, archive};
use crate::places::root;
use crate::run::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Its name, as containerd asks for it.
pub(crate) const IMAGE: &str = "localhost/pause:dev";

/// The archive with the image, made on first use.
pub(crate) fn ensure() -> Result<PathBuf> {
    let sources = data_files(Program::Kubelet, &["build/pause/linux/pause.c"])?;
    let source = sources.first().context("one file was asked for")?;
    let archive_path = source.with_file_name("pause.tar");
    if archive_path.exists() {
        return Ok(archive_path);
    }
    let context = source.with_file_name("pause");
    fs::create_dir_all(&context).with_context(|| format!("cannot make {}", context.display()))?;
    run(Command::new("cc")
        .args(["-Os", "-static", "-s", "-o"])
        .arg(context.join("pause"))
        .arg(source))
    .context("a C compiler with a static libc is needed: on Debian, the package gcc")?;
    archive(
        &Recipe {
            dockerfile: root()?.join("tests/kubernetes/config/pause.Dockerfile"),
            target: None,
            context: context.clone(),
            contexts: Vec::new(),
            name: IMAGE.to_owned(),
        },
        &archive_path,
    )?;
    Ok(archive_path)
}
