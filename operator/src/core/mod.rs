//! The operator's core: what a cluster should look like and what to do next, as plain functions of what was seen.

pub mod demand;
pub mod names;
