//! How long a pool waits before it makes pods again, after pods that ended too soon.

use super::observed::ObservedPod;
use jiff::{SignedDuration, Timestamp};

/// A pod that lived shorter than this is one that failed.
const SHORT_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// The longest wait.
const LONGEST: SignedDuration = SignedDuration::from_secs(300);

/// A pool's memory of pods that ended too soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// How many in a row.
    failures: u32,
    /// No new pods before.
    until: Option<Timestamp>,
}

impl Backoff {
    /// The same after these pods, which ended for good.
    #[must_use]
    pub fn after<'a>(
        mut self,
        finished: impl Iterator<Item = &'a ObservedPod>,
        now: Timestamp,
    ) -> Backoff {
        let lives: Vec<SignedDuration> = finished
            .map(|pod| {
                let end = pod.termination.as_ref().map_or(now, |ended| ended.at);
                end.duration_since(pod.created)
            })
            .collect();
        if lives.is_empty() {
            return self;
        }
        // Many that fail together are one failure: they have one cause.
        if lives.iter().all(|life| *life >= SHORT_LIFE) {
            return Backoff::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.until = now.checked_add(wait(self.failures)).ok();
        self
    }

    /// The same without failures: pods have run for long enough.
    #[must_use]
    pub fn healed_by<'a>(
        self,
        mut current: impl Iterator<Item = &'a ObservedPod>,
        now: Timestamp,
    ) -> Backoff {
        let healed = current.any(|pod| {
            pod.ready_since
                .is_some_and(|since| now.duration_since(since) >= LONGEST)
        });
        match healed {
            true => Backoff::default(),
            false => self,
        }
    }

    /// Until when no pods are made; none if they may be.
    pub fn waits_until(self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }
}

/// The first is replaced at once, then 1, 2, 4 seconds and so on.
fn wait(failures: u32) -> SignedDuration {
    match failures.checked_sub(2) {
        None => SignedDuration::ZERO,
        Some(doublings) => SignedDuration::from_secs(1 << doublings.min(9)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let seconds: Vec<i64> = (0..14).map(|n| wait(n).as_secs()).collect();
        assert_eq!(
            seconds,
            [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        );
    }
}
