//! The folders these commands work in.

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use std::path::{Path, PathBuf};

/// The checkout's root folder.
///
/// Cargo says at run time where this crate is; what it said when compiling may be an older
/// checkout that shares the target folder.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("start this as `cargo xtask`, cargo says where the checkout is")?;
    let crate_dir = PathBuf::from(manifest);
    crate_dir
        .parent()
        .map(PathBuf::from)
        .with_context(|| format!("{} has no parent folder", crate_dir.display()))
}

/// The folder that cargo builds into: this program is two folders deep in it.
pub(crate) fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    own.parent()
        .and_then(Path::parent)
        .map(PathBuf::from)
        .with_context(|| format!("{} is not where cargo puts programs", own.display()))
}

/// The project's folder in the user's cache, made when it is not there.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy()
        .context("cannot tell where the user's cache folder is, set HOME")?;
    let folder = base.cache_dir().join("dasklike");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
