//! The driver's turns: what has come is handed to the core, and then what the core wants is carried out.

use super::{ClusterView, Input, WorkerBrief};
use crate::core::State;
use crate::core::demand::Demand;
use crate::core::effect::Effect;
use crate::core::event::{Event, Submission};
use crate::core::ids::{ClientId, Instant, JobId, RequestId, WorkerId};
use crate::feed::{Ack, Feed, FeedItem, Waiting};
use crate::journal::{Journal, Opened};
use crate::view::Viewer;
use dasklike_graph::protocol::{ToScheduler, ToWorker};
use dasklike_proto_engine::convert::{JobEvent, Progress};
use dasklike_proto_engine::outbox::Outbox;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant as Clock, sleep_until};

/// Events that are handled before their effects are sent: batches to workers grow with the load.
const TURN: usize = 64;
/// How often clients hear of progress, and the dashboard of changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Run {
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
    journal: Option<Journal>,
}

struct Client {
    feed: Feed,
    job: Option<JobId>,
    told: Progress,
}

impl Run {
    /// A driver of this core, to which nothing has come yet.
    pub(super) fn new(
        state: State,
        origin: Clock,
        waiting: Arc<Waiting>,
        cluster: watch::Sender<Arc<ClusterView>>,
        demand: watch::Sender<Arc<Demand>>,
        viewer: Viewer,
    ) -> Run {
        Run {
            state,
            origin,
            effects: Vec::new(),
            workers: HashMap::new(),
            clients: HashMap::new(),
            outgoing: HashMap::new(),
            next_worker: 1,
            next_request: 1,
            wake_at: None,
            waiting,
            cluster,
            demand,
            viewer,
            journal: None,
        }
    }

    /// Goes on with the jobs that an earlier scheduler kept.
    pub(super) fn restore(&mut self, opened: Opened) {
        self.journal = Some(opened.journal);
        for file in opened.jobs {
            let job = file.job;
            for record in file {
                self.handle(Event::Restore { job, record }, None);
            }
            let progress = progress_of(&self.state, job).unwrap_or_default();
            // A warning, so that it is told where nobody asked for more: an operator wants to know of restarts.
            tracing::warn!(
                %job,
                tasks_done = progress.tasks_done,
                tasks = progress.tasks,
                "a job of an earlier scheduler goes on"
            );
        }
    }

    pub(super) async fn turns(mut self, mut inputs: mpsc::Receiver<Input>) {
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
                order,
                feed,
            } => {
                let request = self.new_request(client, feed);
                let submission = Submission {
                    client,
                    request,
                    order,
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
            Effect::Journal { job, record } => {
                if let Some(journal) = &mut self.journal {
                    journal.keep(job, record);
                }
            }
            Effect::DropJournal { job } => {
                if let Some(journal) = &mut self.journal {
                    journal.drop_job(job);
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
                    epoch: self.state.epoch(),
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
