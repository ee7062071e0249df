//! What makes a fresh clone compile only what changed since the last clone that was built in the same target folder.
//!
//! Cargo tells what changed by the files' times, and in a clone all files are new. So a file whose text is what it was
//! gets back the time at which this text first came.

use crate::places;
use crate::run::say;
use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Kept in the target folder, so that it goes when what it speaks of goes.
const RECORD: &str = "dasklike-sources.json";

/// The files as they were last built, by their paths in the checkout.
type Sources = BTreeMap<String, Source>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    sha256: String,
    /// Since when the file has this text.
    since: SystemTime,
}

/// Gives the checkout's files the times at which their texts first came. Only for target folders that nobody builds
/// into without it: what others built meanwhile would be taken for what was built of these texts.
pub(crate) fn restore_times() -> Result<()> {
    let root = places::root()?;
    let record = places::target()?.join(RECORD);
    let known: Sources = match fs::read(&record) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
        Err(_) => Sources::new(),
    };
    let now = SystemTime::now();
    let mut sources = Sources::new();
    for path in tracked(&root)? {
        let file = root.join(&path);
        // A file that is listed and not there is a deletion that is not committed.
        let Ok(text) = fs::read(&file) else { continue };
        let source = current(known.get(&path), &text, now);
        File::options()
            .write(true)
            .open(&file)
            .and_then(|file| file.set_modified(source.since))
            .with_context(|| format!("cannot set the time of {}", file.display()))?;
        sources.insert(path, source);
    }
    let kept = sources.values().filter(|source| source.since != now);
    say(&format!(
        "{} of {} files are as they were when they were last built",
        kept.count(),
        sources.len()
    ));
    let text = serde_json::to_vec(&sources).context("cannot write down the sources")?;
    fs::write(&record, text).with_context(|| format!("cannot write {}", record.display()))
}

fn current(known: Option<&Source>, text: &[u8], now: SystemTime) -> Source {
    let sha256 = HEXLOWER.encode(&Sha256::digest(text));
    match known {
        Some(known) if known.sha256 == sha256 => known.clone(),
        _ => Source { sha256, since: now },
    }
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!("git cannot list the checkout's files");
    }
    let text = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let names = text.split('\0').filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_text_keeps_its_time_until_it_changes() {
        let (first, later) = (
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        );
        let a = current(None, b"a", first);
        assert_eq!(current(Some(&a), b"a", later), a);
        let b = current(Some(&a), b"b", later);
        assert_eq!(b.since, later);
        // What comes back is new: the last that was built was another.
        assert_eq!(current(Some(&b), b"a", later).since, later);
    }
}
