//! Files that are there whole or not at all.

use anyhow::{Context, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes `bytes` to a file beside `path` and renames it over `path`. Links are followed. A device or a pipe, such as
/// `/dev/null`, is written to: it must not be replaced by a file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = match takes_bytes(path) {
        true => fs::write(path, bytes),
        false => {
            let place = place(path);
            let beside = beside(&place);
            let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, place));
            if written.is_err() {
                // Best effort: the error of the writing is the one to tell.
                let _ = fs::remove_file(&beside);
            }
            written
        }
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Whether both are one file, however it is written; two results may go to one device.
pub(crate) fn are_same(one: &Path, other: &Path) -> bool {
    !takes_bytes(one) && place(one) == place(other)
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
        !path.is_dir() && path.file_name().is_some(),
        "cannot write {}: it is a folder",
        path.display()
    );
    if takes_bytes(path) {
        return Ok(());
    }
    let beside = beside(&place(path));
    let tried = fs::write(&beside, []).and_then(|()| fs::remove_file(&beside));
    tried.with_context(|| format!("cannot write {}", path.display()))
}

/// Whether it is there and neither a file nor a folder.
fn takes_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// Where a file is or will be, without links.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = folder(path);
        let folder = folder.canonicalize().unwrap_or(folder.to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}

/// A file of this process beside the file that is or will be at `place`.
fn beside(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
