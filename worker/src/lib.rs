//! The worker: a pure core, the executor's slots, and the gRPC edge.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod asking;
pub mod core;
mod executor;
mod job;
mod pace;
mod prefetch;
mod process;
mod reader;
mod session;
mod slots;
mod worker;

pub use worker::{Worker, WorkerConfig, WorkerError, WorkerHandle};
