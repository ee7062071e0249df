//! What the dashboard and metrics read: views into the state, cheap to take.

use super::State;
use super::ids::{Instant, JobId, PoolName, WorkerId};
use super::job::{Job, JobState};
use super::stage::{OpKind, Phase};
use dasklike_graph::protocol::{Heartbeat, JobSpec, Span, TaskStats, WorkerHello};
use dasklike_graph::stage::{Lowered, StageId, Tile};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The most cells that show a stage's progress.
pub const MAX_CELLS: u64 = 1024;

/// A stage's tiles in cells of consecutive tiles; one tile each where they are few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    tiles: u64,
    cells: Vec<Cell>,
}

/// Counts of one cell's tiles. Those that are neither wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// With a worker.
    pub assigned: u32,
    /// Committed.
    pub done: u32,
}

impl Cells {
    pub(crate) fn new(tiles: u64) -> Cells {
        Cells {
            tiles,
            cells: vec![Cell::default(); tiles.min(MAX_CELLS) as usize],
        }
    }

    /// The cells, in order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The tiles of cell `i`.
    pub fn range(&self, i: usize) -> Range<u64> {
        self.start(i as u64)..self.start(i as u64 + 1)
    }

    /// The first tile of a cell: cells differ by one tile at most.
    fn start(&self, cell: u64) -> u64 {
        (cell as u128 * self.tiles as u128).div_ceil(self.cells.len().max(1) as u128) as u64
    }

    pub(crate) fn update(&mut self, range: &Range<u64>, change: impl Fn(&mut Cell, u32)) {
        let mut at = range.start;
        while at < range.end {
            let cell = (at as u128 * self.cells.len() as u128 / self.tiles as u128) as usize;
            let end = self.start(cell as u64 + 1).min(range.end);
            change(&mut self.cells[cell], (end - at) as u32);
            at = end;
        }
    }
}

/// A job as people see it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct JobView<'a> {
    pub id: JobId,
    pub name: Option<&'a str>,
    pub pool: &'a PoolName,
    pub state: &'a JobState,
    /// The task that failed it, and the worker that said so.
    pub fault: Option<(StageId, Tile, WorkerId)>,
    pub spec: &'a Arc<JobSpec>,
    pub lowered: &'a Arc<Lowered>,
    pub submitted: Instant,
    /// When its first tile was assigned.
    pub started: Option<Instant>,
    pub ended: Option<Instant>,
    pub stages: Vec<StageView<'a>>,
}

/// A stage as people see it. Tiles that are neither assigned nor done wait.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct StageView<'a> {
    pub id: StageId,
    pub phase: Phase,
    pub op: OpKind,
    pub tiles: u64,
    pub assigned: u64,
    pub done: u64,
    pub cells: &'a Cells,
    pub stats: &'a TaskStats,
    /// The part of `stats` that an earlier scheduler had seen.
    pub restored: &'a TaskStats,
    /// The estimate for one tile on a slot.
    pub tile_ns: u64,
    pub started: Option<Instant>,
    pub ended: Option<Instant>,
    /// Bytes of partials that wait for their sibling.
    pub partial_bytes: u64,
}

/// A worker as people see it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct WorkerView<'a> {
    pub id: WorkerId,
    pub hello: &'a WorkerHello,
    pub draining: bool,
    pub connected: Instant,
    pub last_heard: Instant,
    /// Since when it has had no tile; `None` while it has one.
    pub idle_since: Option<Instant>,
    /// Tiles assigned and not committed.
    pub tiles: u64,
    pub assignments: usize,
    pub heartbeat: &'a Heartbeat,
    /// What its committed tiles cost.
    pub stats: &'a TaskStats,
}

impl WorkerView<'_> {
    /// Slots that compute now.
    pub fn busy_slots(&self) -> u32 {
        // Heartbeats are rare beside tasks: who holds tiles and knew of none then is taken to work on them.
        let holds = u32::try_from(self.tiles).unwrap_or(u32::MAX);
        let most = self.hello.slots.min(holds);
        let knew = self.heartbeat.busy > 0 || self.heartbeat.queued > 0;
        if knew {
            self.heartbeat.busy.min(most)
        } else {
            most
        }
    }
}

/// A span of a task stream, on the scheduler's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SpanView {
    /// Rises by 1 with each span; a reader asks for what came after the last it saw.
    pub number: u64,
    pub worker: WorkerId,
    pub job: JobId,
    pub stage: StageId,
    pub span: Span,
}

/// Tiles of a pool's jobs that are not done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Queue {
    /// They could run now.
    pub ready: u64,
    /// Workers have them.
    pub running: u64,
    /// Their stage waits for others.
    pub blocked: u64,
    /// Estimated slot-seconds of all of them.
    pub seconds: f64,
}

/// Counters since the scheduler started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// What committed tiles cost, by kind.
    pub done: BTreeMap<OpKind, TaskStats>,
    /// Tasks done, by pool.
    pub done_in: BTreeMap<PoolName, u64>,
    /// Tasks that failed, by kind of stage.
    pub failed: BTreeMap<OpKind, u64>,
    /// Tasks presumed started that a lost worker had.
    pub rerun_lost: u64,
    /// Tasks presumed started that a worker still had when its time to drain was over, or when it was ended.
    pub rerun_drained: u64,
    /// Tiles that came back by `Revoke` from one worker for another.
    pub stolen: u64,
    /// Assignments made.
    pub assignments: u64,
    /// Jobs by how they ended: finished, failed, cancelled.
    pub ended: [u64; 3],
}

impl State {
    /// All jobs known, oldest first: those that run and the latest of those that ended.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_>> {
        self.jobs.values().map(view_job)
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Option<JobView<'_>> {
        self.jobs.get(&id).map(view_job)
    }

    /// All workers.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView<'_>> {
        self.workers.iter().map(|(id, w)| WorkerView {
            id: *id,
            hello: &w.hello,
            draining: w.draining,
            connected: w.connected,
            last_heard: w.last_heard,
            idle_since: (w.tiles == 0).then_some(w.idle_since),
            tiles: w.tiles,
            assignments: w.assignments.len(),
            heartbeat: &w.heartbeat,
            stats: &w.stats,
        })
    }

    /// The latest spans with numbers from `from` on.
    pub fn spans(&self, from: u64) -> impl Iterator<Item = &SpanView> {
        let skip = self.spans.partition_point(|s| s.number < from);
        self.spans.range(skip..)
    }

    /// What is left to do in each pool that has a live job.
    pub fn queues(&self) -> BTreeMap<PoolName, Queue> {
        let mut queues: BTreeMap<PoolName, Queue> = BTreeMap::new();
        for job in self.jobs.values().filter(|j| j.state.is_live()) {
            let queue = queues.entry(job.pool.clone()).or_default();
            for stage in &job.stages {
                match stage.phase {
                    Phase::Blocked => queue.blocked += stage.tiles,
                    Phase::Running => {
                        queue.ready += stage.unassigned.count();
                        queue.running += stage.assigned;
                    }
                    Phase::Done => {}
                }
                queue.seconds += (stage.tiles - stage.done) as f64 * stage.tile_ns as f64 / 1e9;
            }
        }
        queues
    }

    /// The counters.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn keep_spans(
        &mut self,
        worker: WorkerId,
        job: JobId,
        stage: StageId,
        sent: Instant,
        spans: Vec<Span>,
    ) {
        /// Enough for a few seconds of a busy cluster between two looks of a dashboard.
        const KEPT: usize = 8192;
        let now = self.now;
        // The worker's clock has its own origin; the moment of sending is taken as now.
        let shift = |t: Instant| Instant(now.0.saturating_sub(sent.since(t)));
        for span in spans {
            if self.spans.len() == KEPT {
                self.spans.pop_front();
            }
            let number = self.next_span;
            self.next_span += 1;
            let span = Span {
                start: shift(span.start),
                end: shift(span.end),
                ..span
            };
            self.spans.push_back(SpanView {
                number,
                worker,
                job,
                stage,
                span,
            });
        }
    }
}

fn view_job(job: &Job) -> JobView<'_> {
    let stages = job.stages.iter().enumerate().map(|(i, s)| StageView {
        id: StageId(i as u32),
        phase: s.phase,
        op: s.op,
        tiles: s.tiles,
        assigned: s.assigned,
        done: s.done,
        cells: &s.cells,
        stats: &s.stats,
        restored: &s.restored,
        tile_ns: s.tile_ns,
        started: s.started,
        ended: s.ended,
        partial_bytes: s.trees.iter().map(|t| t.tree.bytes()).sum(),
    });
    JobView {
        id: job.id,
        name: job.name.as_deref(),
        pool: &job.pool,
        state: &job.state,
        fault: job.fault,
        spec: &job.spec,
        lowered: &job.lowered,
        submitted: job.submitted,
        started: job.started,
        ended: job.ended,
        stages: stages.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cover_the_tiles_and_count_them() {
        for tiles in [0, 1, 5, 1023, 1024, 1025, 3000, 1_000_000] {
            let mut cells = Cells::new(tiles);
            let mut at = 0;
            for i in 0..cells.cells().len() {
                assert_eq!(cells.range(i).start, at);
                at = cells.range(i).end;
            }
            assert_eq!(at, tiles);
            cells.update(&(tiles / 3..tiles), |c, n| c.done += n);
            for i in 0..cells.cells().len() {
                let r = cells.range(i);
                let done = r.end - r.end.min(r.start.max(tiles / 3));
                assert_eq!(cells.cells()[i].done as u64, done, "cell {i} of {tiles}");
            }
        }
    }
}
