//! What was decided.

use crate::reason::Reason;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many workers there should be, and which are to go.
#[must_use]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// How many there should be: what is missing is to be made.
    pub replicas: u32,
    /// Those to drain, in this order. Those and no others.
    pub retire: Vec<String>,
    /// Why.
    pub reason: Reason,
    /// What keeps the pool from being scaled as its work asks for.
    pub hold: Option<Hold>,
    /// How many the work alone asks for, within the bounds.
    pub want: u32,
    /// After what time another decision could come out though nothing else is seen. `None`: never.
    pub recheck_after: Option<SignedDuration>,
}

/// What keeps a pool from being scaled as its work asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Hold {
    /// It is not known how much work there is.
    MetricsStale,
    /// Some of the pool's pods have no node; more would have none either.
    Unschedulable {
        /// How many.
        pods: u32,
    },
    /// The last workers that were added brought nothing.
    Ineffective {
        /// When it is tried again.
        until: Timestamp,
    },
}

impl Hold {
    /// The reason of a condition.
    pub const fn name(self) -> &'static str {
        match self {
            Hold::MetricsStale => "MetricsStale",
            Hold::Unschedulable { .. } => "Unschedulable",
            Hold::Ineffective { .. } => "Ineffective",
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hold::MetricsStale => {
                f.write_str("it is not known how much work there is, so nothing is changed")
            }
            Hold::Unschedulable { pods } => {
                write!(
                    f,
                    "no node has room for {pods} of its pods, so none are added"
                )
            }
            Hold::Ineffective { until } => write!(
                f,
                "the workers that were added last brought nothing, so none are added until {until:.0}"
            ),
        }
    }
}
