//! Python virtual environments, kept in the cache folder and named after what is in them.

use crate::places::{cache, root};
use crate::run::{run, say};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

/// The `bin` folder of an environment with the packages that the file `requirements` (a path in
/// the checkout) pins, made on first use.
pub(crate) fn ensure(requirements: &str) -> Result<PathBuf> {
    let list = root()?.join(requirements);
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let venvs = cache()?.join("venvs");
    fs::create_dir_all(&venvs).with_context(|| format!("cannot make {}", venvs.display()))?;
    let folder = venvs.join(format!("{:016x}", hasher.finish()));
    let done = folder.join("installed.txt");

    // Two runs at once must not both fill the folder.
    let lock_path = folder.with_extension("lock");
    let lock =
        File::create(&lock_path).with_context(|| format!("cannot make {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", lock_path.display()))?;
    if fs::read_to_string(&done).is_ok_and(|installed| installed == text) {
        return Ok(folder.join("bin"));
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    say(&format!(
        "installing {requirements} into {}",
        folder.display()
    ));
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        .context("python3 with venv and pip is needed: on Debian, the package python3-venv")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&list);
    run(pip.stdout(std::io::stderr()))?;
    // Written last: a folder without it is half made.
    fs::write(&done, &text).with_context(|| format!("cannot write {}", done.display()))?;
    Ok(folder.join("bin"))
}
