//! How long a job takes where it waits for nothing: alone, with all the slots there may be.

use super::{Job, Micros};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The time from the first task's start to the last one's end, with the tasks in order, each on the slot that is free
/// first.
pub(super) fn alone(job: &Job, slots: u32) -> Micros {
    job.stages
        .iter()
        .fold(0, |begun, stage| span(&stage.tasks, slots, begun))
}

fn span(tasks: &[Micros], slots: u32, begun: Micros) -> Micros {
    // More slots than tasks are of no use.
    let slots = usize::try_from(slots.max(1)).map_or(tasks.len(), |slots| slots.min(tasks.len()));
    let mut free: BinaryHeap<Reverse<Micros>> = vec![Reverse(begun); slots].into();
    let mut last = begun;
    for task in tasks {
        let Reverse(at) = free.pop().unwrap_or(Reverse(begun));
        last = last.max(at + task);
        free.push(Reverse(at + task));
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Kind, Stage};

    #[test]
    fn stages_follow_each_other_and_tasks_share_the_slots() {
        let stage = |seconds: &[f64]| Stage::new(Kind(0), seconds.iter().copied());
        let job = Job::new(7.0, [stage(&[3.0, 1.0, 1.0, 2.0]), stage(&[1.0])]);
        for (slots, seconds) in [(1, 8), (2, 5), (4, 4), (100, 4)] {
            assert_eq!(alone(&job, slots), seconds * 1_000_000, "{slots} slots");
        }
    }
}
