//! The NDVI time series of a Sentinel-2 cube, computed on a local cluster or a running one: a table on stdout, a
//! picture, and a CSV if asked for.

mod args;
mod canvas;
mod caption;
mod demo;
mod engine;
mod files;
mod input;
mod pipeline;
mod plot;
mod series;
mod ticks;

use anyhow::{Context, Result};
use args::Args;
use clap::Parser;
use dasklike::start::interrupted;
use dasklike::{Computed, Dataset};
use series::Series;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    dasklike::start::logging();
    dasklike::start::tls();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let finished = AtomicBool::new(false);
    // Dropping the unfinished run ends its cluster, and so the workers' processes.
    let code = runtime.block_on(async {
        tokio::select! {
            result = run(&args, &finished) => match result {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("error: {error:#}");
                    2
                }
            },
            () = interrupted() => if finished.load(Ordering::Relaxed) { 0 } else { INTERRUPTED },
        }
    });
    // A read that hangs must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(args: &Args, finished: &AtomicBool) -> Result<()> {
    for path in [Some(&args.output), args.csv.as_ref()].into_iter().flatten() {
        files::check_writable(path)?;
    }
    let cube = open(args).await?;
    let results = pipeline::ndvi_series(&cube, &args.input.bands());
    for result in &results {
        result.check()?;
    }
    let red = cube.get(&args.input.red)?;
    let tiles = args.input.tiles(red)?;
    let engine = engine::Engine::start(args).await?;
    let computed = engine.compute(&results, tiles).await?;
    let across: Vec<u64> =
        red.dims().iter().zip(red.shape()).filter(|(d, _)| &***d != "time").map(|(_, n)| *n).collect();
    write(args, &cube, &computed, &across)?;
    if args.hold
        && let Some(url) = engine.dashboard()
    {
        finished.store(true, Ordering::Relaxed);
        eprintln!("the dashboard stays at {url} until Ctrl-C");
        std::future::pending::<()>().await;
    }
    engine.stop().await;
    Ok(())
}

/// Opens the input away from the runtime's threads: it may wait for a network, or write the synthetic cube.
async fn open(args: &Args) -> Result<Dataset> {
    let input = args.input.clone();
    let open = move || {
        let location = match &input.input {
            Some(location) => location.clone(),
            None => demo::synthetic_cube()?,
        };
        input.open(&location)
    };
    tokio::task::spawn_blocking(open).await.context("opening the input ended early")?
}

fn write(args: &Args, cube: &Dataset, computed: &[Computed], across: &[u64]) -> Result<()> {
    let series = Series::new(computed, across.iter().product())?;
    let pixels: Vec<String> = across.iter().map(u64::to_string).collect();
    let caption = caption::caption(cube, &args.input, &series, &pixels.join(" × "));
    let picture = plot::png(&series, &caption)?;
    if let Some(csv) = &args.csv {
        files::write_whole(csv, series.csv().as_bytes())?;
    }
    files::write_whole(&args.output, &picture)?;
    print(&series.table())?;
    eprintln!("wrote {}", shown(&args.output));
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A reader of stdout that went away, such as `head`, is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
