//! Speed of reading and decoding a store's chunks: ours against `zarrs` alone, on two threads.
//!
//! `cargo run --release -p dasklike-storage --example decode -- PATH [red,nir,scl]`, or
//! `... -- --write PATH [codec] [steps] [size] [chunk]` for a synthetic cube first.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a tool for tuning"
)]

use dasklike_graph::grid::{block_count, block_index};
use dasklike_graph::plan::Source;
use dasklike_storage::sample::{SampleSpec, write_sample};
use dasklike_storage::{ArrayReader, ReadScratch, Store, open_dataset};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const THREADS: usize = 2;
const ROUNDS: usize = 7;

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "--write") {
        let number = |i: usize, default| {
            args.get(i)
                .map_or(default, |a| a.parse().expect("a number"))
        };
        let codec = args
            .get(2)
            .map_or("blosc-zstd", String::as_str)
            .parse()
            .expect("a codec");
        let spec = SampleSpec {
            steps: number(3, 48),
            size: number(4, 2048),
            chunk: number(5, 512),
            codec,
        };
        let start = Instant::now();
        write_sample(args[1].as_ref(), &spec, &mut |_, _| {}).expect("the sample is written");
        println!(
            "wrote {:.2} GB in {:.1} s",
            spec.bytes() as f64 / 1e9,
            start.elapsed().as_secs_f64()
        );
        args = vec![args[1].clone()];
    }
    let store = Store::open(&args[0], &Default::default()).expect("a store");
    let dataset = futures::executor::block_on(open_dataset(&store)).expect("a dataset");
    let names = args.get(1).map_or("red,nir,scl", String::as_str);
    let sources: Vec<Source> = names
        .split(',')
        .map(|n| dataset.array(n).expect("an array").source.clone())
        .collect();
    let tasks: Vec<(usize, Vec<u64>)> = sources
        .iter()
        .enumerate()
        .flat_map(|(s, source)| {
            let axes = source.axes();
            (0..block_count(&axes)).map(move |b| (s, block_index(&axes, b)))
        })
        .collect();
    let bytes: u64 = tasks.iter().map(|(s, _)| sources[*s].chunk_bytes()).sum();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(time_ours(&sources, &tasks));
        bare.push(time_bare(&sources, &tasks));
    }
    let gigabytes = bytes as f64 / 1e9;
    let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let (ours, bare) = (best(&ours), best(&bare));
    println!(
        "{gigabytes:.2} GB decoded, {} chunks, {THREADS} threads, best of {ROUNDS}",
        tasks.len()
    );
    println!("ours  {ours:.3} s  {:.2} GB/s", gigabytes / ours);
    println!("zarrs {bare:.3} s  {:.2} GB/s", gigabytes / bare);
    println!("ratio {:.2}", bare / ours);
}

fn on_threads(
    tasks: &[(usize, Vec<u64>)],
    worker: impl Fn(&mut dyn FnMut() -> Option<(usize, Vec<u64>)>) + Sync,
) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope
                .spawn(|| worker(&mut || tasks.get(next.fetch_add(1, Ordering::Relaxed)).cloned()));
        }
    });
    start.elapsed().as_secs_f64()
}

fn time_ours(sources: &[Source], tasks: &[(usize, Vec<u64>)]) -> f64 {
    let readers: Vec<ArrayReader> = sources
        .iter()
        .map(|s| ArrayReader::open(s).unwrap())
        .collect();
    on_threads(tasks, |next| {
        let mut scratch = ReadScratch::default();
        let mut chunk = vec![
            0;
            sources
                .iter()
                .map(|s| s.chunk_bytes() as usize)
                .max()
                .unwrap()
        ];
        while let Some((s, index)) = next() {
            let out = &mut chunk[..sources[s].chunk_bytes() as usize];
            readers[s].read_local(&index, &mut scratch, out).unwrap();
            std::hint::black_box(out);
        }
    })
}

fn time_bare(sources: &[Source], tasks: &[(usize, Vec<u64>)]) -> f64 {
    let store = Arc::new(zarrs::filesystem::FilesystemStore::new(&sources[0].store).unwrap());
    let open =
        |s: &Source| zarrs::array::Array::open(store.clone(), &format!("/{}", s.path)).unwrap();
    let arrays: Vec<_> = sources.iter().map(open).collect();
    on_threads(tasks, |next| {
        while let Some((s, index)) = next() {
            let bytes: zarrs::array::ArrayBytes = arrays[s].retrieve_chunk(&index).unwrap();
            std::hint::black_box(bytes);
        }
    })
}
