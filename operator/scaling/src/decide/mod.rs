//! The decision itself: what the work asks for, what was needed lately, and what is in the way.

mod down;
mod need;
mod recheck;
#[cfg(test)]
mod tests;
mod want;

use crate::decision::{Decision, Hold};
use crate::history::History;
use crate::observed::{Demand, Observed, count};
use crate::policy::Policy;
use crate::reason::{Inputs, Reason};
use down::Leave;
use jiff::{SignedDuration, Timestamp};
use need::Need;

/// How many workers there should be and which are to go, at `now`. The same arguments always give the same.
pub fn decide(policy: &Policy, observed: &Observed, history: &History, now: Timestamp) -> Decision {
    let now = history.not_before(now);
    match &observed.demand {
        Some(demand) => {
            // A pod that has just come tells how long pods take.
            let history = history.with_starts(observed, now);
            Look::new(policy, observed, demand, &history, now).decide()
        }
        None => blind(policy, observed),
    }
}

/// It is not known what there is to do: all stays as it is, within the bounds.
fn blind(policy: &Policy, observed: &Observed) -> Decision {
    let replicas = policy.clamp(observed.current);
    let leave = Leave::above(observed, policy.max());
    Decision {
        replicas,
        retire: leave.names(),
        reason: Reason::Held {
            by: Hold::MetricsStale,
        },
        hold: Some(Hold::MetricsStale),
        want: replicas,
        recheck_after: None,
    }
}

/// All that a decision is made from.
struct Look<'a> {
    policy: &'a Policy,
    observed: &'a Observed,
    history: &'a History,
    now: Timestamp,
    inputs: Inputs,
    /// What the work asks for, within the bounds.
    want: u32,
    /// What was needed lately.
    need: Need,
    /// How many there are or will be.
    have: u32,
    /// How many there should be at once: what the work asks for, and as many as pods that are taken not to come. Those
    /// are no supply, but they stay, for they may come after all.
    aim: u32,
}

impl<'a> Look<'a> {
    fn new(
        policy: &'a Policy,
        observed: &'a Observed,
        demand: &Demand,
        history: &'a History,
        now: Timestamp,
    ) -> Look<'a> {
        let inputs = want::inputs(policy, observed, demand, history, now);
        let want = policy.clamp(inputs.want);
        let stuck = down::stuck_from(observed, history).filter(|from| *from <= now);
        let stuck = count(stuck);
        Look {
            policy,
            observed,
            history,
            now,
            inputs,
            want,
            need: Need::new(policy, observed, history, want, now),
            have: observed.current.max(observed.live()),
            aim: match inputs.want {
                0 => want,
                _ => policy.clamp(want.saturating_add(stuck)),
            },
        }
    }

    fn decide(self) -> Decision {
        if self.aim > self.have {
            self.more()
        } else {
            self.fewer()
        }
    }

    /// Adds workers at once, as far as nothing speaks against it.
    fn more(self) -> Decision {
        let have = self.policy.clamp(self.have);
        if let Some(hold) = self.hold().filter(|_| self.aim > have) {
            return self.decision(have, Vec::new(), Reason::Held { by: hold }, Some(hold));
        }
        let (allowed, _) = self.history.may_add(self.policy, self.have, self.now);
        let replicas = self.aim.min(self.have.saturating_add(allowed)).max(have);
        let inputs = self.inputs;
        let reason = if replicas < self.aim {
            Reason::RateLimited { inputs, allowed }
        } else if self.inputs.want > self.policy.max() {
            Reason::AtMaximum { inputs }
        } else if self.inputs.want < self.policy.min() {
            self.out_of_bounds()
        } else {
            Reason::MoreWork { inputs }
        };
        self.decision(replicas, Vec::new(), reason, None)
    }

    fn hold(&self) -> Option<Hold> {
        let pods = self.observed.unschedulable;
        if pods > 0 {
            return Some(Hold::Unschedulable { pods });
        }
        let until = self.history.blocked_until(self.now)?;
        Some(Hold::Ineffective { until })
    }

    /// Lets workers go that were not needed lately and have nothing to do.
    fn fewer(self) -> Decision {
        let needed = self.need.workers.max(self.aim).min(self.have);
        let leave = Leave::new(&self, needed);
        let rest = self.observed.live().saturating_sub(leave.count());
        let replicas = self.policy.clamp(needed.max(rest));
        let reason = self.why_no_more(needed, replicas, &leave);
        let retire = leave.names();
        self.decision(replicas, retire, reason, None)
    }

    fn why_no_more(&self, needed: u32, replicas: u32, leave: &Leave<'_>) -> Reason {
        let (inputs, min, max) = (self.inputs, self.policy.min(), self.policy.max());
        let nothing = inputs.demand.tasks() == 0;
        if self.have > max {
            self.out_of_bounds()
        } else if nothing && replicas == min {
            Reason::NoWork { min }
        } else if leave.count() > 0 || replicas < self.have {
            Reason::Unneeded { inputs, needed }
        } else if inputs.want > max {
            Reason::AtMaximum { inputs }
        } else if replicas > needed {
            Reason::StillBusy { inputs, needed }
        } else if needed > self.want {
            Reason::RecentlyNeeded { inputs, needed }
        } else {
            Reason::Enough { inputs }
        }
    }

    fn out_of_bounds(&self) -> Reason {
        Reason::OutOfBounds {
            min: self.policy.min(),
            max: self.policy.max(),
        }
    }

    fn decision(
        self,
        replicas: u32,
        retire: Vec<String>,
        reason: Reason,
        hold: Option<Hold>,
    ) -> Decision {
        Decision {
            replicas,
            recheck_after: self.recheck_after(replicas, hold),
            retire,
            reason,
            hold,
            want: self.want,
        }
    }

    /// For how long at most a worker stays that has nothing to do.
    fn keep(&self) -> SignedDuration {
        self.need.keep
    }
}
