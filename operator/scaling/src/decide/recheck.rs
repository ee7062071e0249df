//! When another decision could come out though nothing else is seen.

use super::Look;
use super::down::{STEP, TOGETHER, stuck_from};
use crate::decision::Hold;
use crate::history::{after, before};
use crate::observed::Worker;
use jiff::{SignedDuration, Timestamp};

/// Sooner makes no sense.
const LEAST: SignedDuration = SignedDuration::from_millis(100);
/// Tasks that take longer than was thought show it second by second.
const WHILE_STALLED: SignedDuration = SignedDuration::from_secs(1);

impl Look<'_> {
    /// After what time to look again, if `replicas` are decided on.
    pub(super) fn recheck_after(
        &self,
        replicas: u32,
        hold: Option<Hold>,
    ) -> Option<SignedDuration> {
        let at = [
            self.when_unneeded(replicas),
            self.when_more_may_come(replicas),
            self.when_stalled(),
            self.when_stuck(),
            match hold {
                Some(Hold::Ineffective { until }) => Some(until),
                _ => None,
            },
            self.history.judged_at(),
        ];
        let after = |at: Timestamp| at.duration_since(self.now).max(LEAST);
        at.into_iter().flatten().map(after).min()
    }

    /// When more workers may go.
    fn when_unneeded(&self, replicas: u32) -> Option<Timestamp> {
        if replicas <= self.want {
            return None;
        }
        let until = |window: SignedDuration| {
            let until = self
                .history
                .first_above(before(self.now, window), self.want)?;
            Some(after(until, window))
        };
        let needed = until(self.keep());
        let last = until(self.policy.window());
        let idle = self
            .observed
            .workers
            .iter()
            .filter_map(Worker::idle_since)
            .map(|since| after(since, self.keep()))
            .filter(|at| *at > self.now)
            .min();
        let step = [TOGETHER, STEP]
            .into_iter()
            .filter_map(|time| Some(after(self.history.last_down()?, time)))
            .filter(|at| *at > self.now)
            .min();
        // The number wanted until now counts from now on.
        let window = Some(after(self.now, self.keep()));
        [needed, last, idle, step, window]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the policy allows more to come.
    fn when_more_may_come(&self, replicas: u32) -> Option<Timestamp> {
        if replicas >= self.aim {
            return None;
        }
        let (_, oldest) = self.history.may_add(self.policy, self.have, self.now);
        oldest.map(|oldest| after(oldest, self.policy.up_period()))
    }

    /// When a pod that should come is taken not to.
    fn when_stuck(&self) -> Option<Timestamp> {
        let from = stuck_from(self.observed, self.history);
        from.filter(|from| *from > self.now && self.inputs.want > 0)
            .min()
    }

    /// When tasks that run will show that they take longer.
    fn when_stalled(&self) -> Option<Timestamp> {
        let demand = &self.inputs.demand;
        let runs = self.observed.busy_slots();
        let could_be_more = demand.running_tasks > 0 && demand.runnable() > runs.into();
        could_be_more.then(|| after(self.now, WHILE_STALLED))
    }
}
