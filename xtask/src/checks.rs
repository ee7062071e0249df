//! `cargo xtask test`: everything CI checks, one named check after the other.

use crate::places::root;
use crate::run::{cargo, run, say};
use crate::{codegen, debian, docs, freshness, kubernetes, venv};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// One thing CI checks. Their order here is the order they run in: the cheap ones first.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The code is formatted
    Fmt,
    /// The generated code is what the .proto files give
    Codegen,
    /// docs/crd.md and the chart's resources are what crds/ gives
    Docs,
    /// Clippy has nothing to say
    Clippy,
    /// Every test of every crate passes, but for those that need a Kubernetes
    Tests,
    /// The tests that need a Kubernetes pass, on the cluster of DASKLIKE_TEST_KUBECONFIG or on our own
    K8s,
}

/// Runs the checks named in `only`, or all of them. A failed check does not keep the next from
/// running: one run shows all that is wrong.
pub(crate) fn run_all(only: &[Check]) -> Result<()> {
    // Each run of CI is a clone of its own, built in a target folder that only such clones are built in: `.ci/run`.
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        freshness::restore_times()?;
    }
    let chosen: Vec<Check> = Check::value_variants()
        .iter()
        .copied()
        .filter(|check| only.is_empty() || only.contains(check))
        .collect();
    let mut outcomes = Vec::new();
    for (number, check) in chosen.iter().enumerate() {
        say(&format!(
            "[{}/{}] {}",
            number + 1,
            chosen.len(),
            name(*check)
        ));
        let start = Instant::now();
        let outcome = perform(*check);
        if let Err(error) = &outcome {
            say(&format!("{} failed: {error:#}", name(*check)));
        }
        outcomes.push((*check, outcome.is_ok(), start.elapsed()));
    }
    summarise(&outcomes)
}

fn perform(check: Check) -> Result<()> {
    match check {
        Check::Fmt => run(cargo()?.args(["fmt", "--all", "--check"])),
        Check::Codegen => codegen::run(true),
        Check::Docs => docs::run(true),
        Check::Clippy => run(cargo()?.args([
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])),
        Check::Tests => tests(),
        Check::K8s => kubernetes::run_tests(),
    }
}

/// The tests start the `dasklike` command and the example, which `cargo test` alone may not build.
fn tests() -> Result<()> {
    let moto_server = needs()?;
    build_programs()?;
    let mut test = cargo()?;
    test.args([
        "test",
        "--release",
        "--workspace",
        "--locked",
        "--no-fail-fast",
    ]);
    run_with_data(test.env("DASKLIKE_MOTO", moto_server))
}

/// Runs tests of which some need the real data, or says that they go without.
pub(crate) fn run_with_data(test: &mut Command) -> Result<()> {
    if has_data()? {
        return run(test);
    }
    // Cargo hides what a passing test prints, so what is left out is said here, where it is seen.
    let outcome = run(test.env("DASKLIKE_WITHOUT_DATA", "1"));
    say(
        "SKIPPED: every comparison with real data, because there is no ../shared/data/reference.json",
    );
    outcome
}

/// Builds the commands and examples that tests start.
pub(crate) fn build_programs() -> Result<()> {
    run(cargo()?.args([
        "build",
        "--release",
        "--workspace",
        "--bins",
        "--examples",
        "--locked",
    ]))
}

fn has_data() -> Result<bool> {
    Ok(root()?.join("../shared/data/reference.json").exists())
}

/// Installs what the tests need; gives the path of the S3 server.
fn needs() -> Result<PathBuf> {
    debian::ensure(&[debian::Need::new("chromium", "chromium")])?;
    let python = venv::ensure("tests/requirements.txt")?;
    Ok(python.join("moto_server"))
}

fn summarise(outcomes: &[(Check, bool, Duration)]) -> Result<()> {
    say("summary");
    for (check, passed, took) in outcomes {
        let word = if *passed { "ok" } else { "FAILED" };
        say(&format!(
            "  {:<8} {word:<6} {:7.1} s",
            name(*check),
            took.as_secs_f64()
        ));
    }
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|(_, passed, _)| !passed)
        .map(|(check, _, _)| name(*check))
        .collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}; `cargo xtask test --only {}` repeats the first",
            failed.join(", "),
            failed[0]
        );
    }
    Ok(())
}

fn name(check: Check) -> String {
    check
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
