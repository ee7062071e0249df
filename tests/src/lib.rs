//! Tests that need more than one crate: architecture, simulation, local clusters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

pub mod browser;
pub mod charts;
pub mod k8s;
pub mod naive;
pub mod processes;
pub mod random_plan;
pub mod run_plan;
pub mod sim;
pub mod tls;
