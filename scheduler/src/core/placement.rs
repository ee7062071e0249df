//! Which tiles go where: guided self-scheduling over ranges.
//!
//! A worker is given ranges until it has enough estimated work queued to cover a round trip, but no more than
//! half of its fair share of all that is left, so that ranges shrink towards the end and idle workers find
//! something. Among the jobs of the worker's pool, the one that was given the least work so far comes first.

use super::State;
use super::effect::Effect;
use super::ids::{JobId, PoolName, WorkerId};
use super::job::JobState;
use super::story::Entry;
use super::worker::{Assignment, Worker};
use dasklike_graph::protocol::{Assignment as Assign, JobSpec, ToWorker};
use dasklike_graph::stage::{InlineId, StageId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Assignments that a worker may have at once. Only ranges of one or two tiles come near it.
const MAX_ASSIGNMENTS: usize = 512;
/// Tiles that a slot has queued however long they take: one that runs and one to go on with.
const MIN_TILES: u64 = 2;
/// The most tiles of a range that has been with a worker that died.
const SUSPECT_TILES: u64 = 8;

impl State {
    /// Gives work to every worker that may have room, one range each in turn, those first that have the fewest tiles a
    /// slot: what a busy worker gave back for an idle one must not be given to the busy one again.
    pub(super) fn place(&mut self, out: &mut Vec<Effect>) {
        while !self.room.is_empty() {
            let crowding = |id: &WorkerId| self.workers.get(id).map(Worker::crowding);
            let mut turn: Vec<WorkerId> = self.room.iter().copied().collect();
            turn.sort_by_cached_key(|id| (crowding(id), *id));
            for worker in turn {
                if self.give(worker, out).is_none() {
                    self.room.remove(&worker);
                }
            }
        }
    }

    /// Gives one range to a worker, if it has room and there is any.
    fn give(&mut self, id: WorkerId, out: &mut Vec<Effect>) -> Option<()> {
        let w = self.workers.get(&id)?;
        if w.draining || w.alone || w.assignments.len() >= MAX_ASSIGNMENTS {
            return None;
        }
        let pool = &w.hello.pool;
        let (job_id, stage_id) = self.next_stage(pool)?;
        let left: u64 = self
            .jobs
            .values()
            .filter(|j| j.pool == *pool)
            .flat_map(|j| j.ready.iter().filter_map(|s| j.stage(*s)))
            .map(|s| s.unassigned.count() + s.assigned)
            .sum();
        let job = self.jobs.get_mut(&job_id)?;
        let max_range = job.max_range;
        let stage = job.stages.get_mut(stage_id.0 as usize)?;
        let first = stage.unassigned.first()?;
        let (deaths, run) = stage.deaths.run(first.start);
        let suspect_alone = deaths + 1 >= self.config.max_deaths.max(2);
        if suspect_alone && !w.assignments.is_empty() {
            return None;
        }
        let slots = self.slots.get(pool).copied().unwrap_or(0).max(1);
        let share = (left * w.slots() / slots).div_ceil(2);
        let queued =
            (self.config.queue_ns * w.slots()).saturating_sub(w.load_ns) / stage.tile_ns.max(1);
        let least = (MIN_TILES * w.slots()).saturating_sub(w.tiles);
        let room = queued.min(share.saturating_sub(w.tiles)).max(least);
        if room == 0 {
            return None;
        }
        let n = match deaths {
            0 => room,
            _ if suspect_alone => 1,
            _ => room.min(SUSPECT_TILES),
        };
        let range = stage.unassigned.take_first(n.min(max_range).min(run))?;
        let n = range.end - range.start;
        stage.assigned += n;
        stage.cells.update(&range, |c, n| c.assigned += n);
        job.share = job.share.saturating_add(n.saturating_mul(stage.tile_ns));
        let tile_ns = stage.tile_ns;
        if stage.unassigned.is_empty() {
            job.ready.retain(|s| *s != stage_id);
        }
        if job.state == JobState::Queued {
            job.state = JobState::Running;
            job.started = Some(self.now);
        }
        let w = self.workers.get_mut(&id)?;
        w.alone = suspect_alone;
        tell(
            w,
            id,
            job_id,
            &job.spec,
            job.stages[stage_id.0 as usize].reads.iter(),
            &job.inlines,
            out,
        );
        let assignment = w.assign(Assignment::new(job_id, stage_id, range.clone(), tile_ns));
        self.totals.assignments += 1;
        let (start, end) = (range.start, range.end);
        self.log.push(
            self.now,
            Entry::Assigned {
                worker: id,
                job: job_id,
                stage: stage_id,
                start,
                end,
            },
        );
        let message = ToWorker::Assign(Assign {
            id: assignment,
            job: job_id,
            stage: stage_id,
            range,
        });
        out.push(Effect::Send {
            worker: id,
            message,
        });
        Some(())
    }

    /// The stage whose tiles a pool's workers get next.
    fn next_stage(&self, pool: &PoolName) -> Option<(JobId, StageId)> {
        let ready = self
            .jobs
            .values()
            .filter(|j| !j.ready.is_empty() && j.pool == *pool);
        let job = ready.min_by_key(|j| (j.share, j.id))?;
        Some((job.id, *job.ready.first()?))
    }
}

/// Tells a worker of a job and of the arrays that a stage reads, once each.
fn tell<'a>(
    w: &mut Worker,
    worker: WorkerId,
    job: JobId,
    spec: &Arc<JobSpec>,
    reads: impl Iterator<Item = &'a InlineId>,
    inlines: &BTreeMap<InlineId, Arc<[u8]>>,
    out: &mut Vec<Effect>,
) {
    let known = w.knows.entry(job).or_insert_with(|| {
        out.push(Effect::Send {
            worker,
            message: ToWorker::Job {
                job,
                spec: spec.clone(),
            },
        });
        Default::default()
    });
    for inline in reads {
        if let Some(bytes) = inlines.get(inline)
            && known.insert(*inline)
        {
            let message = ToWorker::Inline {
                job,
                inline: *inline,
                bytes: bytes.clone(),
            };
            out.push(Effect::Send { worker, message });
        }
    }
}
