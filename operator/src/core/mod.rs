//! Decisions, as plain functions of what was seen: no clock, no requests, no randomness.

pub mod election;
pub mod health;
