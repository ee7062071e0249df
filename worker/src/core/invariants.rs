//! What is true between any two events. Tests check it after each.

use super::State;
use std::collections::BTreeSet;

impl State {
    /// Says which rule is broken, if one is.
    pub fn check_invariants(&self) -> Result<(), String> {
        let queues = || self.local.iter().chain(&self.remote);
        let queued: u64 = queues().map(|q| q.end - q.next).sum::<u64>() + self.ahead.len() as u64;
        ensure(queued == self.queued, || {
            format!("{queued} tiles are queued, counted {}", self.queued)
        })?;
        let tasks: u64 = self.slots.iter().flatten().map(|r| r.reserved).sum();
        let fetches: u64 = self.ahead.iter().map(|a| a.encoded).sum();
        let pushes: u64 = self.pushes.values().map(|p| p.bytes).sum();
        let reserved = tasks + fetches + pushes;
        ensure(reserved == self.reserved, || {
            format!("{reserved} bytes are held, counted {}", self.reserved)
        })?;
        // Blocks are counted as they leave their task, so only tasks and fetches are bounded by admission.
        let limit = self.config.memory_limit;
        ensure(tasks + fetches <= limit, || {
            format!("{} bytes are reserved of {limit}", tasks + fetches)
        })?;
        let busy = self.slots.iter().flatten().count();
        ensure(busy + self.idle.len() == self.slots.len(), || {
            "a slot is neither busy nor idle".to_owned()
        })?;
        let mut waiting = BTreeSet::new();
        for q in queues() {
            ensure(self.jobs.contains_key(&q.job), || {
                format!("{} is queued and {} unknown", q.id, q.job)
            })?;
            let apart = (q.next..q.end).all(|t| waiting.insert((q.job, q.stage, t)));
            ensure(apart, || format!("a tile of {} is queued twice", q.id))?;
        }
        for task in self.ahead.iter().map(|a| a.task) {
            let apart = waiting.insert((task.job, task.stage, task.tile.0));
            ensure(apart, || format!("{task:?} is fetched and queued"))?;
        }
        for task in self
            .slots
            .iter()
            .flatten()
            .filter(|r| !r.stale)
            .map(|r| r.task)
        {
            let apart = waiting.insert((task.job, task.stage, task.tile.0));
            ensure(apart, || format!("{task:?} runs and is queued"))?;
        }
        let known = self
            .reports
            .keys()
            .all(|(job, _)| self.jobs.contains_key(job));
        ensure(known, || "a report is of no job".to_owned())?;
        ensure(self.session.is_some() || waiting.is_empty(), || {
            "work without a scheduler".to_owned()
        })
    }
}

fn ensure(holds: bool, message: impl Fn() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}
