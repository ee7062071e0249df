//! The service for an operator: what work there is, as it changes.

use crate::core::demand::{Demand, PoolDemand};
use crate::core::ids::{Instant, PoolName};
use crate::driver::{Driver, Input};
use dasklike_proto_admin::pb;
use dasklike_proto_engine::convert::pool_from_proto;
use futures::stream::{BoxStream, StreamExt, unfold};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tonic::{Request, Response, Status};

/// Nothing is said more often.
const LEAST_GAP: Duration = Duration::from_millis(250);
/// What has not changed is said again after so long while there is work. Without any, nothing could be late, and a
/// thousand idle schedulers should cost an operator nothing.
const REPEAT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct AdminService {
    pub(crate) driver: Driver,
}

#[tonic::async_trait]
impl pb::admin_server::Admin for AdminService {
    type WatchDemandStream = BoxStream<'static, Result<pb::Demand, Status>>;

    async fn watch_demand(
        &self,
        request: Request<pb::WatchDemandRequest>,
    ) -> Result<Response<Self::WatchDemandStream>, Status> {
        for shape in request.into_inner().shapes {
            self.driver.expect(pool(&shape.pool)?, task_bytes(&shape)?);
        }
        let watch = Watch {
            driver: self.driver.clone(),
            demand: self.driver.demand(),
            begun: false,
        };
        let messages = unfold(watch, |mut watch| async {
            let message = watch.next().await?;
            Some((Ok(message), watch))
        });
        Ok(Response::new(messages.boxed()))
    }

    async fn drain_worker(
        &self,
        request: Request<pb::DrainWorkerRequest>,
    ) -> Result<Response<pb::DrainWorkerReply>, Status> {
        let request = request.into_inner();
        let deadline = deadline(request.deadline_seconds)?;
        let (reply, known) = oneshot::channel();
        self.driver
            .send(Input::Drain {
                name: request.worker.clone(),
                deadline,
                reply,
            })
            .await?;
        match known.await {
            Ok(true) => Ok(Response::new(pb::DrainWorkerReply {})),
            Ok(false) => Err(Status::not_found(format!(
                "no worker is named {:?}",
                request.worker
            ))),
            Err(_) => Err(Status::unavailable("the scheduler is ending")),
        }
    }
}

fn pool(name: &str) -> Result<PoolName, Status> {
    pool_from_proto(name).map_err(|e| Status::invalid_argument(e.to_string()))
}

/// What a task of such a worker may hold.
fn task_bytes(shape: &pb::WorkerShape) -> Result<u64, Status> {
    let bytes = shape.memory_limit.checked_div(shape.slots.into());
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        Status::invalid_argument(format!(
            "workers of pool {} have {} slots and {} bytes: expected at least one of each",
            shape.pool, shape.slots, shape.memory_limit
        ))
    })
}

/// `None` for 0, which means never.
fn deadline(seconds: f64) -> Result<Option<Duration>, Status> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(deadline) => Ok(Some(deadline)),
        Err(_) => Err(Status::invalid_argument(format!(
            "deadline_seconds is {seconds}: expected 0 or more seconds"
        ))),
    }
}

/// Where one stream stands.
struct Watch {
    driver: Driver,
    demand: watch::Receiver<Arc<Demand>>,
    begun: bool,
}

impl Watch {
    /// The next message when it is due; `None` when the scheduler ends.
    async fn next(&mut self) -> Option<pb::Demand> {
        if std::mem::replace(&mut self.begun, true) {
            tokio::time::sleep(LEAST_GAP).await;
            let idle = self.demand.borrow().unfinished_jobs == 0;
            let changed = self.demand.changed();
            let ended = if idle {
                changed.await.is_err()
            } else {
                // Silence until then is no error: the same is said again.
                let changed = tokio::time::timeout(REPEAT - LEAST_GAP, changed).await;
                matches!(changed, Ok(Err(_)))
            };
            if ended {
                return None;
            }
        }
        let demand = self.demand.borrow_and_update().clone();
        Some(message(&demand, self.driver.now()))
    }
}

fn message(demand: &Demand, now: Instant) -> pb::Demand {
    let pools = demand
        .pools
        .iter()
        .map(|(name, pool)| pool_message(name.as_str(), pool, now));
    pb::Demand {
        epoch: demand.epoch.0,
        pools: pools.collect(),
        unfinished_jobs: demand.unfinished_jobs,
        idle_seconds: seconds(demand.idle_since, now),
    }
}

fn pool_message(name: &str, pool: &PoolDemand, now: Instant) -> pb::PoolDemand {
    let workers = pool.workers.iter().map(|(name, w)| pb::WorkerDemand {
        name: name.clone(),
        slots: w.slots,
        busy_slots: w.busy_slots,
        draining: w.draining,
        idle_seconds: seconds(w.idle_since, now),
    });
    pb::PoolDemand {
        pool: name.to_owned(),
        ready_tasks: pool.queue.ready,
        running_tasks: pool.queue.running,
        blocked_tasks: pool.queue.blocked,
        queue_seconds: pool.queue.seconds,
        // Workers keep nothing between tasks: what they compute leaves with the commit.
        held_bytes: 0,
        workers: workers.collect(),
        done_tasks: pool.done,
    }
}

fn seconds(since: Option<Instant>, now: Instant) -> f64 {
    since.map_or(0.0, |since| now.since(since) as f64 / 1e9)
}
