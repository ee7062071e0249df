//! The `dasklike` command.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[path = "../commands/mod.rs"]
mod commands;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dasklike::worker_main_if_requested();
    let command = commands::Command::parse();
    dasklike::start::logging();
    dasklike::start::tls();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::talk::say!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
