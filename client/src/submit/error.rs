//! Why a computation has no results.

use crate::context::ContextError;
use dasklike_proto_engine::convert::{ConvertError, FailureCategory};
use dasklike_proto_engine::transport::ConnectError;

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The scheduler cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The context cannot be used.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The scheduler does not take the plan or the request; the message says why.
    #[error("{0}")]
    Refused(String),
    /// The job failed.
    #[error("{message}")]
    Failed {
        /// Whose fault it is.
        category: FailureCategory,
        /// What the worker or the scheduler said.
        message: String,
    },
    /// The job was cancelled, here or elsewhere.
    #[error("the computation was cancelled")]
    Cancelled,
    /// The connection broke; an anonymous job ends with it.
    #[error(
        "the connection to the scheduler at {url} was lost ({why}): is it still running? A job with a name outlives its \
         connection"
    )]
    Lost {
        /// Where the scheduler was.
        url: String,
        /// What the transport says.
        why: String,
    },
    /// The scheduler sent what cannot be understood.
    #[error("the scheduler sent a message that makes no sense: {0}")]
    Protocol(String),
    /// A result does not fit into this machine.
    #[error("result {name:?} has {bytes} bytes, which this program cannot hold: reduce further")]
    TooLarge {
        /// The output's name.
        name: String,
        /// Its size.
        bytes: u128,
    },
}

impl ComputeError {
    /// Whose fault it is: the user's plan, store or address, or the cluster's.
    pub fn category(&self) -> FailureCategory {
        match self {
            ComputeError::Connect(_)
            | ComputeError::Context(_)
            | ComputeError::Refused(_)
            | ComputeError::Cancelled
            | ComputeError::TooLarge { .. } => FailureCategory::BadInput,
            ComputeError::Failed { category, .. } => *category,
            ComputeError::Lost { .. } | ComputeError::Protocol(_) => FailureCategory::Internal,
        }
    }
}

impl From<ConvertError> for ComputeError {
    fn from(error: ConvertError) -> ComputeError {
        ComputeError::Protocol(error.to_string())
    }
}
