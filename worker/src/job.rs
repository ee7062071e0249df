//! What a worker keeps of a job: its stages, readers for its sources, compiled evaluators, inline arrays.

use crate::asking::Asking;
use crate::core::event::JobStages;
use dasklike_array::{Evaluator, Inlines};
use dasklike_graph::lower::lower;
use dasklike_graph::plan::Source;
use dasklike_graph::protocol::{ErrorKind, JobSpec, TaskError};
use dasklike_graph::stage::{InlineId, InlineValues, Lowered, Origin, Stage, StageId};
use dasklike_storage::{ArrayReader, OpenError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A job. Slots share it; it is dropped when the job has ended and no slot runs a tile of it.
pub(crate) struct Job {
    pub(crate) lowered: Arc<Lowered>,
    pub(crate) sources: Vec<Source>,
    pub(crate) readers: Vec<ArrayReader>,
    /// Compiled at a stage's first tile.
    evaluators: Vec<OnceLock<Result<Evaluator, TaskError>>>,
    /// By stage; `None` for those without a mask that can be asked first.
    asking: Vec<Option<Asking>>,
    /// By inline array: values that a stage left. Those of the plan itself are in `lowered`.
    arrived: Vec<OnceLock<Arc<[u8]>>>,
    forgotten: AtomicBool,
}

impl Job {
    /// Lowers the plan and prepares to read its sources. Reads nothing.
    pub(crate) fn new(spec: &JobSpec) -> Result<Job, TaskError> {
        // The scheduler has lowered the same plan with the same budget.
        let lowered = lower(&spec.plan, &spec.budget).map_err(|e| TaskError {
            kind: ErrorKind::Internal,
            message: format!("the worker cannot lower the plan: {e}"),
        })?;
        let readers = spec
            .plan
            .sources
            .iter()
            .map(|s| ArrayReader::open(s).map_err(|e| opening(&e)));
        Ok(Job {
            readers: readers.collect::<Result<_, _>>()?,
            sources: spec.plan.sources.clone(),
            evaluators: lowered.stages.iter().map(|_| OnceLock::new()).collect(),
            asking: lowered.stages.iter().map(Asking::of).collect(),
            arrived: lowered.inlines.iter().map(|_| OnceLock::new()).collect(),
            lowered: Arc::new(lowered),
            forgotten: AtomicBool::new(false),
        })
    }

    /// What the core needs to know.
    pub(crate) fn stages(&self) -> JobStages {
        let fetched = |stage: &Stage| {
            let inputs = stage.passes.iter().flat_map(|p| &p.inputs);
            let remote = |origin| match origin {
                Origin::Stored(id) => self
                    .readers
                    .get(id.0 as usize)
                    .is_some_and(|r| !r.is_local()),
                Origin::Inline(_) | Origin::Local(_) => false,
            };
            inputs.map(|i| i.origin).any(remote)
        };
        JobStages {
            fetched: self.lowered.stages.iter().map(fetched).collect(),
            lowered: self.lowered.clone(),
        }
    }

    /// The compiled stage.
    pub(crate) fn evaluator(&self, id: StageId) -> Result<&Evaluator, TaskError> {
        let unknown = || TaskError {
            kind: ErrorKind::Internal,
            message: format!("the plan has no stage {}", id.0),
        };
        let stage = self.lowered.stages.get(id.0 as usize).ok_or_else(unknown)?;
        let compiled = self.evaluators[id.0 as usize].get_or_init(|| {
            Evaluator::new(stage, &self.sources).map_err(|e| TaskError {
                kind: ErrorKind::Internal,
                message: format!(
                    "stage {} cannot be compiled: {e}: this is a bug, please report it",
                    id.0
                ),
            })
        });
        compiled.as_ref().map_err(TaskError::clone)
    }

    /// What is known of a stage's mask, if it can be asked first.
    pub(crate) fn asking(&self, id: StageId) -> Option<&Asking> {
        self.asking.get(id.0 as usize)?.as_ref()
    }

    /// Keeps what a stage left. The same array may come again, with the same bytes.
    pub(crate) fn keep_inline(&self, id: InlineId, bytes: Arc<[u8]>) {
        if let Some(cell) = self.arrived.get(id.0 as usize) {
            // It is there already, then.
            let _ = cell.set(bytes);
        }
    }

    /// Nobody asks for the job's results any more.
    pub(crate) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }
}

impl Inlines for Job {
    fn bytes(&self, id: InlineId) -> Option<(&[u64], &[u8])> {
        let inline = self.lowered.inlines.get(id.0 as usize)?;
        let bytes: &[u8] = match &inline.values {
            InlineValues::Known(bytes) => bytes,
            InlineValues::From(_) => self.arrived[id.0 as usize].get()?,
        };
        Some((&inline.shape, bytes))
    }
}

fn opening(error: &OpenError) -> TaskError {
    let kind = match error {
        OpenError::Store(_) | OpenError::Read { .. } => ErrorKind::Store,
        _ => ErrorKind::Array,
    };
    TaskError {
        kind,
        message: error.to_string(),
    }
}
