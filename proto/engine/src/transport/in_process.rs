//! Results within one process: they may be large, and are handed on as they are instead of as messages. All else goes
//! through the same services and messages as between processes.

use crate::pb;
use dasklike_graph::protocol::{Block, Epoch, JobId, WorkerId};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// What happens to a job, as a client hears it.
pub type JobEvents = Pin<Box<dyn Stream<Item = Result<pb::JobEvent, Status>> + Send>>;

/// The part of a scheduler's services through which results go, for workers and clients of its own process.
#[tonic::async_trait]
pub trait LocalResults: fmt::Debug + Send + Sync {
    /// Takes a block of an output; ends when it is on its way to its clients.
    async fn push(
        &self,
        epoch: Epoch,
        worker: WorkerId,
        job: JobId,
        block: Block,
    ) -> Result<(), Status>;

    /// As the clients' service of that name.
    async fn submit(&self, request: pb::SubmitRequest) -> Result<JobEvents, Status>;

    /// As the clients' service of that name.
    async fn attach(&self, request: pb::AttachRequest) -> Result<JobEvents, Status>;
}

/// The way to a scheduler of this process.
#[derive(Clone, Debug)]
pub struct InProcess {
    pub(super) streams: mpsc::Sender<DuplexStream>,
    pub(super) results: Arc<dyn LocalResults>,
}
