//! The operator: makes of each `DaskLikeCluster` a running scheduler with workers, and keeps it so.
//!
//! `core` decides and is pure; the rest watches, carries out and tells.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod announce;
mod apply;
pub mod args;
mod carry_out;
pub mod certificates;
mod certify;
pub mod clock;
mod context;
pub mod controller;
pub mod core;
pub mod crd;
pub mod credentials;
mod decision_log;
pub mod demand;
mod dirty;
pub mod edge;
mod error;
mod known_spec;
pub mod logs;
mod memory;
pub mod metrics;
mod object_index;
mod packed;
mod pod_index;
mod reconcile;
mod scope_watch;
mod service_turns;
mod slim;
mod status_patch;
mod tell;
mod turns;

pub use context::Settings;
pub use error::Error;

/// The operator's name among those who write to an object's fields, and in events.
pub const FIELD_MANAGER: &str = "dasklike-operator";
