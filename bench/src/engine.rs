//! What the engine itself costs, as `dasklike bench` measures it, and the memory of a worker.

use crate::cube::Cube;
use crate::machine::field;
use crate::programs::{dasklike, example, output};
use crate::report::{Report, Target};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Repetitions; the engine's figures are those of the best.
const ROUNDS: usize = 3;

#[derive(Deserialize)]
struct Overhead {
    us_per_task: f64,
    us_per_task_ranged: f64,
}

/// `dasklike bench overhead`.
pub(crate) fn overhead() -> Result<()> {
    let arguments = ["overhead", "--tasks", "100000", "--workers", "2"];
    let rounds: Vec<Overhead> = measure(&arguments)?;
    let mut report = Report::new(
        "overhead",
        "a task that computes next to nothing: dasklike bench overhead --tasks 100000 --workers 2",
    );
    report.fact(
        "published",
        "Dask 1600 us, Frisky 64 to 97 us a task on such a machine (not measured in this run)",
    );
    report.figure(
        "\na task assigned alone",
        least(&rounds, |round| round.us_per_task),
        " us",
        Target::AtMost(10.0),
    );
    report.figure(
        "a task assigned in a range",
        least(&rounds, |round| round.us_per_task_ranged),
        " us",
        Target::None,
    );
    report.print()
}

#[derive(Deserialize)]
struct Graph {
    submit_to_first_task_ms: f64,
    scheduler_bytes_per_chunk: f64,
}

/// `dasklike bench graph`.
pub(crate) fn graph() -> Result<()> {
    let rounds: Vec<Graph> = measure(&["graph", "--chunks", "1000000"])?;
    let mut report = Report::new(
        "graph",
        "a plan over 1,000,000 chunks: dasklike bench graph --chunks 1000000",
    );
    report.fact(
        "published",
        "Dask takes 15 s for 204,800 chunks (not measured in this run)",
    );
    report.figure(
        "\nfrom the submission to the first task",
        least(&rounds, |round| round.submit_to_first_task_ms),
        " ms",
        Target::AtMost(50.0),
    );
    report.figure(
        "scheduler's memory a chunk, half-way",
        least(&rounds, |round| round.scheduler_bytes_per_chunk),
        " bytes",
        Target::AtMost(100.0),
    );
    report.print()
}

fn measure<T: DeserializeOwned>(arguments: &[&str]) -> Result<Vec<T>> {
    let round = |_| {
        let text = output(dasklike()?.arg("bench").args(arguments).arg("--json"))?;
        serde_json::from_slice(&text).context("`dasklike bench` did not print what was expected")
    };
    (0..ROUNDS).map(round).collect()
}

fn least<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    rounds.iter().map(figure).fold(f64::INFINITY, f64::min)
}

/// How many times the cube is larger than the worker's limit.
const TIMES: u64 = 20;

/// The peak resident memory of a worker process that computes a cube much larger than its limit.
pub(crate) fn memory() -> Result<()> {
    let cube = Cube::long()?;
    let limit = cube.decoded_bytes() / TIMES;
    let (_scheduler, url) = start_scheduler(&[])?;
    let worker = Guarded::start(dasklike()?.args([
        "worker",
        "--scheduler",
        &url,
        "--slots",
        "2",
        "--memory-limit",
        &limit.to_string(),
    ]))?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut whole = example()?;
    whole
        .arg("--input")
        .arg(&cube.path)
        .arg("--output")
        .arg(scratch.path().join("ndvi.png"))
        .args(["--scheduler", &url]);
    output(&mut whole)?;
    // The kernel keeps the highest value, so one look at the end tells the peak.
    let status = format!("/proc/{}/status", worker.0.id());
    let peak = field(&status, "VmHWM")
        .with_context(|| format!("{status} has no VmHWM: did the worker end?"))?;
    let peak: f64 = peak
        .trim_end_matches(" kB")
        .parse()
        .with_context(|| format!("`{peak}` is not a size"))?;

    let mut report = Report::new(
        "memory",
        "peak resident memory of a worker process of two slots, with the example's five statistics",
    );
    report.fact("input", cube.describe()?);
    report.fact(
        "limit",
        format_args!("{:.1} MB, a {TIMES}th of the cube", limit as f64 / 1e6),
    );
    report.figure(
        "\npeak resident memory",
        peak * 1024.0 / 1e6,
        " MB",
        Target::AtMost((limit as f64 / 1e5).floor() / 10.0),
    );
    report.print()
}

/// A process that ends with this value.
pub(crate) struct Guarded(Child);

impl Guarded {
    pub(crate) fn start(command: &mut Command) -> Result<Guarded> {
        let program = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map(Guarded)
            .with_context(|| format!("cannot start {program}"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a scheduler on a free port; gives its address, which it says on stderr.
pub(crate) fn start_scheduler(arguments: &[String]) -> Result<(Guarded, String)> {
    let mut scheduler = Guarded::start(
        dasklike()?
            .args(["scheduler", "--port", "0"])
            .args(arguments)
            .stderr(Stdio::piped()),
    )?;
    let talk = scheduler
        .0
        .stderr
        .take()
        .context("the scheduler has no stderr")?;
    let mut lines = BufReader::new(talk).lines();
    for line in lines.by_ref() {
        if let Some(url) = line?.strip_prefix("scheduler: ") {
            let url = url.to_owned();
            // What it says later is read too, or it could not say it.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok((scheduler, url));
        }
    }
    bail!("the scheduler ended before it said where it listens")
}
