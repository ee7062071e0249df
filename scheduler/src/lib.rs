//! The scheduler: a pure core, its gRPC edge, metrics and the dashboard.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admin_rpc;
mod client_rpc;
pub mod core;
mod driver;
mod expected;
mod feed;
pub mod http;
mod in_process;
mod journal;
mod listen;
mod server;
mod services;
mod view;
mod worker_rpc;

pub use journal::JournalError;
pub use server::{DashboardConfig, Scheduler, SchedulerConfig, SchedulerHandle, StartError};
