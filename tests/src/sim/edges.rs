//! What the edges of scheduler and workers do with the effects of their cores.

use super::cluster::{Happening, MS, Sim};
use super::kernel;
use super::machine::Fault;
use super::restart::Written;
use dasklike_graph::protocol::{Epoch, ErrorKind, Instant, TaskError, ToWorker, WorkerId};
use dasklike_scheduler::core::effect::Effect as SchedulerEffect;
use dasklike_scheduler::core::event::Event as SchedulerEvent;
use dasklike_worker::core::effect::{Effect as WorkerEffect, Slot, Task};
use dasklike_worker::core::event::{Event as WorkerEvent, JobStages};
use std::collections::BTreeMap;

impl Sim {
    pub(super) fn tell_scheduler(&mut self, event: SchedulerEvent) {
        if self.trace {
            eprintln!("{:>12} scheduler <- {event:.300?}", self.now);
        }
        let mut effects = Vec::new();
        self.scheduler
            .handle(Instant(self.now), event, &mut effects);
        let mut batches: BTreeMap<WorkerId, Vec<ToWorker>> = BTreeMap::new();
        for effect in effects {
            match effect {
                SchedulerEffect::Send { worker, message } => {
                    batches.entry(worker).or_default().push(message)
                }
                SchedulerEffect::Disconnect { worker, .. } => self.close(worker),
                SchedulerEffect::Accepted { client, job, .. } => {
                    let user = &mut self.users[client.0 as usize];
                    (user.job, user.epoch) = (Some(job), self.scheduler.epoch());
                }
                SchedulerEffect::Refused { refusal, .. } => panic!("{refusal}"),
                SchedulerEffect::Deliver { client, block, .. } => {
                    let user = &mut self.users[client.0 as usize];
                    assert!(!user.gone, "a block came for a client that is gone");
                    user.deliver(&self.templates[user.template], &block);
                }
                SchedulerEffect::Ended { client, end, .. } => {
                    let user = &mut self.users[client.0 as usize];
                    assert!(user.end.is_none(), "a job ended twice");
                    user.end = Some(end);
                }
                SchedulerEffect::Journal { job, record } => {
                    self.journal.push(Written::Keep(job, record))
                }
                SchedulerEffect::DropJournal { job } => self.journal.push(Written::Drop(job)),
                SchedulerEffect::WakeAt(at) => {
                    self.alarm = at.0;
                    self.at(at.0, Happening::SchedulerAlarm);
                }
            }
        }
        let epoch = self.scheduler.epoch();
        for (worker, messages) in batches {
            let arrival = self.arrival(worker, |c| &mut c.down);
            self.at(arrival, Happening::Down(worker, epoch, messages));
        }
    }

    /// The scheduler closed a connection.
    pub(super) fn close(&mut self, worker: WorkerId) {
        let Some(c) = self.connections.get_mut(&worker) else {
            return;
        };
        c.broken.get_or_insert(self.now);
        let (m, life) = (c.machine, c.life);
        self.later(0, 10 * MS, Happening::Disconnected(m, life, worker));
    }

    /// A batch arrives at a worker: its edge lowers the plans of new jobs.
    pub(super) fn hand_over(&mut self, worker: WorkerId, epoch: Epoch, messages: Vec<ToWorker>) {
        let (m, life) = (
            self.connections[&worker].machine,
            self.connections[&worker].life,
        );
        if self.machines[m].life != life || self.machines[m].connection != Some(worker) {
            return;
        }
        let mut batch = Vec::new();
        for message in messages {
            if let ToWorker::Job { job, spec } = &message {
                let before = std::mem::take(&mut batch);
                self.tell_worker(
                    m,
                    WorkerEvent::FromScheduler {
                        epoch,
                        messages: before,
                    },
                );
                let number = spec.budget.task_bytes as usize;
                self.machines[m]
                    .jobs
                    .insert(*job, (number, BTreeMap::new()));
                let template = &self.templates[number];
                let stages = JobStages {
                    lowered: template.lowered.clone(),
                    fetched: template.work.fetched.clone(),
                };
                self.tell_worker(
                    m,
                    WorkerEvent::Job {
                        job: *job,
                        stages: Ok(stages),
                    },
                );
            } else {
                batch.push(message);
            }
        }
        self.tell_worker(
            m,
            WorkerEvent::FromScheduler {
                epoch,
                messages: batch,
            },
        );
    }

    pub(super) fn tell_worker(&mut self, m: usize, event: WorkerEvent) {
        if self.machines[m].gone {
            return;
        }
        if self.trace {
            eprintln!("{:>12} machine {m} <- {event:.300?}", self.now);
        }
        let mut effects = Vec::new();
        let machine = &mut self.machines[m];
        machine.core.handle(Instant(self.now), event, &mut effects);
        if let Err(broken) = machine.core.check_invariants() {
            panic!("worker on machine {m}: {broken}");
        }
        let life = machine.life;
        let mut batch = Vec::new();
        for effect in effects {
            if self.machines[m].life != life {
                return;
            }
            match effect {
                WorkerEffect::Send(message) => batch.push(message),
                WorkerEffect::Fetch { fetch, .. } => {
                    self.machines[m].fetches.insert(fetch);
                    self.later(0, 60 * MS, Happening::Fetched(m, life, fetch));
                }
                WorkerEffect::DropFetch { fetch } => drop(self.machines[m].fetches.remove(&fetch)),
                WorkerEffect::Start { slot, task, .. } => self.start(m, slot, task),
                WorkerEffect::KeepInline { job, inline, bytes } => {
                    if let Some((_, inlines)) = self.machines[m].jobs.get_mut(&job) {
                        inlines.insert(inline, bytes);
                    }
                }
                WorkerEffect::Push { push, job, block } => {
                    if let (Some(worker), Some(epoch)) =
                        (self.machines[m].connection, self.machines[m].core.epoch())
                    {
                        // Not in order with the messages: another stream.
                        self.later(0, 30 * MS, Happening::Push(worker, epoch, push, job, block));
                    }
                }
                WorkerEffect::Forget { job } => drop(self.machines[m].jobs.remove(&job)),
                WorkerEffect::WakeAt(at) => {
                    self.machines[m].alarm = at.0;
                    self.at(at.0, Happening::WorkerAlarm(m, life));
                }
                WorkerEffect::Exit => {
                    self.machines[m].gone = true;
                    // Another process takes its place, so that the jobs go on.
                    self.later(100 * MS, 500 * MS, Happening::Restart(m, life));
                }
            }
        }
        let (connection, epoch) = (self.machines[m].connection, self.machines[m].core.epoch());
        if let (Some(worker), Some(epoch), false) = (connection, epoch, batch.is_empty()) {
            let arrival = self.arrival(worker, |c| &mut c.up);
            self.at(arrival, Happening::Up(worker, epoch, batch));
        }
    }

    pub(super) fn start(&mut self, m: usize, slot: Slot, task: Task) {
        self.report.started += 1;
        *self
            .starts
            .entry((task.job, task.stage, task.tile.0))
            .or_default() += 1;
        let machine = &self.machines[m];
        let (life, slowness) = (machine.life, machine.slowness);
        let (number, inlines) = machine
            .jobs
            .get(&task.job)
            .expect("a task of an unknown job was started");
        let template = &self.templates[*number];
        assert_eq!(
            template.pool, machine.hello.pool,
            "a task was started by a worker of another pool"
        );
        let typical = template.work.task_ns[task.stage.0 as usize] * slowness;
        let result = match template.work.fault {
            Some((fault, stage, tile)) if stage == task.stage && tile == task.tile.0 => {
                if fault == Fault::Kills {
                    return self.break_off(m, true);
                }
                Err(TaskError {
                    kind: ErrorKind::Chunk,
                    message: "chunk 0.0 is damaged".into(),
                })
            }
            _ => Ok(kernel::run_tile(
                template.salt,
                &template.lowered,
                task.stage,
                task.tile,
                inlines,
            )
            .expect("a task was started before the arrays that it reads")),
        };
        let takes = self.rng.range(typical / 2, typical * 2);
        self.at(
            self.now + takes,
            Happening::Done(m, life, slot, Box::new(result)),
        );
    }
}
