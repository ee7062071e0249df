//! The clients' service: requests to events, and what the driver feeds back to a stream of job events.

use crate::core::effect::{JobEnd, Refusal};
use crate::core::event::Order;
use crate::driver::{ClientGuard, Driver, Input};
use crate::feed::FeedItem;
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::protocol::{Block, JobId, JobSpec};
use dasklike_graph::stage::Target;
use dasklike_proto_engine::convert::{
    ConvertError, FailureCategory, JobEvent, Piece, check_hello, event_to_proto, plan_from_proto,
    pool_from_proto,
};
use dasklike_proto_engine::outbox::{Batches, outbox};
use dasklike_proto_engine::transport::JobEvents;
use dasklike_proto_engine::{PIECE_BYTES, VERSION, pb};
use futures::stream::StreamExt;
use std::sync::Arc;
use tonic::{Request, Response, Status};

#[derive(Clone, Debug)]
pub(crate) struct ClientService {
    pub(crate) driver: Driver,
    pub(crate) dashboard: Option<String>,
}

#[tonic::async_trait]
impl pb::client_server::Client for ClientService {
    type SubmitStream = JobEvents;
    type AttachStream = JobEvents;

    async fn submit(
        &self,
        request: Request<pb::SubmitRequest>,
    ) -> Result<Response<JobEvents>, Status> {
        let request = request.into_inner();
        check_hello(request.hello.as_ref()).map_err(version)?;
        let plan = request
            .plan
            .ok_or_else(|| Status::invalid_argument("a submission has no plan"))?;
        let plan = plan_from_proto(plan).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let pool =
            pool_from_proto(&request.pool).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let chunks = request
            .chunks
            .into_iter()
            .map(|c| (c.dim.into(), c.size))
            .collect();
        let budget = Budget {
            task_bytes: self.driver.task_bytes(&pool),
            chunks,
        };
        let lowered = lower(&plan, &budget).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let name = Some(request.name).filter(|n| !n.is_empty());
        let max_range = Some(request.max_range.into()).filter(|n| *n > 0);
        let (feed, items) = outbox(usize::MAX);
        let gone = self.driver.new_client();
        let submit = Input::Submit {
            client: gone.client(),
            order: Order {
                name,
                pool,
                spec: Arc::new(JobSpec { plan, budget }),
                lowered: Arc::new(lowered),
                max_range,
            },
            feed,
        };
        self.driver.send(submit).await?;
        answer(items, gone).await
    }

    async fn attach(
        &self,
        request: Request<pb::AttachRequest>,
    ) -> Result<Response<JobEvents>, Status> {
        let request = request.into_inner();
        check_hello(request.hello.as_ref()).map_err(version)?;
        let (feed, items) = outbox(usize::MAX);
        let gone = self.driver.new_client();
        self.driver
            .send(Input::Attach {
                client: gone.client(),
                name: request.name,
                feed,
            })
            .await?;
        answer(items, gone).await
    }

    async fn cancel(
        &self,
        request: Request<pb::CancelRequest>,
    ) -> Result<Response<pb::CancelReply>, Status> {
        let pb::CancelRequest { job, epoch } = request.into_inner();
        // An earlier scheduler's job is over, or was kept under another client.
        if epoch == self.driver.epoch().0 {
            let job = JobId(job);
            self.driver.send(Input::Cancel { job }).await?;
        }
        Ok(Response::new(pb::CancelReply {}))
    }

    async fn get_cluster(
        &self,
        request: Request<pb::GetClusterRequest>,
    ) -> Result<Response<pb::ClusterInfo>, Status> {
        check_hello(request.into_inner().hello.as_ref()).map_err(version)?;
        let cluster = self.driver.cluster();
        let workers = cluster.workers.iter().map(|w| pb::WorkerInfo {
            name: w.hello.name.clone(),
            slots: w.hello.slots,
            memory_limit: w.hello.memory_limit,
            draining: w.draining,
            pool: w.hello.pool.to_string(),
        });
        Ok(Response::new(pb::ClusterInfo {
            version: VERSION.to_owned(),
            dashboard_url: self.dashboard.clone().unwrap_or_default(),
            workers: workers.collect(),
        }))
    }
}

fn version(error: ConvertError) -> Status {
    Status::failed_precondition(error.to_string())
}

/// Waits for the driver's word on a request, then streams the job's events. `gone` tells the driver when the
/// client has dropped the stream.
async fn answer(
    mut items: Batches<FeedItem>,
    gone: ClientGuard,
) -> Result<Response<JobEvents>, Status> {
    let first = items
        .next()
        .await
        .ok_or_else(|| Status::unavailable("the scheduler is ending"))?;
    if let Some(FeedItem::Refused(refusal)) = first.first() {
        return Err(refused(refusal));
    }
    let items = futures::stream::once(async { first })
        .chain(items)
        .flat_map(futures::stream::iter);
    let events = items.flat_map(move |item| {
        let _ = &gone;
        futures::stream::iter(events(item)).map(|event| Ok(event_to_proto(event)))
    });
    Ok(Response::new(events.boxed()))
}

fn refused(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::NameTaken { .. } => Status::already_exists(refusal.to_string()),
        Refusal::NoSuchJob { .. } => Status::not_found(refusal.to_string()),
        Refusal::ResultsTooLarge { .. } => Status::invalid_argument(refusal.to_string()),
        Refusal::Malformed { .. } => Status::internal(refusal.to_string()),
    }
}

/// The events of an item, made one by one as the client takes them.
fn events(item: FeedItem) -> Box<dyn Iterator<Item = JobEvent> + Send> {
    let one =
        |event| -> Box<dyn Iterator<Item = JobEvent> + Send> { Box::new(std::iter::once(event)) };
    match item {
        FeedItem::Accepted(event) => one(event),
        FeedItem::Progress(progress) => one(JobEvent::Progress(progress)),
        FeedItem::Block { block, holds } => {
            let mut holds = Some(holds);
            let mut pieces = pieces(block).peekable();
            Box::new(std::iter::from_fn(move || {
                let piece = pieces.next();
                // The block counts as waiting until its last piece is taken.
                if pieces.peek().is_none() {
                    drop(holds.take());
                }
                piece
            }))
        }
        FeedItem::End(JobEnd::Finished) => one(JobEvent::Finished),
        FeedItem::End(JobEnd::Cancelled) => one(JobEvent::Cancelled),
        FeedItem::End(JobEnd::Failed(error)) => one(JobEvent::Failed {
            category: FailureCategory::from(error.kind),
            message: error.message,
        }),
        FeedItem::Refused(refusal) => one(JobEvent::Failed {
            category: FailureCategory::BadInput,
            message: refusal.to_string(),
        }),
    }
}

fn pieces(block: Block) -> impl Iterator<Item = JobEvent> + Send {
    let Block {
        target,
        region,
        bytes,
    } = block;
    let output = match target {
        Target::Output(output) => Some(output),
        // The core delivers outputs only.
        Target::Inline(_) | Target::Local(_) => None,
    };
    let total_bytes = bytes.len() as u64;
    let mut rest = bytes::Bytes::from(bytes);
    let mut region = Some(region);
    std::iter::from_fn(move || {
        let first = region.take();
        if first.is_none() && rest.is_empty() {
            return None;
        }
        let data = rest.split_to(rest.len().min(PIECE_BYTES));
        let total_bytes = if first.is_some() { total_bytes } else { 0 };
        Some(JobEvent::Piece(Piece {
            output: output?,
            region: first.unwrap_or_default(),
            total_bytes,
            data,
        }))
    })
}
