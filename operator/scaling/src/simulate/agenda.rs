//! What will happen, the next first; what happens at once, in the order in which it was planned.

use super::Micros;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The next job comes.
    Job,
    /// A pod takes work.
    Connect { pod: usize },
    /// A slot is done with its task, if that is still the same turn.
    Done { pod: usize, slot: usize, turn: u64 },
    /// A worker dies.
    Die { pod: usize },
    /// A worker that goes has no more time.
    Deadline { pod: usize },
    /// The number of pods that have a node changes.
    Capacity { pods: u32 },
    /// The scheduler tells what there is to do.
    Report,
    /// The scaler looks, as it does now and then.
    Look,
    /// The scaler wanted to look again, unless it has looked since.
    Recheck { look: u64 },
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Micros, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, event)));
    }

    pub(super) fn next(&mut self) -> Option<(Micros, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
