//! Decisions, as plain functions of what was seen: no clock, no requests, no randomness.

pub mod demand;
pub mod election;
pub mod health;
pub mod names;
