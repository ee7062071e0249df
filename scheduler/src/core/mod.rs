//! The scheduler's core: who computes what, and what is done.
//!
//! [`State::handle`] takes a fact and the time, and gives what to do about it. It reads no clock, file, socket
//! or environment, so a whole cluster runs in one thread under a seed.
//!
//! A stage's tiles are in exactly one of three places: unassigned, with one worker, or done. The first two are
//! kept as ranges, the third is the rest. A tile leaves a worker by a commit, by coming back, or with the
//! worker; whatever a worker says about tiles it does not have is an error of its own.

mod commit;
pub mod demand;
pub mod effect;
pub mod event;
pub mod ids;
mod invariants;
mod job;
mod jobs;
pub mod journal;
mod members;
mod placement;
mod progress;
mod ranges;
mod stage;
mod stealing;
mod story;
#[cfg(test)]
mod tests;
mod worker;

pub use job::JobState;
pub use progress::{
    Cell, Cells, JobView, MAX_CELLS, Queue, SpanView, StageView, Totals, WorkerView,
};
pub use stage::{OpKind, Phase};

use effect::Effect;
use event::Event;
use ids::{ClientId, Epoch, Instant, JobId, PoolName, WorkerId};
use job::Job;
use journal::Record;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use worker::Worker;

/// What may differ from scheduler to scheduler.
#[derive(Clone, Debug)]
pub struct Config {
    /// A worker that is silent for so long is lost.
    pub heartbeat_timeout_ns: u64,
    /// How much estimated work a slot has queued: enough to cover a round trip.
    pub queue_ns: u64,
    /// A tile that so many workers died of fails its job. At least 1.
    pub max_deaths: u32,
    /// The most bytes of all outputs of a named job.
    pub kept_bytes: u64,
    /// How long a named job's results wait to be fetched.
    pub kept_ns: u64,
    /// Whether named jobs are kept where a later incarnation finds them.
    pub journal: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            heartbeat_timeout_ns: 10_000_000_000,
            queue_ns: 150_000_000,
            max_deaths: 3,
            kept_bytes: 64 << 20,
            kept_ns: 600_000_000_000,
            journal: false,
        }
    }
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct State {
    config: Config,
    epoch: Epoch,
    now: Instant,
    jobs: BTreeMap<JobId, Job>,
    next_job: u64,
    /// The latest job of each name.
    names: BTreeMap<String, JobId>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Slots of workers that take work, by pool.
    slots: BTreeMap<PoolName, u64>,
    /// When the last job ended; at first, when the scheduler started.
    last_end: Instant,
    /// Workers that may have room since they were last looked at.
    room: BTreeSet<WorkerId>,
    wake: Option<Instant>,
    totals: Totals,
    spans: VecDeque<SpanView>,
    next_span: u64,
    log: story::Log,
}

impl State {
    /// A scheduler without jobs and workers.
    pub fn new(config: Config, epoch: Epoch) -> State {
        State {
            config,
            epoch,
            now: Instant(0),
            jobs: BTreeMap::new(),
            next_job: 1,
            names: BTreeMap::new(),
            workers: BTreeMap::new(),
            slots: BTreeMap::new(),
            last_end: Instant(0),
            room: BTreeSet::new(),
            wake: None,
            totals: Totals::default(),
            spans: VecDeque::new(),
            next_span: 0,
            log: story::Log::default(),
        }
    }

    /// The epoch that every batch to a worker carries.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Takes an event and appends what to do about it, in order. `now` never goes back.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Effect>) {
        self.now = now.max(self.now);
        match event {
            Event::Submit(submission) => self.submit(submission, out),
            Event::Attach {
                client,
                request,
                name,
            } => self.attach(client, request, name, out),
            Event::Cancel { job } => self.end_job(job, JobState::Cancelled, out),
            Event::ClientGone { client } => self.client_gone(client, out),
            Event::WorkerConnected { worker, hello } => self.worker_connected(worker, hello, out),
            Event::WorkerGone { worker } => self.worker_lost(worker, out),
            Event::DrainWorker { worker, deadline } => self.drain_worker(worker, deadline, out),
            Event::FromWorker {
                worker,
                epoch,
                messages,
            } => self.take_messages(worker, epoch, messages, out),
            Event::Pushed {
                worker,
                epoch,
                job,
                block,
            } => {
                if epoch == self.epoch && self.heard(worker) {
                    self.journal(job, || Record::Pushed(block.clone()), out);
                    self.place_block(job, block, out);
                }
            }
            Event::Restore { job, record } => self.restore(job, record, out),
            Event::Tick => self.tick(out),
        }
        self.place(out);
        self.steal(out);
        self.set_alarm(out);
    }

    fn tick(&mut self, out: &mut Vec<Effect>) {
        self.wake = None;
        let timeout = self.config.heartbeat_timeout_ns;
        let over = |w: &Worker| {
            if w.leaves_by.is_some_and(|by| by <= self.now) {
                return Some("the worker had not drained by its deadline".to_owned());
            }
            let silent = w.last_heard.after(timeout) <= self.now;
            silent.then(|| {
                let seconds = timeout as f64 / 1e9;
                format!("the worker was silent for {seconds} seconds")
            })
        };
        let lost: Vec<(WorkerId, String)> = self
            .workers
            .iter()
            .filter_map(|(id, w)| Some((*id, over(w)?)))
            .collect();
        for (worker, reason) in lost {
            out.push(Effect::Disconnect { worker, reason });
            self.worker_lost(worker, out);
        }
        self.drop_expired(out);
    }

    /// Asks to be woken at the next moment at which silence would mean something. An alarm that comes too early
    /// does no harm, so it is not moved when a worker speaks.
    fn set_alarm(&mut self, out: &mut Vec<Effect>) {
        if self.wake.is_some() {
            return;
        }
        let timeout = self.config.heartbeat_timeout_ns;
        let silence = self.workers.values().map(|w| w.last_heard.after(timeout));
        let drains = self.workers.values().filter_map(|w| w.leaves_by);
        let kept = self.jobs.values().filter_map(|j| j.expires);
        if let Some(at) = silence.chain(drains).chain(kept).min() {
            self.wake = Some(at);
            out.push(Effect::WakeAt(at));
        }
    }

    /// A new deadline may come before the alarm that is set.
    fn alarm_by(&mut self, deadline: Instant) {
        if self.wake.is_some_and(|at| deadline < at) {
            self.wake = None;
        }
    }

    /// The clients that a job's results go to.
    pub fn clients_of(&self, job: JobId) -> impl Iterator<Item = ClientId> + '_ {
        self.jobs
            .get(&job)
            .into_iter()
            .flat_map(|j| j.clients.iter().copied())
    }
}
