//! Files that are there whole or not at all.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Writes `bytes` to a file beside `path` and renames it over `path`.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path
        .file_name()
        .with_context(|| format!("{} is no file name", path.display()))?;
    let beside = path.with_file_name(format!(
        ".{}.{}.part",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the error of the writing is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Whether both are one file, however it is written.
pub(crate) fn are_same(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let same = place(one).and_then(|one| Ok(one == place(other)?));
    same.with_context(|| format!("cannot find the folder of {}", other.display()))
}

/// Whether a file can be written there, before anything is computed for it.
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = folder(path);
    ensure!(
        folder.is_dir(),
        "cannot write {}: there is no folder {}",
        path.display(),
        folder.display()
    );
    ensure!(
        !path.is_dir(),
        "cannot write {}: it is a folder",
        path.display()
    );
    Ok(())
}

/// Where a file is or will be.
fn place(path: &Path) -> io::Result<PathBuf> {
    let folder = folder(path).canonicalize()?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
