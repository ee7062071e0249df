//! The driver: the one task that owns the core. It takes events from a bounded inbox and carries out effects;
//! it never waits for a worker or a client.

mod run;

use crate::core::demand::Demand;
use crate::core::event::Order;
use crate::core::ids::{ClientId, Epoch, Instant, JobId, PoolName, WorkerId};
use crate::core::{Config, State};
use crate::expected::Expected;
use crate::feed::{Feed, Waiting};
use crate::journal::Opened;
use crate::view::Viewer;
use dasklike_graph::protocol::{Block, ToScheduler, ToWorker, WorkerHello};
use dasklike_proto_engine::outbox::Outbox;
use run::Run;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant as Clock;
use tonic::Status;

/// Events that may wait for the driver.
const INBOX: usize = 1024;
/// The memory that a task may use in a pool of whose workers nothing is known yet.
const DEFAULT_TASK_BYTES: u64 = 512 << 20;

/// Something for the driver.
#[derive(Debug)]
pub(crate) enum Input {
    WorkerConnected {
        hello: WorkerHello,
        outbox: Outbox<ToWorker>,
        reply: oneshot::Sender<WorkerId>,
    },
    WorkerGone {
        worker: WorkerId,
    },
    FromWorker {
        worker: WorkerId,
        epoch: Epoch,
        messages: Vec<ToScheduler>,
    },
    Pushed {
        worker: WorkerId,
        epoch: Epoch,
        job: JobId,
        block: Block,
        ack: oneshot::Sender<()>,
    },
    Submit {
        client: ClientId,
        order: Order,
        feed: Feed,
    },
    Attach {
        client: ClientId,
        name: String,
        feed: Feed,
    },
    ClientGone {
        client: ClientId,
    },
    Cancel {
        job: JobId,
    },
    Drain {
        name: String,
        /// From now on.
        deadline: Option<Duration>,
        reply: oneshot::Sender<bool>,
    },
    Stop,
}

/// The workers as handlers see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterView {
    pub(crate) workers: Vec<WorkerBrief>,
}

#[derive(Clone, Debug)]
pub(crate) struct WorkerBrief {
    pub(crate) hello: WorkerHello,
    pub(crate) draining: bool,
}

impl ClusterView {
    /// What a task may hold so that every slot of every worker of a pool can run one; none without workers.
    fn task_bytes(&self, pool: &PoolName) -> Option<u64> {
        let shares = self
            .workers
            .iter()
            .filter(|w| w.hello.pool == *pool)
            .map(|w| w.hello.memory_limit / u64::from(w.hello.slots.max(1)));
        shares.min()
    }
}

/// The way to the driver. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Driver {
    inbox: mpsc::Sender<Input>,
    cluster: watch::Receiver<Arc<ClusterView>>,
    demand: watch::Receiver<Arc<Demand>>,
    waiting: Arc<Waiting>,
    /// What a task may hold in pools that have no workers yet.
    expected: Arc<Expected>,
    epoch: Epoch,
    origin: Clock,
    clients: Arc<AtomicU64>,
}

impl Driver {
    /// Starts the driver, and goes on with the jobs that the journal knows. It ends after [`Input::Stop`].
    pub(crate) fn start(epoch: Epoch, viewer: Viewer, journal: Option<Opened>) -> Driver {
        let (inbox, inputs) = mpsc::channel(INBOX);
        let (cluster, watched) = watch::channel(Arc::default());
        let waiting = Arc::new(Waiting::default());
        let config = Config {
            journal: journal.is_some(),
            ..Config::default()
        };
        let state = State::new(config, epoch);
        let (demand, demanded) = watch::channel(Arc::new(state.demand()));
        let origin = Clock::now();
        let mut run = Run::new(state, origin, waiting.clone(), cluster, demand, viewer);
        if let Some(journal) = journal {
            run.restore(journal);
        }
        tokio::spawn(run.turns(inputs));
        Driver {
            inbox,
            cluster: watched,
            demand: demanded,
            waiting,
            expected: Arc::default(),
            epoch,
            origin,
            clients: Arc::new(AtomicU64::new(1)),
        }
    }

    pub(crate) async fn send(&self, input: Input) -> Result<(), Status> {
        self.inbox
            .send(input)
            .await
            .map_err(|_| Status::unavailable("the scheduler is ending"))
    }

    /// Hands a block over; ends when it is on its way to its clients.
    pub(crate) async fn push(
        &self,
        epoch: Epoch,
        worker: WorkerId,
        job: JobId,
        block: Block,
    ) -> Result<(), Status> {
        let (ack, acked) = oneshot::channel();
        let pushed = Input::Pushed {
            worker,
            epoch,
            job,
            block,
            ack,
        };
        self.send(pushed).await?;
        acked
            .await
            .map_err(|_| Status::unavailable("the scheduler is ending"))
    }

    /// Stops the driver without waiting. Clients of this process may hold ways to it, so it does not end by itself.
    pub(crate) fn stop(&self) {
        send_soon(&self.inbox, Input::Stop);
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The work there is; the sender lives as long as the driver.
    pub(crate) fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        self.demand.clone()
    }

    /// Now, on the core's clock.
    pub(crate) fn now(&self) -> Instant {
        Instant(self.origin.elapsed().as_nanos() as u64)
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    pub(crate) fn cluster(&self) -> Arc<ClusterView> {
        self.cluster.borrow().clone()
    }

    /// Workers of this pool will have so much for each task.
    pub(crate) fn expect(&self, pool: PoolName, task_bytes: u64) {
        self.expected.set(pool, task_bytes);
    }

    /// What a task of this pool may hold: by its workers, or by what is known of those that will come.
    pub(crate) fn task_bytes(&self, pool: &PoolName) -> u64 {
        let connected = self.cluster().task_bytes(pool);
        let expected = || self.expected.get(pool);
        connected.or_else(expected).unwrap_or(DEFAULT_TASK_BYTES)
    }

    /// A number for a client's stream. The driver hears that the client is gone when the guard is dropped.
    pub(crate) fn new_client(&self) -> ClientGuard {
        let client = ClientId(self.clients.fetch_add(1, Ordering::Relaxed));
        ClientGuard {
            client,
            inbox: self.inbox.clone(),
        }
    }
}

/// Lives as long as a client's stream.
#[derive(Debug)]
pub(crate) struct ClientGuard {
    client: ClientId,
    inbox: mpsc::Sender<Input>,
}

impl ClientGuard {
    pub(crate) fn client(&self) -> ClientId {
        self.client
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        let client = self.client;
        send_soon(&self.inbox, Input::ClientGone { client });
    }
}

/// Sends where nothing may wait. A driver that has ended need not hear it.
fn send_soon(inbox: &mpsc::Sender<Input>, input: Input) {
    if let Err(mpsc::error::TrySendError::Full(input)) = inbox.try_send(input)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let inbox = inbox.clone();
        runtime.spawn(async move { inbox.send(input).await });
    }
}
