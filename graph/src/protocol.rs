//! What scheduler and workers tell each other: plain data that both cores and the wire's conversions share.
//!
//! A connection carries messages in order, both ways. Every batch carries the [`Epoch`] of the scheduler that
//! the worker was welcomed by; a batch of another epoch is dropped whole. A worker that reconnects is a new
//! worker: what it had been assigned before is lost to it.

use crate::lower::Budget;
use crate::partial::Partial;
use crate::plan::Plan;
use crate::pool::PoolName;
use crate::stage::{InlineId, StageId, Target, Tile};
use crate::tree::TreeKey;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A moment as nanoseconds since an origin that the edge of a core chose. Cores only compare and add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// The moment `nanos` later.
    pub fn after(self, nanos: u64) -> Instant {
        Instant(self.0.saturating_add(nanos))
    }

    /// Nanoseconds since `earlier`, or 0 if that is later.
    pub fn since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A job's number in its scheduler's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// A worker's connection, numbered in the scheduler's epoch. A reconnect has a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// One incarnation of a scheduler. Chosen by its edge so that two never share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// A range of tiles given to a worker, numbered per worker and rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssignmentId(pub u64);

macro_rules! show {
    ($($id:ident $word:literal),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    )*};
}
show!(JobId "job", WorkerId "worker", Epoch "epoch", AssignmentId "assignment");

/// What a worker needs to know of a job: it lowers the plan itself.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// The plan.
    pub plan: Plan,
    /// What lowering must fit into.
    pub budget: Budget,
}

/// What a worker says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerHello {
    /// A name for people: host and process, or a pod's name.
    pub name: String,
    /// Threads that compute.
    pub slots: u32,
    /// The most bytes its tasks may hold together.
    pub memory_limit: u64,
    /// Whose jobs it runs.
    pub pool: PoolName,
}

/// From scheduler to worker.
#[derive(Clone, Debug, PartialEq)]
pub enum ToWorker {
    /// The connection is accepted. Always first.
    Welcome {
        /// The worker's number.
        worker: WorkerId,
    },
    /// A job whose tiles will come. Before its first [`ToWorker::Assign`]. The worker's edge lowers the plan
    /// and hands the stages to the worker's core.
    Job {
        /// The job.
        job: JobId,
        /// The plan and its budget.
        spec: Arc<JobSpec>,
    },
    /// An array that a stage left. Before the first assignment of a stage that reads it.
    Inline {
        /// The job.
        job: JobId,
        /// The array's number in [`crate::stage::Lowered::inlines`].
        inline: InlineId,
        /// Little-endian elements in C order.
        bytes: Arc<[u8]>,
    },
    /// Compute these tiles.
    Assign(Assignment),
    /// Give back what has not started of the assignment, from tile `from` on. Always answered by
    /// [`ToScheduler::Revoked`], even if there is nothing to give back.
    Revoke {
        /// The assignment.
        assignment: AssignmentId,
        /// The first tile to give back.
        from: u64,
    },
    /// The job has ended: forget it and all its tiles. Nothing of it is reported any more.
    Free {
        /// The job.
        job: JobId,
    },
    /// Finish what runs, give back the rest, then say [`ToScheduler::Drained`].
    Drain,
}

/// A range of tiles for one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its number.
    pub id: AssignmentId,
    /// The job.
    pub job: JobId,
    /// The stage.
    pub stage: StageId,
    /// Tile numbers; started in rising order.
    pub range: Range<u64>,
}

/// From worker to scheduler.
#[derive(Clone, Debug, PartialEq)]
pub enum ToScheduler {
    /// Tiles are done.
    Commit(Commit),
    /// The answer to [`ToWorker::Revoke`], or given back unasked when the worker drains.
    Revoked {
        /// The assignment.
        assignment: AssignmentId,
        /// What comes back; may be empty.
        range: Range<u64>,
    },
    /// The job cannot go on.
    Failed {
        /// The job.
        job: JobId,
        /// The task, unless the job as a whole is at fault.
        task: Option<(StageId, Tile)>,
        /// Why.
        error: TaskError,
    },
    /// Sent regularly.
    Heartbeat(Heartbeat),
    /// The worker will take no more work: it was told by [`ToWorker::Drain`], or by a signal.
    Draining,
    /// Nothing is left; the worker may go.
    Drained,
}

/// Done tiles of one stage, all at once: either all of it counts or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The job.
    pub job: JobId,
    /// The stage.
    pub stage: StageId,
    /// The tiles, as parts of assignments; they do not overlap.
    pub ranges: Vec<(AssignmentId, Range<u64>)>,
    /// What the tiles left in reductions, folded as far as siblings were at hand.
    pub nodes: Vec<Node>,
    /// Finished blocks of at most [`INLINE_BLOCK_LIMIT`] bytes. Larger ones were pushed, and acknowledged,
    /// before the commit; blocks for [`Target::Inline`] are never pushed.
    pub blocks: Vec<Block>,
    /// What the tiles cost.
    pub stats: TaskStats,
    /// When slots were busy with these tiles; neighbouring short ones are joined.
    pub spans: Vec<Span>,
    /// The worker's clock when the commit was made, on which `spans` are.
    pub now: Instant,
}

/// The most bytes of a block that travels in a commit, and of a partial likewise where it can be avoided.
pub const INLINE_BLOCK_LIMIT: u64 = 64 << 10;

/// A reduction of a stage: the pass and the sink in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId {
    /// The pass' number in [`crate::stage::Stage::passes`].
    pub pass: u32,
    /// The sink's number in [`crate::stage::Pass::sinks`].
    pub sink: u32,
}

/// A node of a sink's merge tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The sink.
    pub sink: SinkId,
    /// Which node.
    pub key: TreeKey,
    /// Its state.
    pub partial: Partial,
}

/// A finished part of an output or of an inline array. The same block may come twice, with the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Never [`Target::Local`].
    pub target: Target,
    /// The part of each dim of the target.
    pub region: Vec<Range<u64>>,
    /// Little-endian elements in C order.
    pub bytes: Vec<u8>,
}

/// When a slot was busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The slot.
    pub slot: u32,
    /// The first tile.
    pub tile: u64,
    /// How many tiles are joined here.
    pub tiles: u32,
    /// From, on the worker's clock.
    pub start: Instant,
    /// To, on the worker's clock.
    pub end: Instant,
}

/// What tiles cost. Times are summed over slots, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskStats {
    /// How many tiles.
    pub tiles: u64,
    /// From a tile's start on a slot to its end; by the worker's core.
    pub busy_ns: u64,
    /// Waited for memory or bytes while a slot was free for it; by the worker's core.
    pub wait_ns: u64,
    /// Reading, whether a slot waited for it or not.
    pub fetch_ns: u64,
    /// Decoding.
    pub decode_ns: u64,
    /// Evaluating.
    pub compute_ns: u64,
    /// Pushing blocks.
    pub send_ns: u64,
    /// Chunks read.
    pub reads: u64,
    /// Bytes read as stored.
    pub stored_bytes: u64,
    /// Bytes after decoding.
    pub decoded_bytes: u64,
}

impl TaskStats {
    /// Adds another's figures.
    pub fn add(&mut self, other: &TaskStats) {
        self.tiles += other.tiles;
        self.busy_ns += other.busy_ns;
        self.wait_ns += other.wait_ns;
        self.fetch_ns += other.fetch_ns;
        self.decode_ns += other.decode_ns;
        self.compute_ns += other.compute_ns;
        self.send_ns += other.send_ns;
        self.reads += other.reads;
        self.stored_bytes += other.stored_bytes;
        self.decoded_bytes += other.decoded_bytes;
    }
}

/// A worker's figures. Those that only the process knows are filled in by its edge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heartbeat {
    /// Slots that compute.
    pub busy: u32,
    /// Tiles assigned and not started.
    pub queued: u64,
    /// Tasks on slots.
    pub running: Vec<(AssignmentId, Tile)>,
    /// Bytes reserved by tasks, fetches and blocks on their way.
    pub reserved_bytes: u64,
    /// Why slots were idle since the worker connected.
    pub idle: IdleTimes,
    /// Resident bytes of the process; 0 if unknown. By the edge.
    pub resident_bytes: u64,
    /// Nanoseconds of CPU time since the process started; 0 if unknown. By the edge.
    pub cpu_ns: u64,
}

/// Slot-nanoseconds without work, by what the slots waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleTimes {
    /// Nothing was assigned.
    pub work_ns: u64,
    /// Bytes were on their way.
    pub fetch_ns: u64,
    /// The next task did not fit into memory.
    pub memory_ns: u64,
}

/// Why a task failed: what to tell the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// The category.
    pub kind: ErrorKind,
    /// The whole message, which names store, array and chunk where they matter.
    pub message: String,
}

/// What a task's failure is about; also the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The store cannot be reached or refuses.
    Store,
    /// An array or its metadata is not what the plan says.
    Array,
    /// A chunk is missing, truncated or damaged.
    Chunk,
    /// The task does not fit into the worker's memory.
    Memory,
    /// The evaluator failed.
    Compute,
    /// Workers died of the task.
    WorkersLost,
    /// The engine broke one of its own rules.
    Internal,
}

impl ErrorKind {
    /// The category's name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Store => "store",
            ErrorKind::Array => "array",
            ErrorKind::Chunk => "chunk",
            ErrorKind::Memory => "memory",
            ErrorKind::Compute => "compute",
            ErrorKind::WorkersLost => "workers_lost",
            ErrorKind::Internal => "internal",
        }
    }
}
