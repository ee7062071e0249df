//! The operator against a Kubernetes API server that fails, in virtual time. Every run prints its seed on failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_api;

#[path = "faults/lease.rs"]
mod lease;

#[path = "faults/demand.rs"]
mod demand;

#[path = "faults/controller.rs"]
mod controller;
