//! Ray's autoscaler v2: a place for every request, and nodes go that have had nothing to do for a minute.

use super::starting;
use dasklike_scaling::simulate::{Orders, Scaler};
use dasklike_scaling::{Observed, WorkerState};
use jiff::{SignedDuration, Timestamp};

const IDLE_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

pub(crate) struct RayV2 {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// Slots that are free, or will be once their node has started.
fn free_slots(observed: &Observed) -> u64 {
    let free = |state: &WorkerState| match state {
        WorkerState::Connected {
            slots, busy_slots, ..
        } => slots.saturating_sub(*busy_slots),
        _ => 0,
    };
    let connected: u32 = observed
        .workers
        .iter()
        .map(|worker| free(&worker.state))
        .sum();
    let per_node = u64::from(observed.slots_per_worker.get());
    u64::from(connected) + starting(observed) as u64 * per_node
}

impl Scaler for RayV2 {
    fn period(&self) -> Option<SignedDuration> {
        Some(SignedDuration::from_secs(5))
    }

    fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders {
        let requests = observed.demand.map_or(0, |demand| demand.ready_tasks);
        let without = requests.saturating_sub(free_slots(observed));
        let new = without.div_ceil(observed.slots_per_worker.get().into()) as u32;
        let live = observed.live();
        if new > 0 {
            return Orders {
                replicas: live.saturating_add(new).clamp(self.min, self.max),
                ..Orders::default()
            };
        }
        let is_idle = |since: Timestamp| now.duration_since(since) > IDLE_TIMEOUT;
        let spare = live.saturating_sub(self.min) as usize;
        // What the scheduler is about to hand out is not idle.
        let waits = requests > 0;
        let retire: Vec<String> = observed
            .workers
            .iter()
            .filter(|worker| !waits && worker.idle_since().is_some_and(is_idle))
            .take(spare)
            .map(|worker| worker.name.clone())
            .collect();
        Orders {
            replicas: live - retire.len() as u32,
            retire,
            ..Orders::default()
        }
    }
}
