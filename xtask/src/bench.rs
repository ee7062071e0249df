//! `cargo xtask bench`: runs benchmarks and keeps what they print in `bench/results`.

use crate::checks::build_programs;
use crate::kubernetes::{self, KUBECONFIG};
use crate::places::root;
use crate::run::say;
use crate::{images, venv};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A benchmark of the crate `dasklike-bench`; `bench/README.md` says what each measures.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    Ndvi,
    Decode,
    Zlib,
    Expressions,
    Http,
    Overhead,
    Graph,
    Memory,
    Tls,
    Scaling,
    /// 100 clusters of 1 + 3, and one that grows to 200 workers
    Operator,
    /// One cluster of 1 + 3 alone
    OperatorOne,
    /// 1,000 clusters of 1 + 1
    OperatorThousand,
    /// 1,000 clusters of 1 + 9, with a scheduler's stream each
    OperatorTenThousand,
    Follow,
    Wake,
}

/// The addresses of kwok's pods. Without anybody there, what the operator does to reach schedulers is measured too.
const SCHEDULERS: &str = "--scripted-schedulers=10.0.0.0/16";

impl Bench {
    /// The cluster that it measures on, if it does: with fake nodes, or with images for real ones.
    fn cluster(self) -> Result<Option<PathBuf>> {
        match self {
            Bench::Operator
            | Bench::OperatorOne
            | Bench::OperatorThousand
            | Bench::OperatorTenThousand
            | Bench::Follow => kubernetes::up_with_fake_nodes(100).map(Some),
            Bench::Wake => {
                let kubeconfig = kubernetes::up()?;
                images::build_and_load(&[], None)?;
                Ok(Some(kubeconfig))
            }
            _ => Ok(None),
        }
    }

    /// The peer that it is measured beside, if that is a program, as an argument.
    fn peer(self) -> Result<Option<OsString>> {
        match self {
            Bench::Operator => {
                let mut argument = OsString::from("--kuberay=");
                argument.push(kubernetes::kuberay()?);
                Ok(Some(argument))
            }
            _ => Ok(None),
        }
    }

    /// What the program is asked for, where that is not this benchmark's name.
    fn arguments(self) -> Option<&'static [&'static str]> {
        match self {
            Bench::Operator => Some(&["operator", SCHEDULERS]),
            Bench::OperatorOne => Some(&[
                "operator",
                "--clusters=1",
                "--scale-to=0",
                "--settled-seconds=600",
                SCHEDULERS,
            ]),
            Bench::OperatorThousand => Some(&[
                "operator",
                "--clusters=1000",
                "--workers=1",
                "--scale-to=0",
                SCHEDULERS,
            ]),
            Bench::OperatorTenThousand => Some(&[
                "operator",
                "--clusters=1000",
                "--workers=9",
                "--scale-to=0",
                "--working",
                SCHEDULERS,
            ]),
            _ => None,
        }
    }
}

/// Runs the benchmarks in `names`, or all, each with its own report file.
pub(crate) fn run_all(names: &[Bench]) -> Result<()> {
    let python = venv::ensure("bench/peers/requirements.txt")?.join("python");
    // As the tests build them: with the features of the whole, nothing is compiled twice.
    build_programs()?;
    let program = program()?;
    let results = root()?.join("bench/results");
    let chosen = if names.is_empty() {
        Bench::value_variants()
    } else {
        names
    };
    let mut broken = Vec::new();
    for bench in chosen {
        let name = bench
            .to_possible_value()
            .context("every benchmark has a name")?
            .get_name()
            .to_owned();
        let report = results.join(format!("{name}.txt"));
        say(&format!("{name}: the report goes to {}", report.display()));
        let unfinished = report.with_extension("txt.tmp");
        let output = File::create(&unfinished)
            .with_context(|| format!("cannot write {}", unfinished.display()))?;
        let mut measure = Command::new(&program);
        if let Some(kubeconfig) = bench.cluster()? {
            measure.env(KUBECONFIG, kubeconfig);
        }
        let status = measure
            .args(bench.arguments().unwrap_or(&[&name]))
            .args(bench.peer()?)
            .env("DASKLIKE_PEERS_PYTHON", &python)
            .current_dir(root()?)
            .stdout(Stdio::from(output))
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        if status.success() {
            fs::rename(&unfinished, &report)
                .with_context(|| format!("cannot write {}", report.display()))?;
            print_report(&report)?;
        } else {
            // An older report stays rather than half of a new one.
            fs::remove_file(&unfinished)?;
            say(&format!("{name} failed: {status}"));
            broken.push(name);
        }
    }
    if !broken.is_empty() {
        bail!("no report from: {}", broken.join(", "));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is this command's data")]
fn print_report(report: &std::path::Path) -> Result<()> {
    print!("{}", fs::read_to_string(report)?);
    Ok(())
}

/// The benchmark program, which cargo puts beside this one.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(own.with_file_name("dasklike-bench"))
}
