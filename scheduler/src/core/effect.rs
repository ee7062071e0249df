//! What the scheduler wants done.

use super::ids::{ClientId, Instant, JobId, RequestId, WorkerId};
use super::journal::Record;
use dasklike_graph::protocol::{Block, TaskError, ToWorker};

/// Something for the edge to do. Effects are carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Queue a message for a worker; the edge stamps the epoch and batches what one event gave.
    Send {
        /// To whom.
        worker: WorkerId,
        /// What.
        message: ToWorker,
    },
    /// Close the worker's connection: it is lost, or has drained. The core has forgotten it.
    Disconnect {
        /// Whose.
        worker: WorkerId,
        /// Why, for the log.
        reason: String,
    },
    /// The request started a job, or joined one. What the job delivers to this client comes after it.
    Accepted {
        /// Who asked.
        client: ClientId,
        /// The request.
        request: RequestId,
        /// The job.
        job: JobId,
    },
    /// The request cannot be met.
    Refused {
        /// Who asked.
        client: ClientId,
        /// The request.
        request: RequestId,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// Part of an output for a client. The same part may come twice, with the same bytes.
    Deliver {
        /// To whom.
        client: ClientId,
        /// The job.
        job: JobId,
        /// The block; its target is an output.
        block: Block,
    },
    /// The job has ended; all its blocks were delivered before.
    Ended {
        /// Whom to tell.
        client: ClientId,
        /// The job.
        job: JobId,
        /// How.
        end: JobEnd,
    },
    /// Keep this of a job where a later incarnation finds it. To lose the last of what was kept costs work that is run
    /// again, so nothing waits for it.
    Journal {
        /// The job.
        job: JobId,
        /// What.
        record: Record,
    },
    /// Nothing that was kept of the job is needed any more.
    DropJournal {
        /// The job.
        job: JobId,
    },
    /// Send [`super::event::Event::Tick`] at this moment; replaces what was asked before.
    WakeAt(Instant),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    /// Every output is complete.
    Finished,
    /// It cannot go on.
    Failed(TaskError),
    /// Someone cancelled it, or its client went away.
    Cancelled,
}

/// Why a request is not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name belongs to a job of another plan or pool.
    #[error(
        "the name {name:?} is taken by a job with a different plan or pool: choose another name, or cancel that job"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No job has the name.
    #[error(
        "no job is named {name:?}: it never ran here, or its results were fetched or dropped already"
    )]
    NoSuchJob {
        /// The name.
        name: String,
    },
    /// A named job's results must fit into the scheduler.
    #[error(
        "the outputs of the named job {name:?} have {bytes} bytes, {limit} are kept at most: \
         reduce further, or run it without a name so that the results stream to the client"
    )]
    ResultsTooLarge {
        /// The name.
        name: String,
        /// Bytes of all outputs.
        bytes: u64,
        /// Bytes that may be kept.
        limit: u64,
    },
    /// The stages break a rule that lowering keeps.
    #[error("the plan's stages are malformed: {what}: this is a bug in lowering, please report it")]
    Malformed {
        /// Which rule.
        what: String,
    },
}
