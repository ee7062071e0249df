//! Tests that need more than one crate: architecture, simulation, local clusters.

pub mod sim;
