//! What a worker wants done.

use dasklike_graph::protocol::{AssignmentId, Block, Instant, JobId, ToScheduler};
use dasklike_graph::stage::{InlineId, StageId, Tile};
use std::sync::Arc;

/// A thread that computes, below the worker's number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// A fetch under way or held for its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// A block on its way to the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PushId(pub u64);

/// One tile of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Task {
    pub job: JobId,
    pub stage: StageId,
    pub tile: Tile,
}

/// Something for the edge to do. Effects are carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Queue a message for the scheduler; the edge stamps [`super::State::epoch`] and batches what one event gave.
    /// It fills in the process' own figures where the message is a heartbeat.
    Send(ToScheduler),
    /// Read the stored bytes of the tile's chunks and hold them. Ends in [`super::event::Event::Fetched`].
    Fetch {
        /// The fetch.
        fetch: FetchId,
        /// Whose bytes.
        task: Task,
    },
    /// Stop the fetch if it is under way, drop its bytes, and do not report its end.
    DropFetch {
        /// Which.
        fetch: FetchId,
    },
    /// Run the task on the slot. Ends in [`super::event::Event::Finished`].
    Start {
        /// Where.
        slot: Slot,
        /// What.
        task: Task,
        /// Of which assignment it is a part; for traces.
        assignment: AssignmentId,
        /// The fetch whose bytes it takes over, if its stage is fetched ahead.
        fetch: Option<FetchId>,
    },
    /// Keep an inline array for the job's tasks.
    KeepInline {
        /// The job.
        job: JobId,
        /// Its number.
        inline: InlineId,
        /// Little-endian elements in C order.
        bytes: Arc<[u8]>,
    },
    /// Send a block of an output to the scheduler by the side of the stream of messages. Ends in
    /// [`super::event::Event::Pushed`] when the scheduler acknowledged it.
    Push {
        /// The push.
        push: PushId,
        /// The job.
        job: JobId,
        /// The block.
        block: Block,
    },
    /// The job has ended: drop its stages, inline arrays and pushes. Tasks on slots may run to their end; a
    /// long one should look at a flag that this sets.
    Forget {
        /// The job.
        job: JobId,
    },
    /// Send [`super::event::Event::Tick`] at this moment; replaces what was asked before.
    WakeAt(Instant),
    /// Nothing is left to do and the scheduler was told: the process may go.
    Exit,
}
