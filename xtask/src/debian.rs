//! Debian packages that tests need.

use crate::run::{on_path, run, say};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A program that must be there.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// Its name, to be found in `PATH`, or an absolute path.
    program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
}

impl Need {
    /// `program`, or the absolute path of one, from Debian's `package`.
    pub(crate) const fn new(program: &'static str, package: &'static str) -> Need {
        Need { program, package }
    }

    fn met(self) -> bool {
        // Joining an absolute path to a folder of PATH gives the absolute path.
        on_path(self.program)
    }
}

/// Makes sure that all `needs` are met, installing the Debian packages of those that are not when this is root.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
    let programs = programs.join(", ");
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !on_path("apt-get") {
        bail!(
            "not found: {programs}, and there is no apt-get: install what Debian calls {} by this system's own means",
            packages.join(" ")
        );
    }
    if !is_root()? {
        bail!(
            "not found: {programs}: run `sudo apt-get install {}`",
            packages.join(" ")
        );
    }
    say(&format!(
        "not found: {programs}; installing Debian's {}",
        packages.join(" ")
    ));
    // The list of packages may be absent or old; it is fetched only when the first try says so.
    if install(&packages).is_err() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        install(&packages)?;
    }
    match missing.iter().find(|need| !need.met()) {
        Some(need) => bail!(
            "Debian's {} is installed and `{}` is still not found",
            need.package,
            need.program
        ),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // What apt prints on stdout is talk; our stdout is for the tests' own lines.
    run(command.stdout(std::io::stderr()))
}

/// Whether this runs as root.
pub(crate) fn is_root() -> Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("cannot start `id -u`")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
