//! A whole cluster in one thread: the scheduler's core and workers' cores on a virtual network under a seed.
//!
//! Messages of one connection arrive in order, those of different connections in any; a connection that breaks
//! takes with it what is under way from some moment on. Workers crash, come back, drain and are slow; clients
//! cancel, leave and re-attach. The scheduler dies, and its successor has what was written of its journal. After every
//! event the cores' invariants are checked, and at the end what each client got is compared with a plain computation of
//! its job.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

mod cluster;
mod edges;
mod kernel;
mod machine;
mod plans;
mod restart;
mod rng;
mod setup;
mod user;

pub use cluster::{Report, Sim};
pub use rng::Rng;

use plans::Shape;

/// What may happen in a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Jobs of random shapes.
    pub jobs: u64,
    shape: Shape,
    /// Machines that run workers.
    pub machines: u64,
    /// Pools that the machines are spread over; each has one at least, and each job runs in one.
    pub pools: u64,
    /// Connections break and processes die, so many times at most.
    pub losses: u64,
    /// The scheduler dies and another takes its place, so many times at most.
    pub restarts: u64,
    /// Workers are asked to drain, so many times at most.
    pub drains: u64,
    /// Clients cancel and leave.
    pub fickle: bool,
    /// A task of one job fails.
    pub failing: bool,
    /// A task of one job kills its worker.
    pub poison: bool,
}

impl Scenario {
    /// A scenario for a seed; all kinds come up among a few dozens.
    pub fn random(rng: &mut Rng) -> Scenario {
        let poison = rng.one_in(12);
        let machines = rng.range(1, 4);
        Scenario {
            jobs: rng.range(1, 4),
            shape: Shape {
                tiles: rng.spread(1, 400),
                stages: rng.range(1, 4),
            },
            machines,
            pools: if rng.one_in(2) {
                1
            } else {
                rng.range(1, machines)
            },
            losses: if poison || rng.one_in(3) {
                0
            } else {
                rng.range(1, 6)
            },
            restarts: if poison || rng.one_in(2) {
                0
            } else {
                rng.range(1, 3)
            },
            drains: if rng.one_in(2) { 0 } else { rng.range(1, 3) },
            fickle: rng.one_in(3),
            failing: rng.one_in(5),
            poison,
        }
    }
}
