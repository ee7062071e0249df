//! The workers' service: frames to events, and batches of messages to frames.

use crate::driver::{Driver, Input};
use dasklike_graph::plan::OutputId;
use dasklike_graph::protocol::{Block, Epoch, JobId, ToScheduler, ToWorker, WorkerHello, WorkerId};
use dasklike_graph::stage::Target;
use dasklike_proto_engine::convert::{
    check_hello, pool_from_proto, region_from_proto, to_scheduler_from_proto,
};
use dasklike_proto_engine::frames::scheduler_frames;
use dasklike_proto_engine::outbox::{Batches, outbox};
use dasklike_proto_engine::{PIECE_BYTES, pb};
use futures::stream::{BoxStream, StreamExt};
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

/// Messages that may wait for a worker. One that lets more pile up is taken for lost.
const OUTBOX_LIMIT: usize = 1 << 20;

/// While a worker is held back because clients are slow, it is still heard from.
const HELD_BACK_SIGN: Duration = Duration::from_secs(1);

/// The most bytes of one block.
const BLOCK_LIMIT: u64 = 4 << 30;

#[derive(Clone, Debug)]
pub(crate) struct WorkerService {
    pub(crate) driver: Driver,
}

#[tonic::async_trait]
impl pb::worker_server::Worker for WorkerService {
    type SessionStream = BoxStream<'static, Result<pb::SchedulerFrame, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::WorkerFrame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut frames = request.into_inner();
        let first = frames.message().await?.and_then(|f| f.register);
        let register = first
            .ok_or_else(|| Status::invalid_argument("the first frame does not say who connects"))?;
        check_hello(register.hello.as_ref())
            .map_err(|e| Status::failed_precondition(e.to_string()))?;
        if register.slots == 0 || register.memory_limit == 0 {
            return Err(Status::invalid_argument(format!(
                "worker {:?} has no slots or no memory",
                register.name
            )));
        }
        let pool =
            pool_from_proto(&register.pool).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let hello = WorkerHello {
            name: register.name,
            slots: register.slots,
            memory_limit: register.memory_limit,
            pool,
        };
        let (outbox, batches) = outbox(OUTBOX_LIMIT);
        let (reply, worker) = oneshot::channel();
        self.driver
            .send(Input::WorkerConnected {
                hello,
                outbox,
                reply,
            })
            .await?;
        let worker = worker
            .await
            .map_err(|_| Status::unavailable("the scheduler is ending"))?;
        tokio::spawn(read(self.driver.clone(), worker, frames));
        Ok(Response::new(outgoing(self.driver.epoch(), batches)))
    }

    async fn push_block(
        &self,
        request: Request<Streaming<pb::PushPiece>>,
    ) -> Result<Response<pb::PushReply>, Status> {
        let mut pieces = request.into_inner();
        let empty = || Status::invalid_argument("a pushed block has no pieces");
        let first = pieces.message().await?.ok_or_else(empty)?;
        let region = region_from_proto(&first.region)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        if first.total_bytes > BLOCK_LIMIT {
            return Err(Status::invalid_argument(format!(
                "a block has {} bytes, {BLOCK_LIMIT} at most: choose smaller chunks",
                first.total_bytes
            )));
        }
        let mut bytes = Vec::with_capacity(first.total_bytes as usize);
        bytes.extend_from_slice(&first.data);
        while let Some(piece) = pieces.message().await? {
            if piece.data.len() > PIECE_BYTES
                || (bytes.len() + piece.data.len()) as u64 > first.total_bytes
            {
                return Err(Status::invalid_argument(
                    "a pushed block is longer than it says",
                ));
            }
            bytes.extend_from_slice(&piece.data);
        }
        if bytes.len() as u64 != first.total_bytes {
            return Err(Status::invalid_argument(
                "a pushed block is shorter than it says",
            ));
        }
        let block = Block {
            target: Target::Output(OutputId(first.output)),
            region,
            bytes,
        };
        let (worker, epoch, job) = (WorkerId(first.worker), Epoch(first.epoch), JobId(first.job));
        self.driver.push(epoch, worker, job, block).await?;
        Ok(Response::new(pb::PushReply {}))
    }
}

fn outgoing(
    epoch: Epoch,
    batches: Batches<ToWorker>,
) -> BoxStream<'static, Result<pb::SchedulerFrame, Status>> {
    batches
        .flat_map(move |batch| futures::stream::iter(scheduler_frames(epoch, &batch)).map(Ok))
        .boxed()
}

/// Hands frames to the driver until the worker is gone.
async fn read(driver: Driver, worker: WorkerId, mut frames: Streaming<pb::WorkerFrame>) {
    loop {
        let frame = match frames.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(status) => {
                tracing::debug!(worker = worker.0, %status, "a worker's connection ended");
                break;
            }
        };
        let messages: Result<Vec<ToScheduler>, _> = frame
            .messages
            .into_iter()
            .map(to_scheduler_from_proto)
            .collect();
        let messages = match messages {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(worker = worker.0, %error, "a worker sent what cannot be read");
                break;
            }
        };
        let input = Input::FromWorker {
            worker,
            epoch: Epoch(frame.epoch),
            messages,
        };
        if driver.send(input).await.is_err() {
            return;
        }
        hold_back(&driver, worker).await;
    }
    // The driver ends after all that send to it, or the scheduler is ending.
    let _ = driver.send(Input::WorkerGone { worker }).await;
}

/// Waits while too many blocks wait for clients, so that the connection's window fills and the worker stops.
async fn hold_back(driver: &Driver, worker: WorkerId) {
    while driver.waiting().is_too_much() {
        if tokio::time::timeout(HELD_BACK_SIGN, driver.waiting().less())
            .await
            .is_err()
        {
            let sign = Input::FromWorker {
                worker,
                epoch: driver.epoch(),
                messages: Vec::new(),
            };
            if driver.send(sign).await.is_err() {
                return;
            }
        }
    }
}
