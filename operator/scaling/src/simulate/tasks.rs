//! The jobs that have come, and their tasks: first come, first served.

use super::estimate::Estimates;
use super::{Job, Kind, Micros, to_seconds};
use crate::{Demand, SlotSeconds};
use std::collections::{BTreeMap, VecDeque};

/// One task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) job: usize,
    pub(super) kind: Kind,
    pub(super) takes: Micros,
}

#[derive(Debug)]
struct Live {
    came: Micros,
    /// What it would take if it waited for nothing.
    alone: Micros,
    /// The stages that are not begun, the next last.
    blocked: Vec<super::Stage>,
    /// Tasks of the stage that is begun which are not done.
    left: usize,
    ended: Option<Micros>,
}

#[derive(Debug, Default)]
pub(super) struct Tasks {
    jobs: Vec<Live>,
    ready: VecDeque<Task>,
    running: u64,
    blocked: u64,
    done: u64,
    /// Tasks that are not done, by kind.
    left: BTreeMap<Kind, u64>,
    pub(super) estimates: Estimates,
}

impl Tasks {
    pub(super) fn come(&mut self, job: &Job, alone: Micros, now: Micros) {
        for stage in &job.stages {
            let tasks = stage.tasks.len() as u64;
            *self.left.entry(stage.kind).or_default() += tasks;
            self.blocked += tasks;
        }
        self.jobs.push(Live {
            came: now,
            alone,
            blocked: job.stages.iter().rev().cloned().collect(),
            left: 0,
            ended: None,
        });
        self.begin_stage(self.jobs.len() - 1, now);
    }

    fn begin_stage(&mut self, job: usize, now: Micros) {
        let live = &mut self.jobs[job];
        let Some(stage) = live.blocked.pop() else {
            live.ended = Some(now);
            return;
        };
        live.left = stage.tasks.len();
        self.blocked -= stage.tasks.len() as u64;
        let kind = stage.kind;
        let task = |takes| Task { job, kind, takes };
        self.ready.extend(stage.tasks.into_iter().map(task));
    }

    /// The next task, for a slot.
    pub(super) fn hand_out(&mut self) -> Option<Task> {
        let task = self.ready.pop_front()?;
        self.running += 1;
        Some(task)
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn done(&mut self, task: Task, now: Micros) {
        self.running -= 1;
        self.done += 1;
        self.estimates.learn(task.kind, task.takes);
        if let Some(left) = self.left.get_mut(&task.kind) {
            *left -= 1;
        }
        self.jobs[task.job].left -= 1;
        if self.jobs[task.job].left == 0 {
            self.begin_stage(task.job, now);
        }
    }

    /// A task that must run again: it has waited longest.
    pub(super) fn lost(&mut self, task: Task) {
        self.running -= 1;
        self.ready.push_front(task);
    }

    pub(super) fn demand(&self) -> Demand {
        let seconds = |(kind, left): (&Kind, &u64)| *left as f64 * self.estimates.seconds(*kind);
        Demand {
            ready_tasks: self.ready.len() as u64,
            running_tasks: self.running,
            blocked_tasks: self.blocked,
            queue_seconds: SlotSeconds::new(self.left.iter().map(seconds).sum()),
            held_bytes: 0,
            done_tasks: self.done,
        }
    }

    /// Seconds that jobs took from coming to being done, or until `now`.
    pub(super) fn took(&self, now: Micros) -> f64 {
        let took = |job: &Live| job.ended.unwrap_or(now) - job.came;
        self.jobs.iter().map(took).map(to_seconds).sum()
    }

    /// The same without what each would have taken if it had waited for nothing.
    pub(super) fn waited(&self, now: Micros) -> f64 {
        let took = |job: &Live| job.ended.unwrap_or(now) - job.came;
        let waited = |job: &Live| took(job).saturating_sub(job.alone);
        self.jobs.iter().map(waited).map(to_seconds).sum()
    }

    /// How many jobs are not done.
    pub(super) fn open(&self) -> usize {
        self.jobs.iter().filter(|job| job.ended.is_none()).count()
    }
}
