//! `cargo xtask bench`: runs benchmarks and keeps what they print in `bench/results`.

use crate::checks::build_programs;
use crate::kubernetes::{self, KUBECONFIG};
use crate::places::root;
use crate::run::say;
use crate::{images, venv};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
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
    Scaling,
    Operator,
    Follow,
    Wake,
}

impl Bench {
    /// The cluster that it measures on, if it does: with fake nodes, or with images for real ones.
    fn cluster(self) -> Result<Option<PathBuf>> {
        match self {
            Bench::Operator | Bench::Follow => kubernetes::up_with_fake_nodes(100).map(Some),
            Bench::Wake => {
                let kubeconfig = kubernetes::up()?;
                images::build_and_load(&[], None)?;
                Ok(Some(kubeconfig))
            }
            _ => Ok(None),
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
            .arg(&name)
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
