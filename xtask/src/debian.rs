//! Debian packages that tests need.

use crate::run::{on_path, run, say};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Makes sure that `program` can be started, installing the Debian `package` when this is root.
pub(crate) fn ensure(program: &str, package: &str) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!(
            "`{program}` is not in PATH and there is no apt-get: install it by this system's own means"
        );
    }
    if !is_root()? {
        bail!("`{program}` is not in PATH: run `sudo apt-get install {package}`");
    }
    say(&format!(
        "`{program}` is not in PATH, installing Debian's {package}"
    ));
    // The list of packages may be absent or old; it is fetched only when the first try says so.
    if install(package).is_err() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        install(package)?;
    }
    if !on_path(program) {
        bail!("Debian's {package} is installed and `{program}` is still not in PATH");
    }
    Ok(())
}

fn install(package: &str) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["install", "-y", "-qq", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    // What apt prints on stdout is talk; our stdout is for the tests' own lines.
    run(command.stdout(std::io::stderr()))
}

fn is_root() -> Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("cannot start `id -u`")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
