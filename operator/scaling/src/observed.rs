//! What is seen of one pool: its workers, and the work that waits for them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// One pool at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observed {
    /// Tasks that a worker of this pool computes at once.
    pub slots_per_worker: NonZeroU32,
    /// Its pods, whatever state they are in. Those that ended are not here.
    pub workers: Vec<Worker>,
    /// What the scheduler last said. `None`: nothing, or too long ago to go by.
    pub demand: Option<Demand>,
    /// Pods of this pool that no node has room for.
    #[serde(default)]
    pub unschedulable: u32,
    /// How many workers were wanted until now.
    pub current: u32,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its name, which is its pod's.
    pub name: String,
    /// What it does.
    pub state: WorkerState,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WorkerState {
    /// Its pod exists; the scheduler has not seen it.
    Starting {
        /// When the pod was made.
        since: Timestamp,
    },
    /// The scheduler gives it work.
    Connected {
        /// Threads that compute.
        slots: u32,
        /// Those that do now.
        busy_slots: u32,
        /// Since when it has had nothing to do; `None` while it has.
        idle_since: Option<Timestamp>,
        /// Bytes of results that it holds.
        #[serde(default)]
        held_bytes: u64,
    },
    /// It takes no new work and will be gone.
    Draining {
        /// Threads that still compute.
        #[serde(default)]
        busy_slots: u32,
    },
}

/// The work of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    /// Tasks that could run now.
    pub ready_tasks: u64,
    /// Tasks that workers have: they run, or are next on their worker.
    pub running_tasks: u64,
    /// Tasks whose inputs are not there yet.
    pub blocked_tasks: u64,
    /// What all of these still take, as estimated.
    pub queue_seconds: SlotSeconds,
    /// Bytes of results that the workers hold.
    #[serde(default)]
    pub held_bytes: u64,
    /// Tasks that were done since the scheduler started, so that it shows that some were though others came. Always 0:
    /// it does not tell.
    #[serde(default)]
    pub done_tasks: u64,
}

/// Seconds of one slot: finite and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct SlotSeconds(f64);

impl SlotSeconds {
    /// The nearest to this that makes sense; none at all where it is not a number.
    pub fn new(seconds: f64) -> SlotSeconds {
        match seconds.is_nan() {
            true => SlotSeconds(0.0),
            false => SlotSeconds(seconds.clamp(0.0, f64::MAX)),
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for SlotSeconds {
    fn from(seconds: f64) -> SlotSeconds {
        SlotSeconds::new(seconds)
    }
}

impl From<SlotSeconds> for f64 {
    fn from(seconds: SlotSeconds) -> f64 {
        seconds.0
    }
}

impl Demand {
    /// Tasks that are not done.
    pub fn tasks(&self) -> u64 {
        self.runnable().saturating_add(self.blocked_tasks)
    }

    /// Tasks that have a use for a slot now.
    pub fn runnable(&self) -> u64 {
        self.ready_tasks.saturating_add(self.running_tasks)
    }
}

impl Worker {
    /// Whether it has work.
    pub fn is_busy(&self) -> bool {
        match &self.state {
            WorkerState::Connected {
                busy_slots,
                idle_since,
                ..
            } => *busy_slots > 0 || idle_since.is_none(),
            WorkerState::Starting { .. } | WorkerState::Draining { .. } => false,
        }
    }

    /// Since when it has had nothing to do though it could.
    pub fn idle_since(&self) -> Option<Timestamp> {
        match &self.state {
            WorkerState::Connected { idle_since, .. } if !self.is_busy() => *idle_since,
            _ => None,
        }
    }

    /// Whether it counts: it works, or will.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, WorkerState::Draining { .. })
    }

    /// Whether the scheduler gives it work.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, WorkerState::Connected { .. })
    }
}

impl Observed {
    /// Workers that work or will.
    pub fn live(&self) -> u32 {
        count(self.workers.iter().filter(|worker| worker.is_live()))
    }

    /// Workers that the scheduler gives work.
    pub fn connected(&self) -> u32 {
        count(self.workers.iter().filter(|worker| worker.is_connected()))
    }

    /// Slots that compute, of workers that go.
    pub fn draining_slots(&self) -> u32 {
        let busy = |worker: &Worker| match worker.state {
            WorkerState::Draining { busy_slots } => busy_slots,
            _ => 0,
        };
        self.workers.iter().map(busy).fold(0, u32::saturating_add)
    }

    /// Slots that compute, of workers that stay.
    pub fn busy_slots(&self) -> u32 {
        let busy = |worker: &Worker| match worker.state {
            WorkerState::Connected { busy_slots, .. } => busy_slots,
            _ => 0,
        };
        self.workers.iter().map(busy).fold(0, u32::saturating_add)
    }
}

pub(crate) fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_seconds_are_finite_and_not_negative() {
        for (given, kept) in [
            (f64::NAN, 0.0),
            (-1.0, 0.0),
            (f64::INFINITY, f64::MAX),
            (2.5, 2.5),
        ] {
            assert_eq!(SlotSeconds::new(given).get(), kept);
        }
    }

    #[test]
    fn observed_survives_json() {
        let text = r#"{"slotsPerWorker":2,"workers":[{"name":"a","state":{"starting":{"since":"2026-01-01T00:00:00Z"}}},
            {"name":"b","state":{"connected":{"slots":2,"busySlots":1,"idleSince":null}}},{"name":"c","state":{"draining":{}}}],
            "demand":{"readyTasks":1,"runningTasks":1,"blockedTasks":0,"queueSeconds":3.5},"current":2}"#;
        let observed: Observed = serde_json::from_str(text).unwrap();
        assert_eq!(
            (observed.live(), observed.connected(), observed.busy_slots()),
            (2, 1, 1)
        );
        let again = serde_json::to_string(&observed).unwrap();
        assert_eq!(serde_json::from_str::<Observed>(&again).unwrap(), observed);
    }
}
