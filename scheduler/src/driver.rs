//! The driver: the one task that owns the core. It takes events from a bounded inbox and carries out effects;
//! it never waits for a worker or a client.

use crate::core::demand::Demand;
use crate::core::effect::Effect;
use crate::core::event::{Event, Submission};
use crate::core::ids::{ClientId, Epoch, Instant, JobId, PoolName, RequestId, WorkerId};
use crate::core::{Config, State};
use crate::expected::Expected;
use crate::feed::{Ack, Feed, FeedItem, Waiting};
use crate::view::Viewer;
use dasklike_graph::protocol::{Block, JobSpec, ToScheduler, ToWorker, WorkerHello};
use dasklike_graph::stage::Lowered;
use dasklike_proto_engine::convert::{JobEvent, Progress};
use dasklike_proto_engine::outbox::Outbox;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant as Clock, sleep_until};
use tonic::Status;

/// Events that may wait for the driver.
const INBOX: usize = 1024;
/// Events that are handled before their effects are sent: batches to workers grow with the load.
const TURN: usize = 64;
/// How often clients hear of progress, and the dashboard of changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
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
        name: Option<String>,
        pool: PoolName,
        spec: Arc<JobSpec>,
        lowered: Arc<Lowered>,
        max_range: Option<u64>,
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
    /// Starts the driver. It ends after [`Input::Stop`].
    pub(crate) fn start(epoch: Epoch, viewer: Viewer) -> Driver {
        let (inbox, inputs) = mpsc::channel(INBOX);
        let (cluster, watched) = watch::channel(Arc::default());
        let waiting = Arc::new(Waiting::default());
        let state = State::new(Config::default(), epoch);
        let (demand, demanded) = watch::channel(Arc::new(state.demand()));
        let origin = Clock::now();
        let run = Run {
            state,
            origin,
            effects: Vec::new(),
            workers: HashMap::new(),
            clients: HashMap::new(),
            outgoing: HashMap::new(),
            next_worker: 1,
            next_request: 1,
            wake_at: None,
            waiting: waiting.clone(),
            cluster,
            demand,
            viewer,
        };
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
        let (inbox, client) = (self.inbox.clone(), self.client);
        let gone = Input::ClientGone { client };
        if let Err(mpsc::error::TrySendError::Full(gone)) = inbox.try_send(gone)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { inbox.send(gone).await });
        }
    }
}

struct Run {
    state: State,
    origin: Clock,
    effects: Vec<Effect>,
    workers: HashMap<WorkerId, Outbox<ToWorker>>,
    clients: HashMap<ClientId, Client>,
    /// What this turn has for each worker.
    outgoing: HashMap<WorkerId, Vec<ToWorker>>,
    next_worker: u64,
    next_request: u64,
    wake_at: Option<Clock>,
    waiting: Arc<Waiting>,
    cluster: watch::Sender<Arc<ClusterView>>,
    demand: watch::Sender<Arc<Demand>>,
    viewer: Viewer,
}

struct Client {
    feed: Feed,
    job: Option<JobId>,
    told: Progress,
}

impl Run {
    async fn turns(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut turn = Vec::with_capacity(TURN);
        let mut progress = tokio::time::interval(PROGRESS_EVERY);
        progress.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = inputs.recv_many(&mut turn, TURN) => {
                    if count == 0 {
                        break;
                    }
                    for input in turn.drain(..) {
                        if matches!(input, Input::Stop) {
                            return self.stop();
                        }
                        self.take(input);
                    }
                }
                () = alarm(self.wake_at) => {
                    self.wake_at = None;
                    self.handle(Event::Tick, None);
                }
                _ = progress.tick() => {
                    self.tell_progress();
                    self.show_demand();
                    let now = self.now();
                    self.viewer.look(&self.state, now);
                }
            }
            self.send_outgoing();
        }
    }

    fn now(&self) -> Instant {
        Instant(self.origin.elapsed().as_nanos() as u64)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::WorkerConnected {
                hello,
                outbox,
                reply,
            } => {
                let worker = WorkerId(self.next_worker);
                self.next_worker += 1;
                tracing::info!(
                    worker = worker.0,
                    name = hello.name,
                    pool = %hello.pool,
                    slots = hello.slots,
                    "worker connected"
                );
                self.workers.insert(worker, outbox);
                // A handler that is gone by now is found by its closed stream.
                let _ = reply.send(worker);
                self.handle(Event::WorkerConnected { worker, hello }, None);
                self.show_cluster();
            }
            Input::WorkerGone { worker } => {
                if self.workers.remove(&worker).is_some() {
                    tracing::info!(worker = worker.0, "worker gone");
                    self.handle(Event::WorkerGone { worker }, None);
                    self.show_cluster();
                }
            }
            Input::FromWorker {
                worker,
                epoch,
                messages,
            } => {
                let draining = messages
                    .iter()
                    .any(|m| matches!(m, ToScheduler::Draining | ToScheduler::Drained));
                self.handle(
                    Event::FromWorker {
                        worker,
                        epoch,
                        messages,
                    },
                    None,
                );
                if draining {
                    self.show_cluster();
                }
            }
            Input::Pushed {
                worker,
                epoch,
                job,
                block,
                ack,
            } => {
                let ack = Arc::new(Ack::new(ack));
                self.handle(
                    Event::Pushed {
                        worker,
                        epoch,
                        job,
                        block,
                    },
                    Some(ack),
                );
            }
            Input::Submit {
                client,
                name,
                pool,
                spec,
                lowered,
                max_range,
                feed,
            } => {
                let request = self.new_request(client, feed);
                let submission = Submission {
                    client,
                    request,
                    name,
                    pool,
                    spec,
                    lowered,
                    max_range,
                };
                self.handle(Event::Submit(submission), None);
            }
            Input::Attach { client, name, feed } => {
                let request = self.new_request(client, feed);
                self.handle(
                    Event::Attach {
                        client,
                        request,
                        name,
                    },
                    None,
                );
            }
            Input::ClientGone { client } => {
                self.clients.remove(&client);
                self.handle(Event::ClientGone { client }, None);
            }
            Input::Cancel { job } => self.handle(Event::Cancel { job }, None),
            Input::Drain {
                name,
                deadline,
                reply,
            } => {
                let deadline = deadline.map(|d| {
                    self.now()
                        .after(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
                });
                let named: Vec<WorkerId> = self
                    .state
                    .workers()
                    .filter(|w| w.hello.name == name)
                    .map(|w| w.id)
                    .collect();
                // Whoever asked may have gone.
                let _ = reply.send(!named.is_empty());
                for worker in named {
                    self.handle(Event::DrainWorker { worker, deadline }, None);
                }
                self.show_cluster();
            }
            Input::Stop => {}
        }
    }

    fn new_request(&mut self, client: ClientId, feed: Feed) -> RequestId {
        self.clients.insert(
            client,
            Client {
                feed,
                job: None,
                told: Progress::default(),
            },
        );
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Handles an event. `ack` is dropped when the last block that the event delivers has left.
    fn handle(&mut self, event: Event, ack: Option<Arc<Ack>>) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.state.handle(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect, ack.as_ref());
        }
        self.effects = effects;
    }

    fn perform(&mut self, effect: Effect, ack: Option<&Arc<Ack>>) {
        match effect {
            Effect::Send { worker, message } => {
                self.outgoing.entry(worker).or_default().push(message)
            }
            Effect::Disconnect { worker, reason } => {
                tracing::info!(worker = worker.0, reason, "worker disconnected");
                self.send_outgoing();
                if let Some(outbox) = self.workers.remove(&worker) {
                    outbox.close();
                }
                self.show_cluster();
            }
            Effect::Accepted { client, job, .. } => self.accepted(client, job),
            Effect::Refused {
                client, refusal, ..
            } => self.feed(client, FeedItem::Refused(refusal)),
            Effect::Deliver { client, block, .. } => {
                let ticket = self.waiting.count(block.bytes.len() as u64);
                self.feed(
                    client,
                    FeedItem::Block {
                        block,
                        holds: (ticket, ack.cloned()),
                    },
                );
            }
            Effect::Ended { client, end, .. } => {
                if let Some(client) = self.clients.remove(&client) {
                    self.feed_progress(&client);
                    // The limit of a feed is never reached.
                    let _ = client.feed.push(FeedItem::End(end));
                    client.feed.close();
                }
            }
            Effect::WakeAt(at) => self.wake_at = Some(self.origin + Duration::from_nanos(at.0)),
        }
    }

    fn accepted(&mut self, id: ClientId, job: JobId) {
        let Some(view) = self.state.job(job) else {
            return;
        };
        let outputs = view.lowered.outputs.clone();
        let tasks = view.stages.iter().map(|s| s.tiles).sum();
        if let Some(client) = self.clients.get_mut(&id) {
            client.job = Some(job);
            self.feed(
                id,
                FeedItem::Accepted(JobEvent::Accepted {
                    job,
                    outputs,
                    tasks,
                }),
            );
        }
    }

    fn feed(&self, client: ClientId, item: FeedItem) {
        if let Some(client) = self.clients.get(&client) {
            // The limit of a feed is never reached: what waits is bounded by holding workers back.
            let _ = client.feed.push(item);
        }
    }

    /// A worker that lets a million messages pile up is slow beyond use, and is taken for lost.
    fn send_outgoing(&mut self) {
        let mut slow = Vec::new();
        for (worker, messages) in self.outgoing.iter_mut().filter(|(_, m)| !m.is_empty()) {
            if let Some(outbox) = self.workers.get(worker)
                && outbox.extend(messages.drain(..)).is_err()
            {
                slow.push(*worker);
            }
            messages.clear();
        }
        if slow.is_empty() {
            self.outgoing
                .retain(|worker, _| self.workers.contains_key(worker));
        }
        for worker in slow {
            tracing::warn!(
                worker = worker.0,
                "a worker does not read what it is sent and is taken for lost"
            );
            if let Some(outbox) = self.workers.remove(&worker) {
                outbox.close();
            }
            self.handle(Event::WorkerGone { worker }, None);
            self.show_cluster();
        }
    }

    fn tell_progress(&mut self) {
        for client in self.clients.values_mut() {
            let Some(progress) = client.job.and_then(|job| progress_of(&self.state, job)) else {
                continue;
            };
            if progress != client.told {
                client.told = progress;
                // As above.
                let _ = client.feed.push(FeedItem::Progress(progress));
            }
        }
    }

    fn feed_progress(&self, client: &Client) {
        if let Some(progress) = client.job.and_then(|job| progress_of(&self.state, job)) {
            // As above.
            let _ = client.feed.push(FeedItem::Progress(progress));
        }
    }

    fn show_demand(&self) {
        let now = self.state.demand();
        self.demand.send_if_modified(|shown| {
            let changed = **shown != now;
            if changed {
                *shown = Arc::new(now);
            }
            changed
        });
    }

    fn show_cluster(&mut self) {
        let workers = self.state.workers().map(|w| WorkerBrief {
            hello: w.hello.clone(),
            draining: w.draining,
        });
        self.cluster.send_replace(Arc::new(ClusterView {
            workers: workers.collect(),
        }));
    }

    /// Ends all streams, so that the servers can stop.
    fn stop(mut self) {
        // Pages that are open keep the last picture: it must be the end.
        let now = self.now();
        self.viewer.look(&self.state, now);
        for outbox in self.workers.values() {
            outbox.close();
        }
        for client in self.clients.values() {
            client.feed.close();
        }
    }
}

fn progress_of(state: &State, job: JobId) -> Option<Progress> {
    let view = state.job(job)?;
    let mut progress = Progress::default();
    for stage in &view.stages {
        progress.tasks += stage.tiles;
        progress.tasks_done += stage.done;
        progress.stored_bytes += stage.stats.stored_bytes;
        progress.decoded_bytes += stage.stats.decoded_bytes;
    }
    Some(progress)
}

/// Ends at the moment, or never.
async fn alarm(at: Option<Clock>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
