//! This crate's own decision, as a scaler.

use super::{Orders, Scaler};
use crate::{History, Observed, Policy, decide};
use jiff::{SignedDuration, Timestamp};

/// Decides as the operator does: whenever something is reported.
#[derive(Clone, Debug)]
pub struct Ours {
    policy: Policy,
    history: History,
}

impl Ours {
    /// Under a policy, with nothing remembered.
    pub fn new(policy: Policy) -> Ours {
        Ours {
            policy,
            history: History::default(),
        }
    }
}

impl Scaler for Ours {
    fn period(&self) -> Option<SignedDuration> {
        None
    }

    fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders {
        let decision = decide(&self.policy, observed, &self.history, now);
        self.history = self.history.after(&self.policy, observed, &decision, now);
        Orders {
            replicas: decision.replicas,
            retire: decision.retire,
            recheck_after: decision.recheck_after,
            reason: Some(decision.reason),
            hold: decision.hold,
        }
    }
}
