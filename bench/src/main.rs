//! Benchmarks that print a ratio against a peer or a limit measured in the same run.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bare;
mod cube;
mod decode;
mod engine;
mod expressions;
mod http;
mod machine;
mod ndvi;
mod operator;
mod ours;
mod own_reader;
mod programs;
mod race;
mod report;
mod scaling;
mod slow_server;
mod tls;
mod zlib;

use anyhow::Result;
use clap::{Parser, Subcommand};

// The allocator that the `dasklike` command uses, so that bare programs and ours pay the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Prints one benchmark's report on stdout. `cargo xtask bench` builds what this needs first.
#[derive(Parser)]
#[command(name = "dasklike-bench")]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The example as a whole process against Dask and NumPy
    Ndvi,
    /// Our speed against bare decoding
    Decode,
    /// Our inflater against the system's zlib
    Zlib,
    /// Other expressions against NDVI
    Expressions,
    /// A cube behind HTTP with latency
    Http,
    /// What a task costs
    Overhead,
    /// What a plan over many chunks costs
    Graph,
    /// A worker's peak memory
    Memory,
    /// The example over mutual TLS and without
    Tls,
    /// The Kubernetes operator on fake nodes against a bare client
    Operator(operator::OperatorArgs),
    /// Our scaling policy against those of others, simulated
    Scaling,
    /// Many autoscaled clusters on fake nodes that get work at once
    Follow(operator::follow::FollowArgs),
    /// Real clusters until they are Ready, and a pool from zero to its first job's end
    Wake(operator::wake::WakeArgs),
}

fn main() -> Result<()> {
    // HTTP clients want a TLS provider even for plain HTTP. A second installation is refused, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Args::parse().bench {
        Bench::Ndvi => ndvi::run(),
        Bench::Decode => decode::run(),
        Bench::Zlib => zlib::run(),
        Bench::Expressions => expressions::run(),
        Bench::Http => http::run(),
        Bench::Overhead => engine::overhead(),
        Bench::Graph => engine::graph(),
        Bench::Memory => engine::memory(),
        Bench::Tls => tls::run(),
        Bench::Operator(args) => operator::run(&args),
        Bench::Scaling => scaling::run(),
        Bench::Follow(args) => operator::follow::run(&args),
        Bench::Wake(args) => operator::wake::run(&args),
    }
}
