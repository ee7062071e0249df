//! What is remembered from one decision to the next: bounded, and small enough to be kept in a status.

mod attempt;
mod marks;
mod progress;
mod starts;

use crate::decision::Decision;
use crate::observed::{Demand, Observed};
use crate::policy::Policy;
use attempt::Attempts;
use jiff::{SignedDuration, Timestamp};
use marks::Marks;
use progress::Progress;
use serde::{Deserialize, Serialize};
pub(crate) use starts::CLOCKS_DIFFER;
use starts::Starts;

/// What is remembered of one pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// The time of the latest decision: time never goes back behind it.
    latest: Option<Timestamp>,
    /// How many workers the work asked for.
    wants: Marks,
    /// How many workers were added.
    ups: Marks,
    last_down: Option<Timestamp>,
    starts: Starts,
    progress: Progress,
    attempts: Attempts,
}

impl History {
    /// The time, unless a clock went backwards: then the latest time there was.
    pub(crate) fn not_before(&self, now: Timestamp) -> Timestamp {
        self.latest.map_or(now, |latest| latest.max(now))
    }

    /// The same with what is seen of pods that start.
    pub(crate) fn with_starts(&self, observed: &Observed, now: Timestamp) -> History {
        let mut next = self.clone();
        next.starts.see(observed, self.latest, now);
        next
    }

    /// Whether nothing is known yet.
    pub(crate) fn is_new(&self) -> bool {
        self.latest.is_none()
    }

    /// The most workers wanted since `from`.
    pub(crate) fn most_wanted(&self, from: Timestamp) -> u32 {
        self.wants.most(from)
    }

    /// Until when more than `count` were wanted, for the first time since `from`.
    pub(crate) fn first_above(&self, from: Timestamp, count: u32) -> Option<Timestamp> {
        self.wants.first_above(from, count)
    }

    /// How many more workers than `have` may be had now, and when that could be more.
    pub(crate) fn may_add(
        &self,
        policy: &Policy,
        have: u32,
        now: Timestamp,
    ) -> (u32, Option<Timestamp>) {
        let from = before(now, policy.up_period());
        let added = self.ups.sum(from);
        match policy.up_bound(have.saturating_sub(added)) {
            None => (u32::MAX, None),
            Some(bound) => (bound.saturating_sub(added), self.ups.oldest(from)),
        }
    }

    /// When workers were last taken away.
    pub(crate) fn last_down(&self) -> Option<Timestamp> {
        self.last_down
    }

    /// What a pod usually takes from being made to taking work.
    pub fn start(&self) -> SignedDuration {
        self.starts.median()
    }

    /// From when on a pod is taken not to come: it takes much too long, and younger ones came.
    pub(crate) fn stuck_from(&self, name: &str) -> Option<Timestamp> {
        self.starts.stuck_from(name)
    }

    /// For how long tasks have run without one of them being done.
    pub(crate) fn stalled(&self, demand: &Demand, now: Timestamp) -> SignedDuration {
        self.progress.stalled(demand, now)
    }

    /// Until when no workers are added because the last ones brought nothing.
    pub(crate) fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.attempts.blocked_until(now)
    }

    /// When it will be known whether the last workers brought something.
    pub(crate) fn judged_at(&self) -> Option<Timestamp> {
        self.attempts.judged_at()
    }

    /// What is remembered once `decision` was made from what was `observed` at `now`.
    #[must_use]
    pub fn after(
        &self,
        policy: &Policy,
        observed: &Observed,
        decision: &Decision,
        now: Timestamp,
    ) -> History {
        let now = self.not_before(now);
        let mut next = self.clone();
        next.latest = Some(now);
        next.starts.see(observed, self.latest, now);
        next.remember_want(policy, observed, decision, now);
        if let Some(demand) = &observed.demand {
            next.progress.see(demand, now);
        }
        // What was only told neither brings anything nor counts.
        if !policy.dry_run() {
            next.remember_step(policy, observed, decision, now);
        }
        next
    }

    fn remember_step(
        &mut self,
        policy: &Policy,
        observed: &Observed,
        decision: &Decision,
        now: Timestamp,
    ) {
        let have = observed.current.max(observed.live());
        let added = decision.replicas.saturating_sub(have);
        self.ups.forget_before(before(now, policy.up_period()));
        if added > 0 {
            self.ups.add(now, added);
        }
        if !decision.retire.is_empty() {
            self.last_down = Some(now);
        }
        let (came, patience) = (self.starts.came(), self.starts.patience());
        self.attempts.see(observed, came, patience, now);
        self.attempts.add(observed, came, added, patience, now);
    }

    fn remember_want(
        &mut self,
        policy: &Policy,
        observed: &Observed,
        decision: &Decision,
        now: Timestamp,
    ) {
        let unknown = observed.demand.is_none() || self.wants.is_empty() && decision.replicas > 0;
        // While it is not known what is needed, all there are may be.
        let want = if unknown {
            decision.want.max(decision.replicas)
        } else {
            decision.want
        };
        self.wants.add_peak(now, want);
        self.wants.forget_peaks_before(before(now, policy.window()));
    }
}

/// `now` less `ago`, or the earliest time there is.
pub(crate) fn before(now: Timestamp, ago: SignedDuration) -> Timestamp {
    now.checked_sub(ago).unwrap_or(Timestamp::MIN)
}

/// `now` and `later`, or the latest time there is.
pub(crate) fn after(now: Timestamp, later: SignedDuration) -> Timestamp {
    now.checked_add(later).unwrap_or(Timestamp::MAX)
}
