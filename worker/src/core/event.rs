//! What happens to a worker.

use dasklike_graph::partial::Partial;
use dasklike_graph::protocol::{Block, Epoch, JobId, SinkId, TaskError, TaskStats, ToWorker};
use dasklike_graph::stage::Lowered;
use std::sync::Arc;

use super::effect::{FetchId, PushId, Slot};

/// Something that happened, as a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Messages of the scheduler, in order. [`ToWorker::Job`] is skipped here: the edge lowers its plan and
    /// hands it over as [`Event::Job`], before the messages that follow it.
    FromScheduler {
        /// The epoch that the batch carries.
        epoch: Epoch,
        /// The messages.
        messages: Vec<ToWorker>,
    },
    /// A job's stages, or why the plan cannot be run here.
    Job {
        /// The job.
        job: JobId,
        /// The stages and what the edge knows of the job's sources.
        stages: Result<JobStages, TaskError>,
    },
    /// The connection is lost: everything assigned is lost with it. Tasks on slots run to their end unheard.
    Disconnected,
    /// A fetch ended.
    Fetched {
        /// Which.
        fetch: FetchId,
        /// `Ok`: the bytes are held for the tile's start.
        result: Result<(), TaskError>,
    },
    /// A task ended on a slot.
    Finished {
        /// Which slot.
        slot: Slot,
        /// What it left.
        result: Result<TileOutput, TaskError>,
    },
    /// A block that was pushed is acknowledged.
    Pushed {
        /// Which push.
        push: PushId,
    },
    /// The process was told to go (a signal): drain.
    DrainRequested,
    /// Time went by: what [`super::effect::Effect::WakeAt`] asked for.
    Tick,
}

/// What the core needs of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStages {
    /// The stages.
    pub lowered: Arc<Lowered>,
    /// For each stage, whether its tiles are fetched ahead of compute: whether any source is remote.
    pub fetched: Vec<bool>,
}

/// What a tile left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TileOutput {
    /// One for each reduction of the tile's passes that is neither local nor finished in its tile, which has then
    /// left blocks; the core knows their places in the tree.
    pub partials: Vec<(SinkId, Partial)>,
    /// Of outputs and inline arrays, of any size.
    pub blocks: Vec<Block>,
    /// What it cost.
    pub stats: TaskStats,
}
