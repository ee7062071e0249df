//! Workers come, speak and go.

use super::State;
use super::effect::Effect;
use super::ids::{AssignmentId, Epoch, Instant, JobId, WorkerId};
use super::job::JobState;
use super::story::Entry;
use super::worker::{Assignment, Worker};
use dasklike_graph::protocol::{ErrorKind, TaskError, ToScheduler, ToWorker, WorkerHello};
use dasklike_graph::stage::{StageId, Tile};
use std::ops::Range;

impl State {
    pub(super) fn worker_connected(
        &mut self,
        worker: WorkerId,
        hello: WorkerHello,
        out: &mut Vec<Effect>,
    ) {
        self.log.push(self.now, Entry::Connected { worker });
        self.workers.insert(worker, Worker::new(hello, self.now));
        self.count_slots();
        out.push(Effect::Send {
            worker,
            message: ToWorker::Welcome { worker },
        });
        self.alarm_by(self.now.after(self.config.heartbeat_timeout_ns));
        self.everyone_has_room();
    }

    pub(super) fn take_messages(
        &mut self,
        worker: WorkerId,
        epoch: Epoch,
        messages: Vec<ToScheduler>,
        out: &mut Vec<Effect>,
    ) {
        if epoch != self.epoch || !self.heard(worker) {
            return;
        }
        for message in messages {
            if !self.workers.contains_key(&worker) {
                return;
            }
            match message {
                ToScheduler::Commit(commit) => self.commit(worker, commit, out),
                ToScheduler::Revoked { assignment, range } => {
                    self.revoked(worker, assignment, range, out)
                }
                ToScheduler::Failed { job, task, error } => {
                    self.failed(worker, job, task, error, out)
                }
                ToScheduler::Heartbeat(heartbeat) => {
                    if let Some(w) = self.workers.get_mut(&worker) {
                        w.heartbeat = heartbeat;
                    }
                }
                ToScheduler::Draining => self.drain_worker(worker, None, out),
                ToScheduler::Drained => self.drained(worker, out),
            }
        }
    }

    /// Notes that a worker spoke; false if it is not, or no longer, one of ours.
    pub(super) fn heard(&mut self, worker: WorkerId) -> bool {
        let Some(w) = self.workers.get_mut(&worker) else {
            return false;
        };
        w.last_heard = self.now;
        true
    }

    fn failed(
        &mut self,
        worker: WorkerId,
        job: JobId,
        task: Option<(StageId, Tile)>,
        error: TaskError,
        out: &mut Vec<Effect>,
    ) {
        let Some(j) = self.jobs.get_mut(&job).filter(|j| j.state.is_live()) else {
            return;
        };
        if let Some((stage, tile)) = task {
            j.fault = Some((stage, tile, worker));
            if let Some(stage) = j.stage(stage) {
                *self.totals.failed.entry(stage.op).or_default() += 1;
            }
            self.log.push(
                self.now,
                Entry::Failed {
                    worker,
                    job,
                    stage,
                    tile: tile.0,
                },
            );
        }
        self.end_job(job, JobState::Failed(error), out);
    }

    /// Takes back what a worker had not started.
    fn revoked(
        &mut self,
        worker: WorkerId,
        id: AssignmentId,
        range: Range<u64>,
        out: &mut Vec<Effect>,
    ) {
        let Some(w) = self.workers.get_mut(&worker) else {
            return;
        };
        let asked = w.revoking.remove(&id);
        w.barren |= range.is_empty();
        self.room.insert(worker);
        // The job may have ended meanwhile, or everything was committed.
        let Some(a) = w.assignments.get(&id) else {
            return;
        };
        let (job, stage) = (a.job, a.stage);
        if range.is_empty() {
            return;
        }
        if !w.take(id, range.clone(), self.now) {
            return self.broken(
                worker,
                format!("it gave back tiles {range:?} of {id}, which it does not have"),
                out,
            );
        }
        if asked {
            self.totals.stolen += range.end - range.start;
        }
        self.log.push(
            self.now,
            Entry::Returned {
                worker,
                job,
                stage,
                start: range.start,
                end: range.end,
            },
        );
        if let Some(j) = self.jobs.get_mut(&job) {
            j.put_back(stage, range);
        }
        self.everyone_has_room();
    }

    /// Gives a worker no new work and has it go. Of one that drains already, only an earlier deadline counts.
    pub(super) fn drain_worker(
        &mut self,
        worker: WorkerId,
        deadline: Option<Instant>,
        out: &mut Vec<Effect>,
    ) {
        let Some(w) = self.workers.get_mut(&worker) else {
            return;
        };
        w.leaves_by = w.leaves_by.into_iter().chain(deadline).min();
        let told = std::mem::replace(&mut w.draining, true);
        if let Some(deadline) = deadline {
            self.alarm_by(deadline);
        }
        if told {
            return;
        }
        self.log.push(self.now, Entry::Draining { worker });
        self.count_slots();
        out.push(Effect::Send {
            worker,
            message: ToWorker::Drain,
        });
    }

    /// The worker has nothing left; what it was still being sent was never started.
    fn drained(&mut self, worker: WorkerId, out: &mut Vec<Effect>) {
        let Some(w) = self.workers.remove(&worker) else {
            return;
        };
        self.log.push(self.now, Entry::Gone { worker });
        self.room.remove(&worker);
        for (_, a) in w.assignments {
            self.put_back(&a);
        }
        self.count_slots();
        out.push(Effect::Disconnect {
            worker,
            reason: "the worker has drained".to_owned(),
        });
        self.everyone_has_room();
    }

    /// Puts what a lost worker had back to the front of the queue.
    pub(super) fn worker_lost(&mut self, worker: WorkerId, out: &mut Vec<Effect>) {
        let Some(w) = self.workers.remove(&worker) else {
            return;
        };
        self.log.push(self.now, Entry::Gone { worker });
        self.room.remove(&worker);
        // Tiles start in order, so at most the first of each slot are known to have been under way.
        let under_way = w.tiles.min(w.slots());
        if w.draining {
            // It was told to go, so nothing is wrong with what it ran.
            self.totals.rerun_drained += under_way;
            for a in w.assignments.values() {
                self.put_back(a);
            }
            self.count_slots();
            return self.everyone_has_room();
        }
        self.totals.rerun_lost += under_way;
        let (alone, most) = (w.alone && !w.leftovers, self.config.max_deaths.max(1));
        let mut fatal = None;
        for a in w.assignments.values() {
            self.put_back(a);
            let Some(stage) = self.jobs.get_mut(&a.job).and_then(|j| j.stage_mut(a.stage)) else {
                continue;
            };
            // Only of a tile that ran alone is it known that the worker died of it.
            if alone || most == 1 {
                fatal.get_or_insert((a.job, a.stage, a.span().start));
            }
            // What is done within the span is not assigned again, so it may be blamed too.
            stage.deaths.add(a.span(), most - 1);
        }
        self.count_slots();
        if let Some((job, stage, tile)) = fatal {
            let message = format!(
                "{most} workers died while they ran task {tile} of stage {}, the last one ({}) ran nothing else: \
                 look for its crash or out-of-memory kill",
                stage.0, w.hello.name
            );
            self.fail_job(job, ErrorKind::WorkersLost, message, out);
        }
        self.everyone_has_room();
    }

    /// A worker that breaks the protocol is treated as lost.
    pub(super) fn broken(&mut self, worker: WorkerId, reason: String, out: &mut Vec<Effect>) {
        out.push(Effect::Disconnect { worker, reason });
        self.worker_lost(worker, out);
    }

    fn put_back(&mut self, a: &Assignment) {
        let Some(job) = self.jobs.get_mut(&a.job) else {
            return;
        };
        for part in a.remaining() {
            job.put_back(a.stage, part);
        }
    }

    fn count_slots(&mut self) {
        self.slots.clear();
        for w in self.workers.values().filter(|w| !w.draining) {
            *self.slots.entry(w.hello.pool.clone()).or_default() += w.slots();
        }
    }

    pub(super) fn everyone_has_room(&mut self) {
        self.room.extend(
            self.workers
                .iter()
                .filter(|(_, w)| !w.draining)
                .map(|(id, _)| *id),
        );
    }
}
