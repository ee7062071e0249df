//! The NDVI time series of a Sentinel-2 cube, computed on a local cluster or a running one: a table on stdout, a
//! picture, and a CSV if asked for.

mod args;
mod canvas;
mod caption;
mod demo;
mod engine;
mod files;
mod input;
mod lettering;
mod pipeline;
mod plot;
mod series;
mod ticks;

use anyhow::{Result, ensure};
use args::Args;
use clap::Parser;
use dasklike::{Computed, Dataset};
use engine::Engine;
use series::Series;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    dasklike::worker_main_if_requested();
    let args = Args::parse();
    dasklike::start::logging();
    dasklike::start::tls();
    let finished = Arc::new(AtomicBool::new(false));
    let done = finished.clone();
    // The cluster's threads end with this process, its processes when they see that it is gone, a job on another
    // cluster when its stream breaks; files are renamed into place when they are whole.
    dasklike::start::on_interrupt(move || {
        std::process::exit(if done.load(Relaxed) { 0 } else { INTERRUPTED })
    });
    match run(&args, &finished) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args, finished: &AtomicBool) -> Result<()> {
    for path in [Some(&args.output), args.csv.as_ref()]
        .into_iter()
        .flatten()
    {
        files::check_writable(path)?;
    }
    if let Some(csv) = &args.csv {
        ensure!(
            !files::are_same(csv, &args.output),
            "--csv and --output are both {}: expected two files",
            args.output.display()
        );
    }
    let location = match &args.input.input {
        Some(location) => location.clone(),
        None => demo::synthetic_cube()?,
    };
    let cube = args.input.open(&location)?;
    let results = pipeline::ndvi_series(&cube, &args.input.bands());
    for result in &results {
        result.check()?;
    }
    let red = cube.get(&args.input.red)?;
    let tiles = args.input.tiles(red)?;
    let engine = Engine::start(args)?;
    let computed = engine.compute(&results, tiles)?;
    let across: Vec<u64> = red
        .dims()
        .iter()
        .zip(red.shape())
        .filter(|(d, _)| &***d != "time")
        .map(|(_, n)| *n)
        .collect();
    write(args, &cube, &computed, &across)?;
    if args.hold
        && let Some(url) = engine.dashboard()
    {
        finished.store(true, Relaxed);
        eprintln!("the dashboard stays at {url} until Ctrl-C");
        loop {
            std::thread::park();
        }
    }
    Ok(())
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
    eprintln!("wrote {}", args.output.display());
    Ok(())
}

/// A reader of stdout that went away, such as `head`, is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
