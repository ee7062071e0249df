//! The connection to the scheduler: opened, kept, and opened again when it is lost.

use crate::executor::Executor;
use dasklike_graph::protocol::{Block, Epoch, JobId, ToScheduler, ToWorker, WorkerHello, WorkerId};
use dasklike_graph::stage::Target;
use dasklike_proto_engine::convert::{hello, region_to_proto, to_worker_from_proto};
use dasklike_proto_engine::frames::worker_frames;
use dasklike_proto_engine::outbox::{Outbox, outbox};
use dasklike_proto_engine::pb;
use dasklike_proto_engine::pb::worker_client::WorkerClient;
use dasklike_proto_engine::transport::{Connector, LocalResults};
use dasklike_proto_engine::{MAX_MESSAGE_BYTES, MAX_PLAN_BYTES, PIECE_BYTES};
use futures::stream::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The first wait before another attempt to connect; each is twice as long as the one before.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest wait.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// Messages that may wait for the scheduler before the connection is given up.
const OUTBOX_LIMIT: usize = 1 << 20;

/// Messages that may wait before slots are held back: reports of a quarter of a megabyte each at most.
const BEHIND: usize = 32;

/// The sending side of a connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    outbox: Outbox<ToScheduler>,
    client: WorkerClient<Channel>,
    /// Where blocks go instead of through the client, if the scheduler is of this process.
    results: Option<Arc<dyn LocalResults>>,
    cut: watch::Sender<bool>,
}

impl Link {
    /// Queues messages that leave together.
    pub(crate) fn send(&self, messages: Vec<ToScheduler>) {
        if !messages.is_empty() && self.outbox.extend(messages).is_err() {
            tracing::warn!("the scheduler does not read: giving the connection up");
            self.cut();
        }
    }

    /// Whether the scheduler takes messages slower than they are made.
    pub(crate) fn is_behind(&self) -> bool {
        self.outbox.len() > BEHIND
    }

    /// Hands a block over; ends when it is on its way to its clients.
    pub(crate) async fn push(
        &self,
        epoch: Epoch,
        worker: WorkerId,
        job: JobId,
        block: Block,
    ) -> Result<(), Status> {
        if let Some(results) = &self.results {
            return results.push(epoch, worker, job, block).await;
        }
        let pieces = futures::stream::iter(pieces(epoch, worker, job, block));
        self.client.clone().push_block(pieces).await.map(|_| ())
    }

    /// Ends the stream of messages once what was sent has left; without it the connection would stay open.
    pub(crate) fn close(&self) {
        self.outbox.close();
    }

    /// Ends the connection.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }
}

/// What a worker tells its handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connecting,
    Connected,
    /// The scheduler does not want this worker.
    Refused(String),
}

/// Keeps a connection until the worker has drained or is refused, or the future is dropped.
pub(crate) async fn keep(
    executor: Arc<Executor>,
    connector: Connector,
    me: WorkerHello,
    status: watch::Sender<Connection>,
    cuts: watch::Sender<bool>,
) {
    let mut wait = FIRST_RETRY;
    // Each reason is told once in a row, not at each attempt.
    let mut told = String::new();
    loop {
        match session(&executor, &connector, &me, &status, &cuts).await {
            Ok(()) => {
                wait = FIRST_RETRY;
                told.clear();
            }
            Err(refusal) if is_final(&refusal) => {
                status.send_replace(Connection::Refused(refusal.message().to_owned()));
                return;
            }
            Err(error) => {
                if error.message() != told {
                    error.message().clone_into(&mut told);
                    tracing::warn!(worker = me.name, "{told}; trying again until it works");
                }
                wait = (wait * 2).min(LAST_RETRY);
            }
        }
        executor.disconnected();
        status.send_replace(Connection::Connecting);
        // A worker that has drained does not come back.
        let mut exit = executor.exit();
        if tokio::time::timeout(wait, exit.wait_for(|exit| *exit))
            .await
            .is_ok()
        {
            return;
        }
    }
}

/// Trying again would bring the same answer.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::FailedPrecondition | Code::InvalidArgument | Code::Unimplemented
    )
}

/// One connection, from its opening to its end. `Ok` if the scheduler ever welcomed the worker.
async fn session(
    executor: &Arc<Executor>,
    connector: &Connector,
    me: &WorkerHello,
    status: &watch::Sender<Connection>,
    cuts: &watch::Sender<bool>,
) -> Result<(), Status> {
    cuts.send_replace(false);
    let channel = connector
        .connect()
        .await
        .map_err(|e| Status::unavailable(e.to_string()))?;
    let mut client = WorkerClient::new(channel)
        .max_decoding_message_size(MAX_PLAN_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let (outbox, batches) = outbox(OUTBOX_LIMIT);
    // What is sent before the welcome is known is of no epoch; the core sends nothing before.
    let epoch = Arc::new(AtomicU64::new(0));
    let sent = epoch.clone();
    let frames = batches.flat_map(move |batch| {
        let epoch = Epoch(sent.load(Ordering::Relaxed));
        futures::stream::iter(worker_frames(epoch, &batch))
    });
    let first = futures::stream::iter([register(me)]);
    let link = Link {
        outbox,
        client: client.clone(),
        results: connector.results(),
        cut: cuts.clone(),
    };
    let mut incoming = client.session(first.chain(frames)).await?.into_inner();
    executor.connected(link);
    let mut cut = cuts.subscribe();
    let mut welcome = false;
    loop {
        let frame = tokio::select! {
            frame = incoming.message() => frame,
            _ = cut.wait_for(|cut| *cut) => break,
        };
        let Ok(Some(frame)) = frame else { break };
        let messages = frame
            .messages
            .into_iter()
            .map(to_worker_from_proto)
            .collect::<Result<Vec<ToWorker>, _>>();
        let messages = messages.map_err(|e| Status::failed_precondition(e.to_string()))?;
        if messages
            .iter()
            .any(|m| matches!(m, ToWorker::Welcome { .. }))
        {
            epoch.store(frame.epoch, Ordering::Relaxed);
            welcome = true;
        }
        executor.received(Epoch(frame.epoch), messages);
        if welcome && *status.borrow() != Connection::Connected {
            status.send_replace(Connection::Connected);
        }
    }
    if welcome {
        Ok(())
    } else {
        Err(Status::unavailable("the scheduler closed the connection"))
    }
}

fn register(me: &WorkerHello) -> pb::WorkerFrame {
    let register = pb::Register {
        hello: Some(hello()),
        name: me.name.clone(),
        slots: me.slots,
        memory_limit: me.memory_limit,
        pool: me.pool.to_string(),
    };
    pb::WorkerFrame {
        register: Some(register),
        epoch: 0,
        messages: Vec::new(),
    }
}

fn pieces(
    epoch: Epoch,
    worker: WorkerId,
    job: JobId,
    block: Block,
) -> impl Iterator<Item = pb::PushPiece> + Send {
    let output = match block.target {
        Target::Output(output) => Some(output.0),
        // The core pushes blocks of outputs only.
        Target::Inline(_) | Target::Local(_) => None,
    };
    let total_bytes = block.bytes.len() as u64;
    let mut region = Some(region_to_proto(&block.region));
    let mut rest = bytes::Bytes::from(block.bytes);
    std::iter::from_fn(move || {
        let first = region.take();
        if first.is_none() && rest.is_empty() {
            return None;
        }
        let data = rest.split_to(rest.len().min(PIECE_BYTES));
        let total_bytes = if first.is_some() { total_bytes } else { 0 };
        let region = first.unwrap_or_default();
        Some(pb::PushPiece {
            epoch: epoch.0,
            worker: worker.0,
            job: job.0,
            output: output?,
            region,
            total_bytes,
            data,
        })
    })
}
