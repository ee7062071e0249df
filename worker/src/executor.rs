//! The executor: owns the core and carries out its effects. Slots, fetches and the connection hand it events
//! from their own threads; the core is behind one lock, which is held for the microsecond that a decision takes.

use crate::core::effect::{Effect, FetchId, PushId, Slot};
use crate::core::event::Event;
use crate::core::{Config, State};
use crate::job::Job;
use crate::prefetch::{FetchedTile, Requests, fetch_tile};
use crate::process;
use crate::session::Link;
use crate::slots::{Mailbox, Work};
use dasklike_graph::protocol::{
    Block, Epoch, Instant, JobId, JobSpec, TaskError, ToScheduler, ToWorker,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Connections' buffers may take this part of the memory, beside what tasks declare.
const CONNECTIONS_SHARE: u64 = 8;

/// How long a slot that is held back waits before it looks again.
const HOLD_BACK: Duration = Duration::from_millis(1);

pub(crate) struct Executor {
    inner: Mutex<Inner>,
    mailboxes: Vec<Mailbox>,
    runtime: Handle,
    origin: std::time::Instant,
    alarm: watch::Sender<Option<Instant>>,
    exit: watch::Sender<bool>,
    requests: Requests,
}

struct Inner {
    core: State,
    effects: Vec<Effect>,
    jobs: HashMap<JobId, Arc<Job>>,
    fetches: HashMap<FetchId, Fetch>,
    /// The connection, while there is one.
    link: Option<Link>,
}

enum Fetch {
    UnderWay(AbortHandle),
    Held(FetchedTile),
}

impl Executor {
    /// An executor whose slots have no threads yet. Asynchronous work runs in the current tokio runtime.
    pub(crate) fn new(slots: u32, memory_limit: u64) -> Arc<Executor> {
        let inner = Inner {
            core: State::new(Config::new(slots, memory_limit)),
            effects: Vec::new(),
            jobs: HashMap::new(),
            fetches: HashMap::new(),
            link: None,
        };
        Arc::new(Executor {
            inner: Mutex::new(inner),
            mailboxes: (0..slots).map(|_| Mailbox::default()).collect(),
            runtime: Handle::current(),
            origin: std::time::Instant::now(),
            alarm: watch::channel(None).0,
            exit: watch::channel(false).0,
            requests: Requests::new(memory_limit / CONNECTIONS_SHARE),
        })
    }

    pub(crate) fn mailbox(&self, slot: Slot) -> &Mailbox {
        &self.mailboxes[slot.0 as usize]
    }

    /// Becomes true when the core says that the process may go.
    pub(crate) fn exit(&self) -> watch::Receiver<bool> {
        self.exit.subscribe()
    }

    /// Hands an event to the core and carries out what it wants.
    pub(crate) fn dispatch(self: &Arc<Executor>, event: Event) {
        self.handle(&mut self.lock(), event);
    }

    /// Keeps a slot from computing more while the scheduler, because its clients are slow, does not take what is
    /// there: what waits to be sent is no part of the memory that tasks declare.
    pub(crate) fn hold_back(&self) {
        while self.lock().link.as_ref().is_some_and(Link::is_behind) {
            std::thread::sleep(HOLD_BACK);
        }
    }

    /// A connection is there: what the core sends goes that way.
    pub(crate) fn connected(self: &Arc<Executor>, link: Link) {
        self.lock().link = Some(link);
    }

    /// The connection is lost.
    pub(crate) fn disconnected(self: &Arc<Executor>) {
        let mut inner = self.lock();
        if let Some(link) = inner.link.take() {
            link.close();
        }
        self.handle(&mut inner, Event::Disconnected);
    }

    /// Handles a frame of the scheduler. Jobs are prepared here, before the messages that follow them.
    pub(crate) fn received(self: &Arc<Executor>, epoch: Epoch, messages: Vec<ToWorker>) {
        let mut batch = Vec::with_capacity(messages.len());
        for message in messages {
            let ToWorker::Job { job, spec } = message else {
                batch.push(message);
                continue;
            };
            let earlier = std::mem::take(&mut batch);
            if !earlier.is_empty() {
                self.dispatch(Event::FromScheduler {
                    epoch,
                    messages: earlier,
                });
            }
            self.learn(job, &spec);
        }
        if !batch.is_empty() {
            self.dispatch(Event::FromScheduler {
                epoch,
                messages: batch,
            });
        }
    }

    /// Lowering takes its time, so it is done outside of the lock.
    fn learn(self: &Arc<Executor>, id: JobId, spec: &JobSpec) {
        let job = Job::new(spec).map(Arc::new);
        let stages = job.as_ref().map(|j| j.stages()).map_err(TaskError::clone);
        let mut inner = self.lock();
        if let Ok(job) = job {
            inner.jobs.insert(id, job);
        }
        self.handle(&mut inner, Event::Job { job: id, stages });
    }

    /// Ticks the core when it wants to be woken.
    pub(crate) async fn keep_time(self: Arc<Executor>) {
        let mut alarm = self.alarm.subscribe();
        loop {
            let at = *alarm.borrow_and_update();
            let due = async {
                match at {
                    Some(at) => {
                        tokio::time::sleep(Duration::from_nanos(at.since(self.now()))).await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = alarm.changed() => if changed.is_err() { return },
                () = due => {
                    // The core sets the next alarm while it handles the tick.
                    self.alarm.send_if_modified(|alarm| {
                        *alarm = None;
                        false
                    });
                    self.dispatch(Event::Tick);
                }
            }
        }
    }

    /// Ends the slots' threads after the tiles that they run.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        if let Some(link) = inner.link.take() {
            link.close();
        }
        inner.jobs.values().for_each(|j| j.forget());
        inner.fetches.values().for_each(Fetch::abort);
        drop(inner);
        self.mailboxes.iter().for_each(Mailbox::close);
    }

    fn handle(self: &Arc<Executor>, inner: &mut Inner, event: Event) {
        let mut effects = std::mem::take(&mut inner.effects);
        inner.core.handle(self.now(), event, &mut effects);
        let mut messages = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(message) => messages.push(with_figures(message)),
                effect => self.perform(inner, effect),
            }
        }
        inner.effects = effects;
        if let Some(link) = &inner.link {
            link.send(messages);
        }
    }

    fn perform(self: &Arc<Executor>, inner: &mut Inner, effect: Effect) {
        match effect {
            // Collected before, so that what one event gave leaves together.
            Effect::Send(_) => {}
            Effect::Fetch { fetch, task } => {
                let Some(job) = inner.jobs.get(&task.job).cloned() else {
                    return;
                };
                let executor = self.clone();
                let running = self.runtime.spawn(async move {
                    let result = fetch_tile(&job, task.stage, task.tile, &executor.requests).await;
                    executor.fetched(fetch, result);
                });
                inner
                    .fetches
                    .insert(fetch, Fetch::UnderWay(running.abort_handle()));
            }
            Effect::DropFetch { fetch } => {
                if let Some(fetch) = inner.fetches.remove(&fetch) {
                    fetch.abort();
                }
            }
            Effect::Start {
                slot, task, fetch, ..
            } => {
                let Some(job) = inner.jobs.get(&task.job).cloned() else {
                    return;
                };
                let fetched = fetch
                    .and_then(|f| inner.fetches.remove(&f))
                    .and_then(Fetch::into_held);
                self.mailboxes[slot.0 as usize].put(Work { task, job, fetched });
            }
            Effect::KeepInline { job, inline, bytes } => {
                if let Some(job) = inner.jobs.get(&job) {
                    job.keep_inline(inline, bytes);
                }
            }
            Effect::Push { push, job, block } => self.push(inner, push, job, block),
            Effect::Forget { job } => {
                if let Some(job) = inner.jobs.remove(&job) {
                    job.forget();
                }
            }
            Effect::WakeAt(at) => drop(self.alarm.send_replace(Some(at))),
            Effect::Exit => drop(self.exit.send_replace(true)),
        }
    }

    fn fetched(self: &Arc<Executor>, id: FetchId, result: Result<FetchedTile, TaskError>) {
        let mut inner = self.lock();
        // The core dropped it meanwhile and does not want to hear of it.
        let Some(fetch) = inner.fetches.get_mut(&id) else {
            return;
        };
        let result = result.map(|tile| *fetch = Fetch::Held(tile));
        if result.is_err() {
            inner.fetches.remove(&id);
        }
        self.handle(&mut inner, Event::Fetched { fetch: id, result });
    }

    fn push(self: &Arc<Executor>, inner: &Inner, push: PushId, job: JobId, block: Block) {
        let (Some(link), Some(epoch), Some(worker)) =
            (inner.link.clone(), inner.core.epoch(), inner.core.worker())
        else {
            return;
        };
        let executor = self.clone();
        self.runtime.spawn(async move {
            match link.push(epoch, worker, job, block).await {
                Ok(()) => executor.dispatch(Event::Pushed { push }),
                Err(status) => {
                    // Without the block its tile cannot be committed: give the connection up, and with it all
                    // that was assigned.
                    tracing::warn!(%status, "a block could not be handed over");
                    link.cut();
                }
            }
        });
    }

    fn now(&self) -> Instant {
        Instant(self.origin.elapsed().as_nanos() as u64)
    }

    /// A thread that panicked in the core left it in an unknown state; other events may still end what runs.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch {
    fn abort(&self) {
        if let Fetch::UnderWay(running) = self {
            running.abort();
        }
    }

    fn into_held(self) -> Option<FetchedTile> {
        match self {
            Fetch::Held(tile) => Some(tile),
            Fetch::UnderWay(_) => None,
        }
    }
}

/// Adds what only the process knows.
fn with_figures(message: ToScheduler) -> ToScheduler {
    match message {
        ToScheduler::Heartbeat(mut heartbeat) => {
            heartbeat.resident_bytes = process::resident_bytes();
            heartbeat.cpu_ns = process::cpu_ns();
            ToScheduler::Heartbeat(heartbeat)
        }
        message => message,
    }
}
