//! What is so whoever decides: how pods start and die, and what has room.

use jiff::SignedDuration;
use std::num::NonZeroU32;

/// What is so whoever decides.
#[derive(Clone, Debug)]
pub struct World {
    /// Tasks that a worker computes at once.
    pub slots: NonZeroU32,
    /// The least and the most seconds that a pod takes to start.
    pub start_seconds: (f64, f64),
    /// How many of a hundred pods never start.
    pub never_start_percent: f64,
    /// How many pods have a node.
    pub capacity: Vec<Capacity>,
    /// After how many seconds of its life a worker dies, on average. `None`: never.
    pub life_seconds: Option<f64>,
    /// How long a worker that goes may take to finish its tasks.
    pub drain: SignedDuration,
    /// The most workers that a scaler may ask for.
    pub max: u32,
    /// What is not said here is drawn from it.
    pub seed: u64,
}

/// From some time on, so many pods have a node.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Seconds after the start.
    pub from_seconds: f64,
    /// How many pods have a node.
    pub pods: u32,
}

impl World {
    /// Pods that start within two to four seconds, and neither fail nor lack room.
    pub fn new(seed: u64, max: u32) -> World {
        World {
            slots: NonZeroU32::MIN.saturating_add(1),
            start_seconds: (2.0, 4.0),
            never_start_percent: 0.0,
            capacity: Vec::new(),
            life_seconds: None,
            drain: SignedDuration::from_mins(10),
            max,
            seed,
        }
    }
}
