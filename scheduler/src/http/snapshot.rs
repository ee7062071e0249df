//! What the dashboard, `/api/v1` and `/metrics` show: one plain picture of the cluster, made by the driver.
//!
//! Everything here is data that a browser or a script reads as JSON. Its meaning is versioned by
//! [`SNAPSHOT_VERSION`]: fields may be added, a changed meaning raises the number. Instants are microseconds since
//! the Unix epoch and durations are microseconds, unless a name says otherwise; sizes are bytes.

mod plan_graph;

pub use plan_graph::{PassFormula, PlanGraph, PlanNode, PlanNodeKind};

use serde::Serialize;
use std::sync::Arc;

/// The version of the JSON's meaning.
pub const SNAPSHOT_VERSION: u32 = 1;

/// The most cells that one stage shows; a stage of fewer tiles shows each of them.
pub const CELLS_LIMIT: usize = crate::core::MAX_CELLS as usize;

/// The cluster at one instant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_VERSION`].
    pub version: u32,
    /// When this was true.
    pub at_us: u64,
    /// The cluster itself.
    pub cluster: Cluster,
    /// Jobs, latest submitted first. A job that did not change keeps its `Arc`, so that it is not sent again.
    pub jobs: Vec<Arc<Job>>,
    /// Workers in a stable order.
    pub workers: Vec<Worker>,
    /// The queue of each pool.
    pub pools: Vec<Pool>,
    /// What the cluster did lately, oldest first, at even distances in time.
    pub rates: Vec<Rate>,
    /// Which limit binds now.
    pub limit: LimitShares,
    /// What went wrong lately, latest first, whichever job it belongs to.
    pub errors: Vec<ErrorLine>,
    /// Counters since the scheduler started, which never fall.
    pub totals: Totals,
}

/// The cluster itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cluster {
    /// The version of the scheduler.
    pub dasklike: String,
    /// Where clients and workers reach the scheduler.
    pub address: String,
    /// When the scheduler started.
    pub started_us: u64,
    /// The scheduler's incarnation: digits, of more than JavaScript's numbers hold.
    pub epoch: String,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// Its id, as in `/api/v1/jobs/{id}`.
    pub id: String,
    /// Its name; anonymous jobs have none.
    pub name: Option<String>,
    /// The pool it runs in.
    pub pool: String,
    /// How it stands.
    pub state: JobState,
    /// When it arrived.
    pub submitted_us: u64,
    /// When its first task was assigned.
    pub started_us: Option<u64>,
    /// When it ended, however it did.
    pub finished_us: Option<u64>,
    /// Why it failed, in plain words: the thing, what was expected, what to do.
    pub error: Option<String>,
    /// Its stages, by number.
    pub stages: Vec<Stage>,
    /// Bytes read as stored.
    pub stored_bytes: u64,
    /// Bytes read after decoding.
    pub decoded_bytes: u64,
    /// What it will have read after decoding, as estimated; 0 where there is no estimate.
    pub expected_decoded_bytes: u64,
    /// What it did over its life, oldest first.
    pub rates: Vec<Rate>,
    /// The plan as a picture; only `/api/v1/jobs/{id}` carries it, since it never changes.
    #[serde(skip)]
    pub plan: Option<Arc<PlanGraph>>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum JobState {
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
}

/// A stage of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// Its number in the job.
    pub id: u32,
    /// What it does, in a few words, for people.
    pub name: String,
    /// Its kind, one of a few words: the `op` label of the metrics.
    pub op: String,
    /// The tile grid: how many tiles each dim is cut into, outermost first.
    pub grid: Vec<GridDim>,
    /// Stages that must be complete before this one starts.
    pub after: Vec<u32>,
    /// Its tiles.
    pub tiles: u64,
    /// Tiles that are committed.
    pub done: u64,
    /// Tiles that a worker holds.
    pub running: u64,
    /// Tiles that failed.
    pub failed: u64,
    /// Its tiles in order, put together to at most [`CELLS_LIMIT`] cells.
    pub cells: Cells,
}

/// A dim of a stage's tile grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct GridDim {
    pub name: String,
    pub tiles: u64,
}

/// Cells of a stage, one entry a cell in each list. Cell `c` of `n` holds the tiles
/// `ceil(c * tiles / n) .. ceil((c + 1) * tiles / n)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cells {
    /// Committed tiles.
    pub done: Vec<u32>,
    /// Tiles that a worker holds.
    pub running: Vec<u32>,
    /// Failed tiles.
    pub failed: Vec<u32>,
    /// When the cell's first tile was committed, in milliseconds since the job was submitted; -1 if none was.
    pub first_done_ms: Vec<i64>,
    /// When the cell's last committed tile was committed, likewise.
    pub last_done_ms: Vec<i64>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worker {
    /// Its name, unique in the cluster.
    pub name: String,
    /// The pool it serves.
    pub pool: String,
    /// How it stands.
    pub state: WorkerState,
    /// Threads that compute.
    pub slots: u32,
    /// Slots that compute now.
    pub busy: u32,
    /// Processor time over the last heartbeat's interval; 100 is one core.
    pub cpu_percent: f64,
    /// Memory of the process as the system counts it.
    pub resident_bytes: u64,
    /// Memory that tasks have reserved.
    pub reserved_bytes: u64,
    /// The most that tasks may reserve.
    pub limit_bytes: u64,
    /// Bytes read as stored, since the worker connected.
    pub stored_bytes: u64,
    /// Bytes read after decoding, since the worker connected.
    pub decoded_bytes: u64,
    /// Tasks committed since the worker connected.
    pub tasks_done: u64,
    /// Tasks it holds and has not started.
    pub queued_tasks: u64,
    /// Since when it has had no task; `None` while it has one.
    pub idle_since_us: Option<u64>,
    /// The last message from it.
    pub last_seen_us: u64,
}

/// How a worker stands. Lost workers stay in the list for a while, so that a person sees what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum WorkerState {
    Connected,
    Draining,
    Lost,
}

/// A pool's queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Tasks that could start if a slot were free.
    pub ready_tasks: u64,
    /// Tasks that workers hold.
    pub running_tasks: u64,
    /// Tasks that wait for other stages.
    pub blocked_tasks: u64,
    /// Seconds of slot time that ready and running tasks still need, as estimated.
    pub queue_seconds: f64,
}

/// What was done a second during an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Where the interval begins.
    pub from_us: u64,
    /// Where it ends.
    pub at_us: u64,
    /// Bytes a second, as stored.
    pub stored_per_s: u64,
    /// Bytes a second, after decoding.
    pub decoded_per_s: u64,
    /// Tasks a second.
    pub tasks_per_s: f64,
    /// What bound then.
    pub limit: Option<Limit>,
}

/// What can limit the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Limit {
    Network,
    Decode,
    Compute,
    Memory,
    Scheduler,
}

impl Limit {
    /// Every limit, in the order in which the way of the data meets them.
    pub const ALL: [Limit; 5] = [
        Limit::Network,
        Limit::Decode,
        Limit::Compute,
        Limit::Memory,
        Limit::Scheduler,
    ];

    /// The word in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Limit::Network => "network",
            Limit::Decode => "decode",
            Limit::Compute => "compute",
            Limit::Memory => "memory",
            Limit::Scheduler => "scheduler",
        }
    }
}

/// How slots spent their time lately: shares of all slot time, between 0 and 1; what is left was idle for want
/// of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LimitShares {
    /// The limit that binds; `None` while nothing runs.
    pub binds: Option<Limit>,
    /// Waiting for bytes.
    pub network: f64,
    /// Decoding.
    pub decode: f64,
    /// Computing.
    pub compute: f64,
    /// Waiting for memory to be released.
    pub memory: f64,
    /// Waiting for the scheduler while tasks were ready.
    pub scheduler: f64,
}

impl LimitShares {
    /// The share of one limit.
    pub fn share(&self, limit: Limit) -> f64 {
        match limit {
            Limit::Network => self.network,
            Limit::Decode => self.decode,
            Limit::Compute => self.compute,
            Limit::Memory => self.memory,
            Limit::Scheduler => self.scheduler,
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorLine {
    /// When.
    pub at_us: u64,
    /// The job it belongs to, if any.
    pub job: Option<String>,
    /// The worker it happened on, if any.
    pub worker: Option<String>,
    /// What happened, in plain words.
    pub message: String,
}

/// Counters since the scheduler started.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Tasks by op and result.
    pub tasks: Vec<TaskTotal>,
    /// Seconds of slot time by op and phase.
    pub seconds: Vec<PhaseTotal>,
    /// Bytes read as stored.
    pub stored_bytes: u64,
    /// Bytes read after decoding.
    pub decoded_bytes: u64,
    /// Tasks that ran again, by cause.
    pub reruns: Vec<RerunTotal>,
}

/// Tasks of one op that ended one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskTotal {
    /// The stage's op.
    pub op: String,
    /// How they ended.
    pub result: TaskResult,
    /// How many.
    pub count: u64,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TaskResult {
    Done,
    Failed,
}

impl TaskResult {
    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            TaskResult::Done => "done",
            TaskResult::Failed => "failed",
        }
    }
}

/// Time that tasks of one op spent in one phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PhaseTotal {
    pub op: String,
    pub phase: Phase,
    pub seconds: f64,
}

/// A phase of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Phase {
    Wait,
    Fetch,
    Decode,
    Compute,
    Send,
}

impl Phase {
    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Wait => "wait",
            Phase::Fetch => "fetch",
            Phase::Decode => "decode",
            Phase::Compute => "compute",
            Phase::Send => "send",
        }
    }
}

/// Tasks that ran again for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct RerunTotal {
    pub cause: RerunCause,
    pub count: u64,
}

/// Why a task ran again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RerunCause {
    /// A worker ended without a word.
    WorkerLost,
    /// A worker that drained was ended before it was done.
    DrainCut,
}

impl RerunCause {
    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            RerunCause::WorkerLost => "worker_lost",
            RerunCause::DrainCut => "drain_cut",
        }
    }
}

/// What one slot did: consecutive tiles of one stage. The phases need not fill the interval; where tiles are
/// committed together, they are those tiles' shares of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// The worker's name.
    pub worker: Arc<str>,
    /// The slot's number in its worker.
    pub slot: u32,
    /// The job's id.
    pub job: Arc<str>,
    /// The stage's number.
    pub stage: u32,
    /// The first tile.
    pub first_tile: u64,
    /// How many tiles.
    pub tiles: u64,
    /// When the slot took them up.
    pub start_us: u64,
    /// When it was through.
    pub end_us: u64,
    /// Of that, waiting for bytes or memory.
    pub wait_us: u64,
    /// Decoding.
    pub decode_us: u64,
    /// Computing.
    pub compute_us: u64,
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot {
            version: SNAPSHOT_VERSION,
            at_us: 0,
            cluster: Cluster::default(),
            jobs: Vec::new(),
            workers: Vec::new(),
            pools: Vec::new(),
            rates: Vec::new(),
            limit: LimitShares::default(),
            errors: Vec::new(),
            totals: Totals::default(),
        }
    }
}
