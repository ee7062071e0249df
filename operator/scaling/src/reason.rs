//! Why a number of workers was decided on: a word for programs, a sentence for people.

use crate::decision::Hold;
use crate::observed::{Demand, SlotSeconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the number follows from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// What the scheduler said.
    pub demand: Demand,
    /// What the work takes, as it was estimated or, where tasks have run longer already, as that shows.
    pub work: SlotSeconds,
    /// Seconds in which it should be done: the policy's, or those that a pod takes to start where that is longer.
    pub within_seconds: f64,
    /// How many workers that makes, whatever the bounds.
    pub want: u32,
}

/// Why the decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reason {
    /// There is more work than the workers there are do in time.
    MoreWork {
        /// What the number follows from.
        inputs: Inputs,
    },
    /// As many are added as the policy allows in its period.
    RateLimited {
        /// What the number follows from.
        inputs: Inputs,
        /// How many more may come now.
        allowed: u32,
    },
    /// More than the policy allows would be of use.
    AtMaximum {
        /// What the number follows from.
        inputs: Inputs,
    },
    /// There are as many as the work asks for.
    Enough {
        /// What the number follows from.
        inputs: Inputs,
    },
    /// Fewer would do, but lately they would not.
    RecentlyNeeded {
        /// What the number follows from.
        inputs: Inputs,
        /// How many were needed lately.
        needed: u32,
    },
    /// Fewer would do, but those there are have work or had some a moment ago.
    StillBusy {
        /// What the number follows from.
        inputs: Inputs,
        /// How many were needed lately.
        needed: u32,
    },
    /// Some have nothing to do and were not needed lately.
    Unneeded {
        /// What the number follows from.
        inputs: Inputs,
        /// How many were needed lately.
        needed: u32,
    },
    /// There is no work at all, and has been none for a while.
    NoWork {
        /// The fewest that the policy allows.
        min: u32,
    },
    /// There were fewer or more than the policy allows.
    OutOfBounds {
        /// The fewest that it allows.
        min: u32,
        /// The most that it allows.
        max: u32,
    },
    /// What the work asks for is not done.
    Held {
        /// What keeps it.
        by: Hold,
    },
}

impl Reason {
    /// One word in Kubernetes' way.
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::MoreWork { .. } => "MoreWork",
            Reason::RateLimited { .. } => "RateLimited",
            Reason::AtMaximum { .. } => "AtMaximum",
            Reason::Enough { .. } => "Enough",
            Reason::RecentlyNeeded { .. } => "RecentlyNeeded",
            Reason::StillBusy { .. } => "StillBusy",
            Reason::Unneeded { .. } => "Unneeded",
            Reason::NoWork { .. } => "NoWork",
            Reason::OutOfBounds { .. } => "OutOfBounds",
            Reason::Held { by } => by.name(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::MoreWork { inputs } => write!(f, "{inputs}"),
            Reason::RateLimited { inputs, allowed } => {
                write!(f, "{inputs}; scaleUp allows {allowed} more now")
            }
            Reason::AtMaximum { inputs } => write!(f, "{inputs}; maxReplicas allows no more"),
            Reason::Enough { inputs } => write!(f, "{inputs}; there are enough"),
            Reason::RecentlyNeeded { inputs, needed } => {
                write!(f, "{inputs}, but {needed} were needed a short time ago")
            }
            Reason::StillBusy { inputs, needed } => write!(
                f,
                "{inputs}, and {needed} were needed lately; the others have work or had some a moment ago"
            ),
            Reason::Unneeded { inputs, needed } => write!(
                f,
                "{inputs}, and {needed} were needed lately; the others have nothing to do"
            ),
            Reason::NoWork { min } => write!(f, "there is no work, and minReplicas is {min}"),
            Reason::OutOfBounds { min, max } => {
                write!(f, "the policy allows {min} to {max} workers")
            }
            Reason::Held { by } => by.fmt(f),
        }
    }
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inputs {
            demand,
            work,
            within_seconds,
            want,
        } = self;
        if demand.tasks() == 0 {
            return f.write_str("there is no work");
        }
        write!(
            f,
            "{} tasks ready, {} running and {} blocked need {:.1} slot-seconds; to do what waits within \
             {within_seconds:.0} s takes {want} worker{}",
            demand.ready_tasks,
            demand.running_tasks,
            demand.blocked_tasks,
            work.get(),
            if *want == 1 { "" } else { "s" },
        )
    }
}
