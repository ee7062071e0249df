//! What happens to the scheduler.

use super::ids::{ClientId, Epoch, Instant, JobId, PoolName, RequestId, WorkerId};
use super::journal::Record;
use dasklike_graph::protocol::{Block, JobSpec, ToScheduler, WorkerHello};
use dasklike_graph::stage::Lowered;
use std::sync::Arc;

/// Something that happened, as a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A client wants a plan computed. Answered by [`super::effect::Effect::Accepted`] or `Refused`.
    Submit(Submission),
    /// A client wants the named job's results and end. Answered as a submission is.
    Attach {
        /// Who asks.
        client: ClientId,
        /// The request.
        request: RequestId,
        /// The job's name.
        name: String,
    },
    /// Someone wants the job to end now. A job that has ended is left as it is.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// A client's connection or lease ended: its anonymous jobs end, its named jobs go on.
    ClientGone {
        /// Who.
        client: ClientId,
    },
    /// A worker connected and spoke the right version. The edge chose a number never used before.
    WorkerConnected {
        /// Its number.
        worker: WorkerId,
        /// What it says of itself.
        hello: WorkerHello,
    },
    /// A worker's connection ended.
    WorkerGone {
        /// Which.
        worker: WorkerId,
    },
    /// Someone wants the worker to finish what runs and go.
    DrainWorker {
        /// Which.
        worker: WorkerId,
        /// When it is given up if it has not gone by then.
        deadline: Option<Instant>,
    },
    /// A batch of a worker's messages, in order.
    FromWorker {
        /// Which.
        worker: WorkerId,
        /// The epoch that the batch carries.
        epoch: Epoch,
        /// The messages.
        messages: Vec<ToScheduler>,
    },
    /// A block too large for a commit. The edge acknowledges it to the worker when the effects of this event
    /// are carried out (the clients' bounded queues took it): until then the worker holds back the commit.
    Pushed {
        /// The worker.
        worker: WorkerId,
        /// The epoch that the push carries.
        epoch: Epoch,
        /// The job.
        job: JobId,
        /// The block, of an output.
        block: Block,
    },
    /// What an earlier incarnation kept of a job, in the order in which it was kept, before any worker or client comes.
    Restore {
        /// The job.
        job: JobId,
        /// What was kept.
        record: Record,
    },
    /// Time went by: what [`super::effect::Effect::WakeAt`] asked for.
    Tick,
}

/// A plan to compute.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Who asks.
    pub client: ClientId,
    /// The request.
    pub request: RequestId,
    /// What is to be computed.
    pub order: Order,
}

/// What is to be computed, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// `Some`: the job outlives its client, and its results are kept until they are fetched. A name in use by
    /// a job of the same plan attaches to that job.
    pub name: Option<String>,
    /// Whose workers run it. While the pool has none, the job waits.
    pub pool: PoolName,
    /// The plan and its budget, as workers get them.
    pub spec: Arc<JobSpec>,
    /// The stages of the plan, lowered by the edge.
    pub lowered: Arc<Lowered>,
    /// The most tiles in one assignment; for measuring what an assignment costs.
    pub max_range: Option<u64>,
}
