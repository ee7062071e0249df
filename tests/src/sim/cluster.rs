//! The loop: events in the order of virtual time, and what each does.

use super::Scenario;
use super::machine::{Connection, Machine};
use super::restart::Written;
use super::rng::Rng;
use super::user::{Template, User};
use dasklike_graph::lower::Budget;
use dasklike_graph::plan::Plan;
use dasklike_graph::protocol::{
    Block, Epoch, JobId, JobSpec, TaskError, ToScheduler, ToWorker, WorkerId,
};
use dasklike_graph::stage::StageId;
use dasklike_scheduler::core as scheduler;
use dasklike_scheduler::core::event::{Event as SchedulerEvent, Order, Submission};
use dasklike_scheduler::core::ids::{ClientId, Instant, RequestId};
use dasklike_worker::core::effect::{FetchId, PushId, Slot};
use dasklike_worker::core::event::{Event as WorkerEvent, TileOutput};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1000 * MS;
/// No run of a scenario takes longer, however unlucky.
const MOST_TIME: u64 = 3600 * SECOND;
const MOST_EVENTS: u64 = 3_000_000;

/// What happens at a moment.
pub(super) enum Happening {
    Up(WorkerId, Epoch, Vec<ToScheduler>),
    Down(WorkerId, Epoch, Vec<ToWorker>),
    Push(WorkerId, Epoch, PushId, JobId, Block),
    SchedulerAlarm,
    SchedulerRestart,
    WorkerAlarm(usize, u32),
    Done(usize, u32, Slot, Box<Result<TileOutput, TaskError>>),
    Fetched(usize, u32, FetchId),
    Acknowledged(usize, u32, PushId),
    Connect(usize, u32),
    Disconnected(usize, u32, WorkerId),
    Noticed(WorkerId),
    Loss,
    Restart(usize, u32),
    Drain,
    Submit(usize),
    Cancel(usize),
    Leave(usize),
}

/// What a run was like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Events handled.
    pub events: u64,
    /// Tasks started.
    pub started: u64,
    /// Tiles stolen.
    pub stolen: u64,
    /// Tasks run again because a worker was lost.
    pub rerun: u64,
    /// Tasks that were done and that a later scheduler did not have run again.
    pub restored: u64,
    /// Jobs that ended: finished, failed, cancelled.
    pub ended: [u64; 3],
}

/// A cluster under a seed.
pub struct Sim {
    pub(super) rng: Rng,
    pub(super) scenario: Scenario,
    pub(super) now: u64,
    pub(super) next: u64,
    pub(super) heap: BinaryHeap<Reverse<(u64, u64)>>,
    pub(super) happenings: BTreeMap<u64, Happening>,
    pub(super) config: scheduler::Config,
    pub(super) scheduler: scheduler::State,
    pub(super) journal: Vec<Written>,
    pub(super) alarm: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) connections: BTreeMap<WorkerId, Connection>,
    pub(super) templates: Vec<Template>,
    pub(super) users: Vec<User>,
    /// How often each task was started.
    pub(super) starts: BTreeMap<(JobId, StageId, u64), u32>,
    pub(super) trace: bool,
    pub(super) report: Report,
}

impl Sim {
    /// A cluster for a seed. With `trace`, every event is written to stderr.
    pub fn new(seed: u64, trace: bool) -> Sim {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::random(&mut rng);
        let config = scheduler::Config {
            // Losses come in showers here: only a poisonous task should fail its job.
            max_deaths: if scenario.poison { 3 } else { 1000 },
            heartbeat_timeout_ns: 5 * SECOND,
            journal: true,
            ..scheduler::Config::default()
        };
        let scheduler = scheduler::State::new(config.clone(), Epoch(mix_epoch(seed)));
        let mut sim = Sim {
            rng,
            scenario,
            now: 0,
            next: 0,
            heap: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            config,
            scheduler,
            journal: Vec::new(),
            alarm: u64::MAX,
            machines: Vec::new(),
            connections: BTreeMap::new(),
            templates: Vec::new(),
            users: Vec::new(),
            starts: BTreeMap::new(),
            trace,
            report: Report::default(),
        };
        sim.set_up();
        sim
    }

    /// Runs until every client has its answer and the cluster is at rest.
    pub fn run(mut self) -> Report {
        let mut rest = None;
        while let Some(Reverse((at, number))) = self.heap.pop() {
            self.now = at;
            self.report.events += 1;
            let Some(happening) = self.happenings.remove(&number) else {
                continue;
            };
            self.happen(happening);
            self.check();
            let answered = self.users.iter().all(|u| u.gone || u.end.is_some());
            // A little longer, for what is under way to arrive; the worst of it is a loss nobody noticed.
            if answered && self.now > *rest.get_or_insert(self.now + 20 * SECOND) {
                break;
            }
            let stuck = self.now > MOST_TIME || self.report.events > MOST_EVENTS;
            assert!(!stuck, "nothing comes to an end: {}", self.why());
        }
        self.check_end();
        self.report
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Up(worker, epoch, messages) => {
                if self.arrives(worker) {
                    self.tell_scheduler(SchedulerEvent::FromWorker {
                        worker,
                        epoch,
                        messages,
                    });
                }
            }
            Happening::Down(worker, epoch, messages) => {
                if self.arrives(worker) {
                    self.hand_over(worker, epoch, messages);
                }
            }
            Happening::Push(worker, epoch, push, job, block) => {
                if self.arrives(worker) {
                    self.tell_scheduler(SchedulerEvent::Pushed {
                        worker,
                        epoch,
                        job,
                        block,
                    });
                    let (m, life) = (
                        self.connections[&worker].machine,
                        self.connections[&worker].life,
                    );
                    self.later(0, 5 * MS, Happening::Acknowledged(m, life, push));
                }
            }
            Happening::SchedulerAlarm => {
                if self.now >= self.alarm {
                    self.alarm = u64::MAX;
                    self.tell_scheduler(SchedulerEvent::Tick);
                }
            }
            Happening::SchedulerRestart => self.restart_scheduler(),
            Happening::WorkerAlarm(m, life) => {
                if self.machines[m].life == life && self.now >= self.machines[m].alarm {
                    self.machines[m].alarm = u64::MAX;
                    self.tell_worker(m, WorkerEvent::Tick);
                }
            }
            Happening::Done(m, life, slot, result) => {
                if self.machines[m].life == life {
                    self.tell_worker(
                        m,
                        WorkerEvent::Finished {
                            slot,
                            result: *result,
                        },
                    );
                }
            }
            Happening::Fetched(m, life, fetch) => {
                if self.machines[m].life == life && self.machines[m].fetches.remove(&fetch) {
                    self.tell_worker(
                        m,
                        WorkerEvent::Fetched {
                            fetch,
                            result: Ok(()),
                        },
                    );
                }
            }
            Happening::Acknowledged(m, life, push) => {
                if self.machines[m].life == life {
                    self.tell_worker(m, WorkerEvent::Pushed { push });
                }
            }
            Happening::Connect(m, life) => self.connect(m, life),
            Happening::Disconnected(m, life, worker) => {
                let machine = &mut self.machines[m];
                if machine.life == life && machine.connection == Some(worker) {
                    machine.connection = None;
                    self.tell_worker(m, WorkerEvent::Disconnected);
                    self.later(MS, 300 * MS, Happening::Connect(m, life));
                }
            }
            Happening::Noticed(worker) => {
                self.tell_scheduler(SchedulerEvent::WorkerGone { worker })
            }
            Happening::Loss => self.lose(),
            Happening::Restart(m, life) => {
                if self.machines[m].life == life {
                    self.machines[m].restart(&mut self.rng);
                    let life = self.machines[m].life;
                    self.later(0, MS, Happening::Connect(m, life));
                }
            }
            Happening::Drain => self.drain(),
            Happening::Submit(user) => self.submit(user),
            Happening::Cancel(user) => {
                let User { job, epoch, .. } = self.users[user];
                if let Some(job) = job
                    && epoch == self.scheduler.epoch()
                {
                    self.tell_scheduler(SchedulerEvent::Cancel { job });
                }
            }
            Happening::Leave(user) => {
                self.users[user].gone = true;
                self.tell_scheduler(SchedulerEvent::ClientGone {
                    client: ClientId(user as u64),
                });
            }
        }
    }

    fn submit(&mut self, user: usize) {
        if self.users[user].gone {
            return;
        }
        let number = self.users[user].template;
        let template = &self.templates[number];
        // The stand-in for a plan is its number.
        let budget = Budget {
            task_bytes: number as u64,
            chunks: Vec::new(),
        };
        let submission = Submission {
            client: ClientId(user as u64),
            request: RequestId(user as u64),
            order: Order {
                name: template.name.clone(),
                pool: template.pool.clone(),
                spec: Arc::new(JobSpec {
                    plan: Plan::default(),
                    budget,
                }),
                lowered: template.lowered.clone(),
                max_range: template.max_range,
            },
        };
        self.tell_scheduler(SchedulerEvent::Submit(submission));
    }

    fn connect(&mut self, m: usize, life: u32) {
        let machine = &mut self.machines[m];
        if machine.life != life || machine.connection.is_some() || machine.gone {
            return;
        }
        let worker = WorkerId(self.connections.len() as u64 + 1);
        machine.connection = Some(worker);
        let hello = machine.hello.clone();
        self.connections.insert(
            worker,
            Connection {
                machine: m,
                life,
                up: 0,
                down: 0,
                broken: None,
            },
        );
        self.tell_scheduler(SchedulerEvent::WorkerConnected { worker, hello });
    }

    /// Breaks a connection; its process lives on or dies with it.
    fn lose(&mut self) {
        let m = self.rng.range(0, self.machines.len() as u64 - 1) as usize;
        let dies = self.rng.one_in(2);
        self.break_off(m, dies);
    }

    pub(super) fn break_off(&mut self, m: usize, dies: bool) {
        let life = self.machines[m].life;
        if let Some(worker) = self.machines[m].connection {
            // What is under way still arrives up to some moment.
            let last = self.now + self.rng.range(0, 5 * MS);
            if let Some(c) = self.connections.get_mut(&worker) {
                c.broken = Some(last);
            }
            // Sometimes only silence tells the scheduler.
            if !self.rng.one_in(5) {
                self.at(last + 1, Happening::Noticed(worker));
            }
            self.later(0, 100 * MS, Happening::Disconnected(m, life, worker));
        }
        if dies {
            // The process is gone at once, with all it was about to do.
            self.machines[m].life += 1;
            let life = self.machines[m].life;
            self.machines[m].connection = None;
            self.later(MS, 500 * MS, Happening::Restart(m, life));
        }
    }

    fn drain(&mut self) {
        let m = self.rng.range(0, self.machines.len() as u64 - 1) as usize;
        if self.rng.one_in(2) {
            self.tell_worker(m, WorkerEvent::DrainRequested);
        } else if let Some(worker) = self.machines[m].connection {
            // Work that a deadline cuts is run again, as that of lost workers.
            let cut = self.scenario.losses > 0 && self.rng.one_in(2);
            let deadline = cut.then(|| Instant(self.now + self.rng.range(MS, 500 * MS)));
            self.tell_scheduler(SchedulerEvent::DrainWorker { worker, deadline });
        }
    }

    /// Whether what was sent on a connection still arrives now.
    fn arrives(&self, worker: WorkerId) -> bool {
        self.connections[&worker]
            .broken
            .is_none_or(|last| self.now <= last)
    }

    /// When a message sent now arrives: after those sent before it.
    pub(super) fn arrival(
        &mut self,
        worker: WorkerId,
        way: impl Fn(&mut Connection) -> &mut u64,
    ) -> u64 {
        let delay = self.rng.spread(1000, 10 * MS);
        let Some(c) = self.connections.get_mut(&worker) else {
            return self.now;
        };
        let last = way(c);
        *last = (*last + 1).max(self.now + delay);
        *last
    }

    pub(super) fn later(&mut self, least: u64, most: u64, happening: Happening) {
        let at = self.now + self.rng.range(least, most);
        self.at(at, happening);
    }

    pub(super) fn at(&mut self, at: u64, happening: Happening) {
        self.heap.push(Reverse((at, self.next)));
        self.happenings.insert(self.next, happening);
        self.next += 1;
    }

    pub(super) fn check(&self) {
        if let Err(broken) = self.scheduler.check_invariants() {
            panic!("scheduler: {broken}");
        }
    }

    fn check_end(&mut self) {
        for user in &self.users {
            user.check(&self.templates[user.template]);
        }
        let live = self.scheduler.jobs().filter(|j| j.state.is_live());
        let named = |job: &JobId| {
            let mut names = self.scheduler.jobs().filter(|j| j.id == *job);
            names.any(|j| j.name.is_some())
        };
        let live: Vec<JobId> = live.map(|j| j.id).collect();
        // A named job lives on without its client, or because it was not written down that it had ended; all others
        // have ended.
        let wanted = |job: &JobId| {
            let left = self.users.iter().any(|u| u.job == Some(*job) && u.gone);
            left || (self.scenario.restarts > 0 && named(job))
        };
        assert!(live.iter().all(wanted), "{live:?} still run");
        for (m, machine) in self.machines.iter().enumerate() {
            let rests = machine.gone || !live.is_empty() || machine.core.reserved() == 0;
            assert!(
                rests,
                "machine {m} holds {} bytes at rest",
                machine.core.reserved()
            );
        }
        let lossless = self.scenario.losses == 0 && self.scenario.restarts == 0;
        let quiet = lossless && !self.scenario.poison;
        if quiet && let Some((task, n)) = self.starts.iter().find(|(_, n)| **n > 1) {
            panic!("{task:?} was started {n} times, and no worker was lost");
        }
        self.count_totals();
    }

    /// What this scheduler counted, before it goes.
    pub(super) fn count_totals(&mut self) {
        let totals = self.scheduler.totals();
        self.report.stolen += totals.stolen;
        self.report.rerun += totals.rerun_lost + totals.rerun_drained;
        for (all, these) in self.report.ended.iter_mut().zip(totals.ended) {
            *all += these;
        }
    }

    /// What is known of a tile that is not done.
    fn why(&self) -> String {
        let live = self.scheduler.jobs().filter(|j| j.state.is_live());
        let stories = live.map(|job| {
            let stage = job
                .stages
                .iter()
                .find(|s| s.done < s.tiles)
                .map_or(StageId(0), |s| s.id);
            let tiles = job.stages[stage.0 as usize].tiles;
            let story = |t: u64| {
                self.scheduler
                    .story(job.id, stage, dasklike_graph::stage::Tile(t))
            };
            let stuck = (0..tiles).map(story).find(|s| !s.starts_with("done"));
            format!(
                "{} stage {}: {}",
                job.id,
                stage.0,
                stuck.unwrap_or_default()
            )
        });
        stories.collect::<Vec<_>>().join("\n")
    }
}

fn mix_epoch(seed: u64) -> u64 {
    super::rng::mix(seed)
}
