//! The worker's core: which tile starts where and when, and when what is reported.
//!
//! [`State::handle`] takes a fact and the time, and gives what to do about it. Tiles start in the order of their
//! assignments when a slot and their declared memory are free; where sources are remote, their bytes are
//! fetched ahead. Partials of finished tiles are folded here until a report takes them to the scheduler.

mod admission;
mod drain;
pub mod effect;
pub mod event;
mod invariants;
mod queue;
mod report;

use dasklike_graph::protocol::{
    Block, Commit, Epoch, Heartbeat, IdleTimes, Instant, JobId, SinkId, TaskError, ToScheduler,
    ToWorker, WorkerId,
};
use dasklike_graph::stage::{Sink, StageId};
use effect::{Effect, PushId, Slot, Task};
use event::{Event, JobStages};
use queue::{Ahead, Queued};
use report::Report;
use std::collections::{BTreeMap, VecDeque};

/// What may differ from worker to worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that compute; at least 1.
    pub slots: u32,
    /// The most bytes that tasks, fetches and blocks on their way may hold together.
    pub memory_limit: u64,
    /// Fetches under way at once.
    pub fetches: usize,
    /// Tiles whose bytes are under way or held, for all slots together.
    pub fetched_tiles: usize,
    /// Finished tiles are reported after so long at the latest.
    pub report_ns: u64,
    /// Finished tiles are reported when they left so many bytes.
    pub report_bytes: u64,
    /// The time between heartbeats.
    pub heartbeat_ns: u64,
}

impl Config {
    /// The usual figures for a worker of that size.
    pub fn new(slots: u32, memory_limit: u64) -> Config {
        Config {
            slots: slots.max(1),
            memory_limit,
            fetches: 64,
            fetched_tiles: 128,
            report_ns: 50_000_000,
            report_bytes: 256 << 10,
            heartbeat_ns: 1_000_000_000,
        }
    }
}

/// A worker.
#[derive(Clone, Debug)]
pub struct State {
    config: Config,
    now: Instant,
    /// Set between a welcome and the loss of the connection.
    session: Option<Session>,
    jobs: BTreeMap<JobId, Job>,
    /// Assignments with unstarted tiles whose sources are local, by rising number.
    local: VecDeque<Queued>,
    /// Assignments with tiles to be fetched, by rising number.
    remote: VecDeque<Queued>,
    /// Tiles that left `remote`, in that order.
    ahead: VecDeque<Ahead>,
    /// Unstarted tiles in all three.
    queued: u64,
    slots: Vec<Option<Running>>,
    /// Free slots with the moment since when; the one used last is used next.
    idle: Vec<(Slot, Instant)>,
    /// Bytes of tasks, fetches and pushes.
    reserved: u64,
    reports: BTreeMap<(JobId, StageId), Report>,
    /// Commits that wait until their blocks are acknowledged.
    sealed: Vec<Sealed>,
    pushes: BTreeMap<PushId, Push>,
    next_fetch: u64,
    next_push: u64,
    draining: Draining,
    wake: Option<Instant>,
    next_heartbeat: Instant,
    idle_times: IdleTimes,
    waits_for: WaitsFor,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    epoch: Epoch,
    worker: WorkerId,
}

#[derive(Clone, Debug)]
struct Job {
    stages: JobStages,
    /// The reductions of each stage that leave the tile, with their number of leaves.
    sinks: Vec<Vec<(SinkId, u64)>>,
    /// A task failed: nothing more is started.
    failed: bool,
}

#[derive(Clone, Debug)]
struct Running {
    task: Task,
    assignment: dasklike_graph::protocol::AssignmentId,
    since: Instant,
    wait_ns: u64,
    reserved: u64,
    /// Its job or its connection is gone: nobody asks for what it leaves.
    stale: bool,
}

#[derive(Clone, Debug)]
struct Sealed {
    commit: Commit,
    pushes: Vec<PushId>,
}

#[derive(Clone, Copy, Debug)]
struct Push {
    job: JobId,
    bytes: u64,
}

/// How far a worker is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draining {
    No,
    /// It finishes what runs.
    Yes,
    /// It said that nothing is left.
    Done,
}

/// Why free slots are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    Work,
    Fetch,
    Memory,
}

impl State {
    /// A worker that is not connected yet.
    pub fn new(config: Config) -> State {
        let slots = config.slots.max(1);
        State {
            config,
            now: Instant(0),
            session: None,
            jobs: BTreeMap::new(),
            local: VecDeque::new(),
            remote: VecDeque::new(),
            ahead: VecDeque::new(),
            queued: 0,
            slots: vec![None; slots as usize],
            idle: (0..slots).rev().map(|s| (Slot(s), Instant(0))).collect(),
            reserved: 0,
            reports: BTreeMap::new(),
            sealed: Vec::new(),
            pushes: BTreeMap::new(),
            next_fetch: 0,
            next_push: 0,
            draining: Draining::No,
            wake: None,
            next_heartbeat: Instant(0),
            idle_times: IdleTimes::default(),
            waits_for: WaitsFor::Work,
        }
    }

    /// The epoch that every batch to the scheduler carries, while connected.
    pub fn epoch(&self) -> Option<Epoch> {
        self.session.map(|s| s.epoch)
    }

    /// The worker's number, while connected.
    pub fn worker(&self) -> Option<WorkerId> {
        self.session.map(|s| s.worker)
    }

    /// Bytes that tasks, fetches and blocks on their way hold.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Takes an event and appends what to do about it, in order. `now` never goes back.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Effect>) {
        self.count_idle(now.max(self.now));
        self.now = now.max(self.now);
        match event {
            Event::FromScheduler { epoch, messages } => self.take_messages(epoch, messages, out),
            Event::Job { job, stages } => self.learn_job(job, stages, out),
            Event::Disconnected => self.disconnected(out),
            Event::Fetched { fetch, result } => self.fetched(fetch, result, out),
            Event::Finished { slot, result } => self.finished(slot, result, out),
            Event::Pushed { push } => self.pushed(push, out),
            Event::DrainRequested => {
                if self.session.is_some() && self.draining == Draining::No {
                    out.push(Effect::Send(ToScheduler::Draining));
                }
                self.drain(out);
            }
            Event::Tick => self.wake = None,
        }
        self.pump(out);
        self.report_due(out);
        self.heartbeat(out);
        self.finish_drain(out);
        self.set_alarm(out);
    }

    fn take_messages(&mut self, epoch: Epoch, messages: Vec<ToWorker>, out: &mut Vec<Effect>) {
        for message in messages {
            if let ToWorker::Welcome { worker } = message {
                self.disconnected(out);
                self.session = Some(Session { epoch, worker });
                self.next_heartbeat = self.now;
                if self.draining != Draining::No {
                    out.push(Effect::Send(ToScheduler::Draining));
                }
                continue;
            }
            if self.epoch() != Some(epoch) {
                continue;
            }
            match message {
                ToWorker::Welcome { .. } | ToWorker::Job { .. } => {}
                ToWorker::Inline { job, inline, bytes } => {
                    out.push(Effect::KeepInline { job, inline, bytes })
                }
                ToWorker::Assign(assignment) => self.assign(assignment, out),
                ToWorker::Revoke { assignment, from } => self.revoke(assignment, from, out),
                ToWorker::Free { job } => self.free(job, out),
                ToWorker::Drain => self.drain(out),
            }
        }
    }

    fn learn_job(
        &mut self,
        id: JobId,
        stages: Result<JobStages, TaskError>,
        out: &mut Vec<Effect>,
    ) {
        match stages {
            Ok(stages) => {
                let sinks = stages.lowered.stages.iter().map(sinks).collect();
                self.jobs.insert(
                    id,
                    Job {
                        stages,
                        sinks,
                        failed: false,
                    },
                );
            }
            Err(error) => out.push(Effect::Send(ToScheduler::Failed {
                job: id,
                task: None,
                error,
            })),
        }
    }

    fn heartbeat(&mut self, out: &mut Vec<Effect>) {
        if self.session.is_none()
            || self.draining == Draining::Done
            || self.now < self.next_heartbeat
        {
            return;
        }
        self.next_heartbeat = self.now.after(self.config.heartbeat_ns);
        let running = self.slots.iter().flatten().filter(|r| !r.stale);
        out.push(Effect::Send(ToScheduler::Heartbeat(Heartbeat {
            busy: self.slots.iter().flatten().count() as u32,
            queued: self.queued,
            running: running.map(|r| (r.assignment, r.task.tile)).collect(),
            reserved_bytes: self.reserved,
            idle: self.idle_times,
            ..Heartbeat::default()
        })));
    }

    fn set_alarm(&mut self, out: &mut Vec<Effect>) {
        if self.session.is_none() || self.draining == Draining::Done {
            return;
        }
        let reports = self
            .reports
            .values()
            .map(|r| r.since.after(self.config.report_ns));
        let at = reports.fold(self.next_heartbeat, Instant::min);
        // An alarm that comes too early does no harm; one that comes too late would.
        if self.wake.is_none_or(|set| at < set) {
            self.wake = Some(at);
            out.push(Effect::WakeAt(at));
        }
    }

    fn count_idle(&mut self, now: Instant) {
        let ns = now.since(self.now) * self.idle.len() as u64;
        match self.waits_for {
            WaitsFor::Work => self.idle_times.work_ns += ns,
            WaitsFor::Fetch => self.idle_times.fetch_ns += ns,
            WaitsFor::Memory => self.idle_times.memory_ns += ns,
        }
    }
}

/// The reductions of a stage whose partials leave the tile.
fn sinks(stage: &dasklike_graph::stage::Stage) -> Vec<(SinkId, u64)> {
    let mut sinks = Vec::new();
    for (p, pass) in stage.passes.iter().enumerate() {
        for (s, sink) in pass.sinks.iter().enumerate() {
            if let Sink::Reduce(sink) = sink
                && !sink.is_local()
            {
                let leaves = stage
                    .tile_count()
                    .checked_div(stage.output_tiles(pass, sink))
                    .unwrap_or(0);
                sinks.push((
                    SinkId {
                        pass: p as u32,
                        sink: s as u32,
                    },
                    leaves,
                ));
            }
        }
    }
    sinks
}

/// Whether a block goes by the side of the stream.
fn is_pushed(block: &Block) -> bool {
    use dasklike_graph::{protocol::INLINE_BLOCK_LIMIT, stage::Target};
    matches!(block.target, Target::Output(_)) && block.bytes.len() as u64 > INLINE_BLOCK_LIMIT
}
