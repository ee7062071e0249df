//! The other programs of a benchmark: our own, which cargo puts beside this one, and Python.

use crate::race::Run;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

/// The `dasklike` command.
pub(crate) fn dasklike() -> Result<Command> {
    beside("dasklike")
}

/// The example, a whole process.
pub(crate) fn example() -> Result<Command> {
    beside("examples/ndvi_timeseries")
}

/// The comparison of scaling policies.
pub(crate) fn comparison() -> Result<Command> {
    beside("examples/compare")
}

/// The operator.
pub(crate) fn operator() -> Result<Command> {
    beside("dasklike-operator")
}

fn beside(name: &str) -> Result<Command> {
    let path = std::env::current_exe()
        .context("cannot tell where this program is")?
        .with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is not built: start benchmarks as `cargo xtask bench`",
            path.display()
        );
    }
    Ok(Command::new(path))
}

/// What a peer prints.
#[derive(Deserialize)]
struct PeerOutput {
    seconds: Vec<f64>,
    result: Vec<Option<f64>>,
}

/// Runs `bench/peers/SCRIPT` with `arguments`.
pub(crate) fn peer(script: &str, arguments: &[&str]) -> Result<Run> {
    let text = output(python()?.arg(peers().join(script)).args(arguments))?;
    let parsed: PeerOutput =
        serde_json::from_slice(&text).with_context(|| format!("{script} did not print JSON"))?;
    let result = parsed
        .result
        .into_iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect();
    Ok(Run {
        seconds: parsed.seconds,
        result,
    })
}

/// The versions that the peers' environment pins and a report should name.
pub(crate) fn peer_versions() -> Result<String> {
    let list = peers().join("requirements.txt");
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("cannot read {}", list.display()))?;
    let named = [
        "dask",
        "distributed",
        "xarray",
        "zarr",
        "numcodecs",
        "numpy",
    ];
    let pinned = text.lines().filter_map(|line| line.split_once("=="));
    let shown: Vec<String> = pinned
        .filter(|(package, _)| named.contains(package))
        .map(|(package, version)| format!("{package} {version}"))
        .collect();
    Ok(shown.join(", "))
}

fn peers() -> PathBuf {
    PathBuf::from("bench/peers")
}

fn python() -> Result<Command> {
    let python = std::env::var_os("DASKLIKE_PEERS_PYTHON")
        .context("start benchmarks as `cargo xtask bench`, which installs the peers")?;
    let mut command = Command::new(python);
    // Where these are set they hold NumPy back; the peers run at their best.
    command
        .env_remove("OPENBLAS_CORETYPE")
        .env_remove("OPENBLAS_L2_SIZE");
    Ok(command)
}

/// What `command` prints on stdout. What it says on stderr is shown only if it fails.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.stdout)
}
