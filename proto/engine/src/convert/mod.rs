//! Typed values from messages and back. What arrives is checked here, once; past this point types hold.

mod client;
mod common;
mod ops;
mod plan;
mod worker;

pub use client::{FailureCategory, JobEvent, Piece, Progress, event_from_proto, event_to_proto};
pub use common::{
    budget_from_proto, budget_to_proto, check_hello, hello, pool_from_proto, region_from_proto,
    region_to_proto,
};
pub use plan::{plan_from_proto, plan_to_proto};
pub use worker::{
    block_from_proto, block_to_proto, commit_from_proto, commit_to_proto, to_scheduler_from_proto,
    to_scheduler_to_proto, to_worker_from_proto, to_worker_to_proto,
};

/// Why a message makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A field that must be there is not.
    #[error("a message has no {0}: is the other side of another version?")]
    Missing(&'static str),
    /// A number that stands for nothing known.
    #[error("{what} number {value} is not known to version {}", crate::VERSION)]
    Unknown {
        /// The kind of thing.
        what: &'static str,
        /// The number.
        value: i32,
    },
    /// An operation of a later version.
    #[error(
        "operation {name:?} is not known to version {}: use the same version on both sides",
        crate::VERSION
    )]
    UnknownOperation {
        /// The name that the plan gives it.
        name: String,
    },
    /// A plan of another version.
    #[error(
        "the plan has plan_version {theirs}, version {} reads {ours}: use the same version on both sides",
        crate::VERSION
    )]
    PlanVersion {
        /// The plan's.
        theirs: u32,
        /// What this program reads.
        ours: u32,
    },
    /// Programs that may not talk to each other.
    #[error(
        "version {theirs:?} cannot talk to version {ours:?}: use the same major version on both sides"
    )]
    Version {
        /// The other side's.
        theirs: String,
        /// This program's.
        ours: String,
    },
    /// Values that contradict each other.
    #[error("a message has a wrong {what}: {why}")]
    Invalid {
        /// The thing.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// A message field that must be set.
fn need<T>(field: Option<T>, name: &'static str) -> Result<T, ConvertError> {
    field.ok_or(ConvertError::Missing(name))
}

fn invalid(what: &'static str, why: impl Into<String>) -> ConvertError {
    ConvertError::Invalid {
        what,
        why: why.into(),
    }
}
