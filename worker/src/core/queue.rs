//! Assignments and what of them has not started.

use super::effect::{Effect, FetchId, Task};
use super::{Draining, State};
use dasklike_graph::protocol::{
    Assignment, AssignmentId, ErrorKind, JobId, TaskError, ToScheduler,
};
use dasklike_graph::stage::StageId;
use std::collections::VecDeque;

/// The unstarted tiles of an assignment: `next..end`.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) id: AssignmentId,
    pub(super) job: JobId,
    pub(super) stage: StageId,
    pub(super) next: u64,
    pub(super) end: u64,
    /// Bytes that each tile holds while it runs.
    pub(super) peak: u64,
    /// The most bytes that fetching takes for each tile.
    pub(super) encoded: u64,
}

/// A tile whose bytes are under way or held.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    pub(super) fetch: FetchId,
    pub(super) task: Task,
    pub(super) assignment: AssignmentId,
    pub(super) held: bool,
    pub(super) peak: u64,
    pub(super) encoded: u64,
}

impl State {
    pub(super) fn assign(&mut self, assignment: Assignment, out: &mut Vec<Effect>) {
        let Assignment {
            id,
            job,
            stage,
            range,
        } = assignment;
        if self.draining != Draining::No {
            return out.push(Effect::Send(ToScheduler::Revoked {
                assignment: id,
                range,
            }));
        }
        // A job that cannot run here was reported; its end is on the way.
        let Some(j) = self.jobs.get(&job).filter(|j| !j.failed) else {
            return;
        };
        let Some(s) = j.stages.lowered.stages.get(stage.0 as usize) else {
            let message = format!(
                "{job} has no stage {}: scheduler and worker lower plans differently",
                stage.0
            );
            return self.fail(
                job,
                None,
                TaskError {
                    kind: ErrorKind::Internal,
                    message,
                },
                out,
            );
        };
        let limit = self.config.memory_limit;
        if s.peak_bytes > limit {
            let message = format!(
                "a task of stage {} needs {} bytes and the worker may use {limit}: \
                 ask for smaller chunks or give workers more memory",
                stage.0, s.peak_bytes
            );
            return self.fail(
                job,
                None,
                TaskError {
                    kind: ErrorKind::Memory,
                    message,
                },
                out,
            );
        }
        self.queued += range.end - range.start;
        let fetched = j
            .stages
            .fetched
            .get(stage.0 as usize)
            .copied()
            .unwrap_or(false);
        let (peak, cost) = (s.peak_bytes, s.tile_cost);
        let encoded = cost.encoded_bytes + cost.asking_bytes;
        let queued = Queued {
            id,
            job,
            stage,
            next: range.start,
            end: range.end,
            peak,
            encoded,
        };
        if fetched {
            self.remote.push_back(queued)
        } else {
            self.local.push_back(queued)
        }
    }

    /// Gives back the tail of an assignment: what is neither started nor being fetched.
    pub(super) fn revoke(&mut self, id: AssignmentId, from: u64, out: &mut Vec<Effect>) {
        let mut range = from..from;
        for queue in [&mut self.local, &mut self.remote] {
            if let Ok(at) = queue.binary_search_by_key(&id, |q| q.id) {
                let q = &mut queue[at];
                range = from.clamp(q.next, q.end)..q.end;
                q.end = range.start;
                self.queued -= range.end - range.start;
            }
        }
        out.push(Effect::Send(ToScheduler::Revoked {
            assignment: id,
            range,
        }));
    }

    /// A task's failure is the job's: nothing more of it starts here.
    pub(super) fn fail(
        &mut self,
        job: JobId,
        task: Option<Task>,
        error: TaskError,
        out: &mut Vec<Effect>,
    ) {
        let Some(j) = self.jobs.get_mut(&job).filter(|j| !j.failed) else {
            return;
        };
        j.failed = true;
        let task = task.map(|t| (t.stage, t.tile));
        out.push(Effect::Send(ToScheduler::Failed { job, task, error }));
        self.unqueue(|of| of == job, out);
    }

    /// Drops the unstarted tiles of some jobs, with their fetches.
    pub(super) fn unqueue(&mut self, drops: impl Fn(JobId) -> bool, out: &mut Vec<Effect>) {
        for queue in [&mut self.local, &mut self.remote] {
            queue.retain(|q| {
                let goes = drops(q.job);
                self.queued -= if goes { q.end - q.next } else { 0 };
                !goes
            });
        }
        self.ahead.retain(|a| {
            let goes = drops(a.task.job);
            if goes {
                self.queued -= 1;
                self.reserved -= a.encoded;
                out.push(Effect::DropFetch { fetch: a.fetch });
            }
            !goes
        });
    }
}

/// The first assignment with unstarted tiles; those without are dropped on the way.
pub(super) fn front(queue: &mut VecDeque<Queued>) -> Option<&mut Queued> {
    while queue.front().is_some_and(|q| q.next == q.end) {
        queue.pop_front();
    }
    queue.front_mut()
}
