//! One image into one file, by buildah, which needs neither a daemon nor a registry.

use crate::run::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `buildah bud` is told.
pub(crate) struct Recipe {
    /// The Dockerfile.
    pub(crate) dockerfile: PathBuf,
    /// The stage that is the image; the last one if none is named.
    pub(crate) target: Option<String>,
    /// Stages of the Dockerfile whose place a folder takes.
    pub(crate) contexts: Vec<(String, PathBuf)>,
    /// The folder that `COPY` reads.
    pub(crate) context: PathBuf,
    /// The image's name, with its tag.
    pub(crate) name: String,
}

/// Builds the image and writes it to `file`, in the format of `docker save`.
pub(crate) fn archive(recipe: &Recipe, file: &Path) -> Result<()> {
    // The store is for this one image and goes with it: nothing here builds on a layer made before, and the
    // user's own images are left alone.
    let store = file.with_extension("store");
    let outcome = build(recipe, &store, file);
    if store.exists() {
        fs::remove_dir_all(&store).with_context(|| format!("cannot remove {}", store.display()))?;
    }
    outcome
}

fn build(recipe: &Recipe, store: &Path, file: &Path) -> Result<()> {
    let mut bud = buildah(store);
    bud.args(["bud", "--isolation", "chroot"])
        // The same programs give the same image, whenever it is made.
        .args(["--timestamp", "0"])
        .args(["--tag", &recipe.name, "--file"])
        .arg(&recipe.dockerfile);
    if let Some(target) = &recipe.target {
        bud.args(["--target", target]);
    }
    for (stage, folder) in &recipe.contexts {
        bud.arg("--build-context")
            .arg(format!("{stage}={}", folder.display()));
    }
    run(bud.arg(&recipe.context).stdout(std::io::stderr()))?;
    // buildah adds to a file that is there; and a file that is there must be whole.
    let unfinished = file.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_file(&unfinished)
            .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    run(buildah(store)
        .args(["push", &recipe.name])
        .arg(format!(
            "docker-archive:{}:{}",
            unfinished.display(),
            recipe.name
        ))
        .stdout(std::io::stderr()))?;
    fs::rename(&unfinished, file).with_context(|| format!("cannot make {}", file.display()))
}

fn buildah(store: &Path) -> Command {
    let mut command = Command::new("buildah");
    command
        .args(["--storage-driver", "vfs", "--root"])
        .arg(store.join("root"))
        .arg("--runroot")
        .arg(store.join("run"));
    command
}
