//! The operator's core: what a cluster should look like and what to do next, as plain functions of what was seen.
//!
//! No clock, network, randomness or Kubernetes client in here. [`validate`] checks a spec, [`build`] makes its
//! objects, [`plan`] decides what to do, [`status`] and [`events`] say what happened.

pub mod autoscale;
pub mod backoff;
pub mod build;
pub mod certificates;
pub mod cluster;
#[cfg(test)]
mod decisions_test;
pub mod demand;
pub mod election;
#[cfg(test)]
mod election_test;
pub mod events;
pub mod hash;
pub mod health;
pub mod labels;
pub mod merge;
pub mod names;
pub mod observed;
pub mod plan;
mod quantity;
pub mod scheduler;
pub mod sizing;
pub mod status;
pub mod template;
#[cfg(test)]
mod testing;
pub mod validate;
#[cfg(test)]
mod validate_test;
pub mod workers;
