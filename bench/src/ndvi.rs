//! The example as a whole process against the computation alone of xarray, Dask and NumPy.

use crate::cube::Cube;
use crate::programs::{example, output, peer, peer_versions};
use crate::race::{Contender, Run, fastest, race, timed};
use crate::report::{Report, Target};
use anyhow::{Context, Result};
use dasklike_storage::sample::SampleCodec;
use std::path::Path;

const PEERS: [&[&str]; 6] = [
    &["distributed", "stored", "processes"],
    &["distributed", "stored", "threads"],
    &["distributed", "steps", "processes"],
    &["distributed", "steps", "threads"],
    &["threads", "steps"],
    &["numpy"],
];

pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::BloscZstd)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut contenders = vec![Contender::new(
        "dasklike: the example as a whole process",
        || {
            // As often as the peers repeat theirs.
            let first = timed(|| whole_example(&cube.path, scratch.path()))?;
            let mut second = timed(|| whole_example(&cube.path, scratch.path()))?;
            second.seconds.extend(first.seconds);
            Ok(second)
        },
    )];
    for arguments in PEERS {
        contenders.push(Contender::new(peer_name(arguments), || {
            run_peer(arguments, &cube.path)
        }));
    }
    let timings = race(contenders, 3)?;

    let mut report = Report::new(
        "ndvi",
        "NDVI of each step: ours is a whole process (start, mean, std, min, max, count, plot), the peers' time is that of computing the mean alone",
    );
    report.fact("peers", peer_versions()?);
    report.fact("input", cube.describe()?);
    report.fact("check", "the means of all agree to 1e-6");
    report.timings(&timings);
    let ours = timings[0].min();
    let best = |words: &[&str]| fastest(&timings, words) / ours;
    report.figure(
        "against dask.distributed, chunks as stored",
        best(&["distributed", "stored"]),
        "x",
        Target::AtLeast(20.0),
    );
    report.figure(
        "against dask.distributed, chunks of whole steps",
        best(&["distributed", "steps"]),
        "x",
        Target::AtLeast(8.0),
    );
    report.figure(
        "against dask threads, chunks of whole steps",
        best(&["dask threads"]),
        "x",
        Target::AtLeast(5.0),
    );
    report.figure(
        "against numpy on one thread",
        best(&["numpy"]),
        "x",
        Target::None,
    );
    report.print()
}

fn peer_name(arguments: &[&str]) -> String {
    match arguments {
        [engine, chunks, workers] => {
            format!("dask.{engine}, chunks {chunks}, workers are {workers}")
        }
        [engine, chunks] => format!("dask {engine}, chunks {chunks}"),
        _ => format!("{}, one thread", arguments.join(" ")),
    }
}

fn run_peer(arguments: &[&str], cube: &Path) -> Result<Run> {
    let cube = cube.to_string_lossy();
    let mut all = vec![arguments[0], &cube, "--repeats", "2"];
    if let Some(chunks) = arguments.get(1) {
        all.extend(["--chunks", chunks]);
    }
    if let Some(workers) = arguments.get(2) {
        all.extend(["--workers", workers]);
    }
    peer("ndvi.py", &all)
}

/// Runs the example; gives the means that it writes.
fn whole_example(cube: &Path, scratch: &Path) -> Result<Vec<f64>> {
    let (png, csv) = (scratch.join("ndvi.png"), scratch.join("ndvi.csv"));
    let mut command = example()?;
    command
        .arg("--input")
        .arg(cube)
        .arg("--output")
        .arg(&png)
        .arg("--csv")
        .arg(&csv)
        .args(["--workers", "2"]);
    output(&mut command)?;
    let text =
        std::fs::read_to_string(&csv).with_context(|| format!("cannot read {}", csv.display()))?;
    text.lines().skip(1).map(mean_of_row).collect()
}

/// The second column of `time,mean,std,min,max,count`; empty is NaN.
fn mean_of_row(row: &str) -> Result<f64> {
    match row.split(',').nth(1) {
        Some("") => Ok(f64::NAN),
        Some(mean) => mean
            .parse()
            .with_context(|| format!("`{mean}` is not a mean")),
        None => anyhow::bail!("the row `{row}` has no mean"),
    }
}
