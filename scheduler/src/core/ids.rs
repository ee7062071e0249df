//! Numbers of things that only the scheduler's own edge knows.

pub use dasklike_graph::pool::PoolName;
pub use dasklike_graph::protocol::{AssignmentId, Epoch, Instant, JobId, WorkerId};

/// A client's connection, numbered by the edge and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// A request of a client that waits for an answer, numbered by the edge and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);
