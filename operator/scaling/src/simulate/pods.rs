//! The pods of a simulation.

use super::tasks::Task;
use super::{Micros, timestamp};
use crate::{Worker, WorkerState};

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) made: Micros,
    pub(super) phase: Phase,
    /// What each slot computes, and since when.
    pub(super) slots: Vec<Option<Turn>>,
    pub(super) idle_since: Micros,
}

/// One task on one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) task: Task,
    pub(super) number: u64,
    pub(super) since: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No node has room for it.
    Unplaced,
    Starting,
    Connected,
    Draining,
    Gone,
}

impl Pod {
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self.phase,
            Phase::Unplaced | Phase::Starting | Phase::Connected
        )
    }

    pub(super) fn busy(&self) -> u32 {
        crate::observed::count(self.slots.iter().flatten())
    }

    pub(super) fn free_slot(&self) -> Option<usize> {
        let takes = self.phase == Phase::Connected;
        self.slots.iter().position(|slot| takes && slot.is_none())
    }

    pub(super) fn seen(&self) -> Option<Worker> {
        let state = match self.phase {
            Phase::Gone => return None,
            Phase::Draining => WorkerState::Draining {
                busy_slots: self.busy(),
            },
            Phase::Unplaced | Phase::Starting => WorkerState::Starting {
                since: timestamp(self.made),
            },
            Phase::Connected => WorkerState::Connected {
                slots: crate::observed::count(self.slots.iter()),
                busy_slots: self.busy(),
                idle_since: (self.busy() == 0).then(|| timestamp(self.idle_since)),
                held_bytes: 0,
            },
        };
        Some(Worker {
            name: self.name.clone(),
            state,
        })
    }
}
