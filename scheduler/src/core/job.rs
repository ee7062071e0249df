//! A job: a plan's stages and who wants their results.

use super::effect::JobEnd;
use super::event::Order;
use super::ids::{ClientId, Instant, JobId, PoolName, WorkerId};
use super::stage::StageRun;
use dasklike_graph::protocol::{JobSpec, TaskError};
use dasklike_graph::stage::{InlineId, Lowered, StageId, Tile};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// No tile was assigned yet.
    Queued,
    /// Tiles were.
    Running,
    /// All outputs are complete.
    Finished,
    /// It could not go on.
    Failed(TaskError),
    /// Someone cancelled it, or its client went away.
    Cancelled,
}

impl JobState {
    /// Whether the job still needs workers.
    pub fn is_live(&self) -> bool {
        matches!(self, JobState::Queued | JobState::Running)
    }

    /// The state's name in metrics and JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Finished => "finished",
            JobState::Failed(_) => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// How the job ended, if it has.
    pub(crate) fn end(&self) -> Option<JobEnd> {
        match self {
            JobState::Queued | JobState::Running => None,
            JobState::Finished => Some(JobEnd::Finished),
            JobState::Failed(error) => Some(JobEnd::Failed(error.clone())),
            JobState::Cancelled => Some(JobEnd::Cancelled),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) name: Option<String>,
    pub(crate) pool: PoolName,
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) lowered: Arc<Lowered>,
    pub(crate) clients: Vec<ClientId>,
    pub(crate) state: JobState,
    /// The task that failed the job, and the worker that said so.
    pub(crate) fault: Option<(StageId, Tile, WorkerId)>,
    pub(crate) stages: Vec<StageRun>,
    /// Stages that run and have unassigned tiles, lowest first.
    pub(crate) ready: Vec<StageId>,
    /// Inline arrays that stages left, complete.
    pub(crate) inlines: BTreeMap<InlineId, Arc<[u8]>>,
    /// Inline arrays that running stages fill.
    pub(crate) filling: BTreeMap<InlineId, Vec<u8>>,
    /// The outputs of a named job, whole, until they are dropped.
    pub(crate) kept: Vec<Vec<u8>>,
    /// When kept results, or the record of the job, are dropped.
    pub(crate) expires: Option<Instant>,
    /// Slot-nanoseconds assigned, by estimate; a new job starts at the least of the others'.
    pub(crate) share: u64,
    /// Whether something of it is kept for a later incarnation.
    pub(crate) journaled: bool,
    pub(crate) max_range: u64,
    pub(crate) submitted: Instant,
    pub(crate) started: Option<Instant>,
    pub(crate) ended: Option<Instant>,
}

impl Job {
    pub(crate) fn new(id: JobId, order: Order, now: Instant) -> Job {
        let Order {
            name,
            pool,
            spec,
            lowered,
            max_range,
        } = order;
        let stages = lowered
            .stages
            .iter()
            .map(|s| StageRun::new(s, &lowered.inlines))
            .collect();
        let kept = if name.is_some() {
            lowered
                .outputs
                .iter()
                .map(|o| vec![0; output_bytes(o.dtype.size(), &o.shape) as usize])
                .collect()
        } else {
            Vec::new()
        };
        Job {
            id,
            name,
            pool,
            spec,
            lowered,
            clients: Vec::new(),
            state: JobState::Queued,
            fault: None,
            stages,
            ready: Vec::new(),
            inlines: BTreeMap::new(),
            filling: BTreeMap::new(),
            kept,
            expires: None,
            share: 0,
            journaled: false,
            max_range: max_range.unwrap_or(u64::MAX).max(1),
            submitted: now,
            started: None,
            ended: None,
        }
    }

    pub(crate) fn stage(&self, id: StageId) -> Option<&StageRun> {
        self.stages.get(id.0 as usize)
    }

    pub(crate) fn stage_mut(&mut self, id: StageId) -> Option<&mut StageRun> {
        self.stages.get_mut(id.0 as usize)
    }

    /// Puts tiles that a worker had back, in front of those that come later.
    pub(crate) fn put_back(&mut self, id: StageId, range: std::ops::Range<u64>) {
        let Some(stage) = self.stages.get_mut(id.0 as usize) else {
            return;
        };
        stage.assigned -= range.end - range.start;
        stage.cells.update(&range, |c, n| c.assigned -= n);
        stage.unassigned.insert(range);
        if let Err(at) = self.ready.binary_search(&id) {
            self.ready.insert(at, id);
        }
    }
}

/// Bytes of an output.
pub(crate) fn output_bytes(size: usize, shape: &[u64]) -> u64 {
    shape
        .iter()
        .fold(size as u64, |n, len| n.saturating_mul(*len))
}
