//! How many workers the work asks for, whatever there are and were.

use crate::history::History;
use crate::observed::{Demand, Observed, SlotSeconds};
use crate::policy::Policy;
use crate::reason::Inputs;
use jiff::Timestamp;

/// What the work asks for, and what that follows from.
pub(super) fn inputs(
    policy: &Policy,
    observed: &Observed,
    demand: &Demand,
    history: &History,
    now: Timestamp,
) -> Inputs {
    let stalled = history.stalled(demand, now).as_secs_f64();
    // Tasks that have run for so long, and none of them is done, take at least that.
    let shown = demand.tasks() as f64 * stalled;
    let work = SlotSeconds::new(demand.queue_seconds.get().max(shown));
    // Workers that come later than the work is done are of no use.
    let within_seconds = policy.target().max(history.start()).as_secs_f64();
    Inputs {
        demand: *demand,
        work,
        within_seconds,
        want: workers(demand, observed, work.get() / within_seconds),
    }
}

/// Slots for what runs, and as many more as do what waits in time, but not more than there are tasks for. Work that must
/// wait for other work keeps one worker, for there is no telling when it can go on.
///
/// What runs has its slots: counting it as work that has time would let a queue stand for ever where work comes all the
/// time, since then all slots are always busy.
fn workers(demand: &Demand, observed: &Observed, slots: f64) -> u32 {
    let tasks = demand.tasks();
    if tasks == 0 {
        return 0;
    }
    let runs = u64::from(observed.busy_slots()).min(demand.running_tasks);
    let goes = u64::from(observed.draining_slots()).min(demand.running_tasks - runs);
    let waits = (tasks - runs - goes) as f64 / tasks as f64;
    // The conversion stops at the largest number.
    let more = ((slots * waits).round() as u64).min(demand.runnable() - runs - goes);
    let per_worker = u64::from(observed.slots_per_worker.get());
    let workers = runs.saturating_add(more).max(1).div_ceil(per_worker);
    u32::try_from(workers).unwrap_or(u32::MAX)
}
