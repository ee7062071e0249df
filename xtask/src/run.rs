//! Running other programs, with what is run said on stderr.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// Says something to the person who waits.
pub(crate) fn say(text: &str) {
    eprintln!("xtask: {text}");
}

/// Runs `command` with this process's own output streams; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    say(&line);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Result<Command> {
    let program = std::env::var_os("CARGO")
        .context("start this as `cargo xtask`, cargo says where cargo is")?;
    let mut command = Command::new(program);
    command.current_dir(crate::places::root()?);
    // Cargo sets these for the program it runs; handed on, they would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Whether `program` is found in `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
