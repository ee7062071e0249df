//! Which workers go: those that never came first, then those that have had nothing to do for longest, then those that
//! hold least. One that has work goes only where the policy allows fewer.

use super::Look;
use crate::history::{History, before};
use crate::observed::{Observed, Worker, WorkerState, count};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;

/// Steps are so far apart that the work left to fewer workers shows.
pub(super) const STEP: SignedDuration = SignedDuration::from_secs(5);

/// Those that go within such a time go together: each that goes is told, and costs a few requests.
pub(super) const TOGETHER: SignedDuration = SignedDuration::from_secs(2);

/// Workers that go.
pub(super) struct Leave<'a>(Vec<&'a Worker>);

/// First who goes first: who never came (the youngest first), who waits, who works.
type Rank<'a> = (Group, u32, u64, &'a str);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Starting(Reverse<Timestamp>),
    Idle(Timestamp),
    Busy,
}

impl<'a> Leave<'a> {
    /// Those beyond `needed` that may go now.
    pub(super) fn new(look: &Look<'a>, needed: u32) -> Leave<'a> {
        let live = in_order(look.observed);
        let surplus = look.observed.live().saturating_sub(needed);
        let forced = look.observed.live().saturating_sub(look.policy.max());
        let proven = before(look.now, look.keep());
        let mut step = look.step();
        let mut left = match look.went_within(TOGETHER) {
            true => forced,
            false => surplus,
        };
        let goes = |(i, worker): &(usize, &Worker)| {
            let must = count(0..*i) < forced;
            let may = must || may_go(worker, proven, &mut step);
            let goes = left > 0 && may;
            left -= u32::from(goes);
            goes
        };
        let going = live.into_iter().enumerate().filter(goes);
        Leave(going.map(|(_, worker)| worker).collect())
    }

    /// Those beyond `most`.
    pub(super) fn above(observed: &'a Observed, most: u32) -> Leave<'a> {
        let surplus = observed.live().saturating_sub(most);
        let mut live = in_order(observed);
        live.truncate(usize::try_from(surplus).unwrap_or(usize::MAX));
        Leave(live)
    }

    pub(super) fn count(&self) -> u32 {
        count(self.0.iter())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|worker| worker.name.clone()).collect()
    }
}

/// Whether a worker may go: it never came, or it has had nothing to do for as long as one is kept, or it has nothing
/// to do now and there is room in this step.
fn may_go(worker: &Worker, proven: Timestamp, step: &mut u32) -> bool {
    match (&worker.state, worker.idle_since()) {
        (WorkerState::Starting { .. }, _) => true,
        (_, Some(since)) if since <= proven => true,
        (_, Some(_)) if *step > 0 => {
            *step -= 1;
            true
        }
        _ => false,
    }
}

fn in_order(observed: &Observed) -> Vec<&Worker> {
    let mut live: Vec<&Worker> = observed
        .workers
        .iter()
        .filter(|worker| worker.is_live())
        .collect();
    live.sort_by(|a, b| rank(a).cmp(&rank(b)));
    live
}

fn rank(worker: &Worker) -> Rank<'_> {
    let (group, busy, held) = match worker.state {
        WorkerState::Connected {
            busy_slots,
            idle_since,
            held_bytes,
            ..
        } => match idle_since.filter(|_| !worker.is_busy()) {
            Some(since) => (Group::Idle(since), 0, held_bytes),
            None => (Group::Busy, busy_slots, held_bytes),
        },
        WorkerState::Starting { since } => (Group::Starting(Reverse(since)), 0, 0),
        WorkerState::Draining { .. } => (Group::Busy, u32::MAX, u64::MAX),
    };
    (group, busy, held, &worker.name)
}

/// From when on each pod that has not come is taken not to come.
pub(super) fn stuck_from(
    observed: &Observed,
    history: &History,
) -> impl Iterator<Item = Timestamp> {
    let from = |worker: &Worker| match worker.state {
        WorkerState::Starting { .. } => history.stuck_from(&worker.name),
        _ => None,
    };
    observed.workers.iter().filter_map(from)
}

impl Look<'_> {
    /// How many may go though they worked a moment ago.
    fn step(&self) -> u32 {
        match self.went_within(STEP) {
            true => 0,
            false => self.policy.down_bound(self.observed.live()),
        }
    }

    fn went_within(&self, time: SignedDuration) -> bool {
        let last = self.history.last_down();
        last.is_some_and(|last| last > before(self.now, time))
    }
}
