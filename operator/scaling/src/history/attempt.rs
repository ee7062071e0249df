//! Whether adding workers brought anything. Where it did not, adding more is put off.

use super::after;
use crate::observed::Observed;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// For how long no more workers are added.
const BLOCK: SignedDuration = SignedDuration::from_secs(120);

/// The last addition and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Attempts {
    pending: Option<Attempt>,
    blocked_until: Option<Timestamp>,
}

/// Workers that were added, and what there was before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    judged_at: Timestamp,
    added: u32,
    connected: u32,
    busy_slots: u32,
    /// How many had come, ever.
    came: u64,
}

enum Verdict {
    Brought,
    Open,
    Failed,
}

impl Attempts {
    pub(super) fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        // What is to be judged now is judged once this decision is made, so this one must not add more.
        let due = self.judged_at().filter(|at| *at <= now);
        due.map(|_| now)
            .or(self.blocked_until.filter(|until| now < *until))
    }

    pub(super) fn judged_at(&self) -> Option<Timestamp> {
        self.pending.map(|attempt| attempt.judged_at)
    }

    /// Judges what was added by what is there now.
    pub(super) fn see(
        &mut self,
        observed: &Observed,
        came: u64,
        patience: SignedDuration,
        now: Timestamp,
    ) {
        let Some(attempt) = self.pending else { return };
        match attempt.judge(observed, came, now) {
            Verdict::Open => {}
            Verdict::Brought => *self = Attempts::default(),
            Verdict::Failed => {
                self.pending = None;
                self.blocked_until = Some(after(now, BLOCK.max(patience)));
            }
        }
    }

    /// Remembers that workers were added.
    pub(super) fn add(
        &mut self,
        observed: &Observed,
        came: u64,
        added: u32,
        patience: SignedDuration,
        now: Timestamp,
    ) {
        if added == 0 || self.pending.is_some() || self.blocked_until(now).is_some() {
            return;
        }
        self.pending = Some(Attempt {
            judged_at: after(now, patience),
            added,
            connected: observed.connected(),
            busy_slots: observed.busy_slots(),
            came,
        });
    }
}

impl Attempt {
    fn judge(&self, observed: &Observed, came: u64, now: Timestamp) -> Verdict {
        // Who waits for nothing needs no more workers, and where pods have no node that is what is told.
        let waits = observed.demand.is_none_or(|demand| demand.ready_tasks > 0);
        if !waits || observed.unschedulable > 0 {
            return Verdict::Brought;
        }
        let connected = observed.connected().saturating_sub(self.connected);
        let came = (came - self.came.min(came)).max(connected.into());
        let busy = observed.busy_slots().saturating_sub(self.busy_slots);
        let slots = self.added.saturating_mul(observed.slots_per_worker.get());
        if is_tenth(came, self.added) && (is_tenth(busy.into(), slots) || all_busy(observed)) {
            return Verdict::Brought;
        }
        if now < self.judged_at || observed.demand.is_none() {
            return Verdict::Open;
        }
        Verdict::Failed
    }
}

/// Whether at least a tenth of what was foreseen has come.
fn is_tenth(came: u64, foreseen: u32) -> bool {
    came.saturating_mul(10) >= u64::from(foreseen)
}

/// Where all slots compute, those that came do too, whoever went meanwhile.
fn all_busy(observed: &Observed) -> bool {
    let connected = observed.connected();
    connected > 0
        && observed
            .workers
            .iter()
            .filter(|worker| worker.is_connected())
            .all(crate::Worker::is_busy)
}
