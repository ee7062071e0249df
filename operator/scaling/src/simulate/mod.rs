//! One pool in simulated time: jobs come, a scheduler hands their tasks to free slots, pods start, die and drain, and
//! a [`Scaler`] decides how many there are. The same world, trace and scaler always give the same.
//!
//! What is left out: the time a task takes to reach a worker, what results weigh, and that some tasks run faster than
//! others on a full node. They are the same for every scaler.

mod agenda;
mod alone;
mod estimate;
mod ours;
mod pods;
mod random;
mod report;
mod run;
mod tasks;
mod trace;
mod world;

pub use ours::Ours;
pub use random::Random;
pub use report::{Frame, Report};
pub use run::run;
pub use trace::{Job, Kind, Stage, Trace};
pub use world::{Capacity, World};

use crate::{Hold, Observed, Reason};
use jiff::{SignedDuration, Timestamp};

/// Who decides how many workers there are.
pub trait Scaler {
    /// How often it looks. `None`: whenever something is reported.
    fn period(&self) -> Option<SignedDuration>;

    /// What it wants, from what is seen. A demand is always known.
    fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders;
}

/// What a scaler wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orders {
    /// How many workers there should be. Missing ones are made; where there are too many without any of them being
    /// named, the youngest go, as with a ReplicaSet.
    pub replicas: u32,
    /// Those that go.
    pub retire: Vec<String>,
    /// When to ask again though nothing is reported.
    pub recheck_after: Option<SignedDuration>,
    /// Why, for a timeline.
    pub reason: Option<Reason>,
    /// What was in the way, for a timeline.
    pub hold: Option<Hold>,
}

/// Simulated time starts here.
pub const START: Timestamp = Timestamp::UNIX_EPOCH;

/// A moment of a simulation: nanoseconds would be more than anything here is known to.
pub(crate) type Micros = u64;

pub(crate) fn timestamp(micros: Micros) -> Timestamp {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

pub(crate) fn micros(duration: SignedDuration) -> Micros {
    u64::try_from(duration.as_micros().max(0)).unwrap_or(u64::MAX)
}

pub(crate) fn from_seconds(seconds: f64) -> Micros {
    // The conversion stops at the bounds and makes 0 of what is not a number.
    (seconds * 1e6).round() as u64
}

pub(crate) fn to_seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}
