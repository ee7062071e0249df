//! How many workers were needed lately: those are kept a while, for work often comes again.
//!
//! A worker that waits costs as much as it waits; a new one costs its start, and what waits for it. Not knowing when
//! work comes, nobody can do better for sure than to wait until both cost the same, and then let go: at worst that is
//! twice the cost of knowing. So the time grows with the start that was measured, and the policy bounds it. The last
//! worker is worth more than the others, because without it all work waits for a start.

use crate::history::{History, before};
use crate::observed::Observed;
use crate::policy::Policy;
use jiff::{SignedDuration, Timestamp};

/// A worker is kept for so many times what a new one takes to start.
const KEEP_STARTS: i32 = 3;

/// What was needed lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// How many workers.
    pub(super) workers: u32,
    /// What lately is.
    pub(super) keep: SignedDuration,
}

impl Need {
    pub(super) fn new(
        policy: &Policy,
        observed: &Observed,
        history: &History,
        want: u32,
        now: Timestamp,
    ) -> Need {
        let keep = history
            .start()
            .saturating_mul(KEEP_STARTS)
            .min(policy.window());
        if history.is_new() {
            // Nothing is known of before, so what there is may have been needed.
            return Need {
                workers: policy.clamp(want.max(observed.current)),
                keep,
            };
        }
        let lately = history.most_wanted(before(now, keep));
        let one = history.most_wanted(before(now, policy.window())).min(1);
        Need {
            workers: policy.clamp(want.max(lately).max(one)),
            keep,
        }
    }
}
