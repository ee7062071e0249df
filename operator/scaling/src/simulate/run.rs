//! The simulation itself.

use super::agenda::{Agenda, Event};
use super::alone::alone;
use super::pods::{Phase, Pod, Turn};
use super::tasks::Tasks;
use super::{
    Frame, Micros, Orders, Random, Report, Scaler, Trace, World, from_seconds, micros, timestamp,
    to_seconds,
};
use crate::observed::count;
use crate::{Demand, Observed};

/// The scheduler tells of changes at once, but not more often than this.
const BETWEEN_REPORTS: Micros = 250_000;

/// Runs a trace in a world under a scaler.
pub fn run(world: &World, trace: &Trace, scaler: &mut dyn Scaler) -> Report {
    let mut run = Run::new(world, trace, scaler);
    while let Some((at, event)) = run.agenda.next() {
        if at > trace.end {
            break;
        }
        run.pay_until(at);
        run.happen(event);
    }
    run.pay_until(trace.end);
    run.report.waiting_seconds = run.tasks.waited(trace.end);
    run.report.job_seconds = run.tasks.took(trace.end);
    run.report.unfinished = run.tasks.open();
    run.report
}

struct Run<'a> {
    world: &'a World,
    trace: &'a Trace,
    scaler: &'a mut dyn Scaler,
    random: Random,
    agenda: Agenda,
    now: Micros,
    pods: Vec<Pod>,
    made: u64,
    capacity: u32,
    tasks: Tasks,
    turns: u64,
    next_job: usize,
    reported: Demand,
    /// When the last report was made, and whether another is planned.
    last_report: Option<Micros>,
    report_planned: bool,
    current: u32,
    looks: u64,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(world: &'a World, trace: &'a Trace, scaler: &'a mut dyn Scaler) -> Run<'a> {
        let mut agenda = Agenda::default();
        for capacity in &world.capacity {
            let pods = capacity.pods;
            agenda.plan(
                from_seconds(capacity.from_seconds),
                Event::Capacity { pods },
            );
        }
        if let Some(job) = trace.jobs.first() {
            agenda.plan(job.at, Event::Job);
        }
        if scaler.period().is_some() {
            agenda.plan(0, Event::Look);
        }
        Run {
            world,
            trace,
            scaler,
            random: Random::new(world.seed),
            agenda,
            now: 0,
            pods: Vec::new(),
            made: 0,
            capacity: u32::MAX,
            tasks: Tasks::default(),
            turns: 0,
            next_job: 0,
            reported: Demand::default(),
            last_report: None,
            report_planned: false,
            current: 0,
            looks: 0,
            report: Report::default(),
        }
    }

    fn pay_until(&mut self, at: Micros) {
        let placed = |pod: &&Pod| !matches!(pod.phase, Phase::Unplaced | Phase::Gone);
        let pods = self.pods.iter().filter(placed).count();
        self.report.pod_seconds += pods as f64 * to_seconds(at - self.now);
        self.now = at;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Job => self.job_comes(),
            Event::Connect { pod } => self.connect(pod),
            Event::Done { pod, slot, turn } => self.done(pod, slot, turn),
            Event::Die { pod } => self.die(pod),
            Event::Deadline { pod } => self.end(pod, Cause::Scaled),
            Event::Capacity { pods } => {
                self.capacity = pods;
                self.place();
                self.look_if_told();
            }
            Event::Report => {
                self.report_planned = false;
                self.report();
            }
            Event::Look => {
                self.look();
                if let Some(period) = self.scaler.period() {
                    self.agenda
                        .plan(self.now + micros(period).max(1), Event::Look);
                }
            }
            Event::Recheck { look } if look == self.looks => self.look(),
            Event::Recheck { .. } => {}
        }
    }

    fn job_comes(&mut self) {
        let trace = self.trace;
        if let Some(job) = trace.jobs.get(self.next_job) {
            let slots = self.world.max.saturating_mul(self.world.slots.get());
            self.tasks.come(job, alone(job, slots), self.now);
        }
        self.next_job += 1;
        if let Some(job) = trace.jobs.get(self.next_job) {
            self.agenda.plan(job.at, Event::Job);
        }
        self.changed();
    }

    fn connect(&mut self, pod: usize) {
        if self.pods[pod].phase != Phase::Starting {
            return;
        }
        self.pods[pod].phase = Phase::Connected;
        self.pods[pod].idle_since = self.now;
        if let Some(life) = self.world.life_seconds {
            let at = self.now + from_seconds(self.random.exponential(life));
            self.agenda.plan(at, Event::Die { pod });
        }
        self.changed();
    }

    fn done(&mut self, pod: usize, slot: usize, number: u64) {
        let Some(turn) = self.pods[pod].slots[slot].filter(|turn| turn.number == number) else {
            return;
        };
        self.pods[pod].slots[slot] = None;
        self.tasks.done(turn.task, self.now);
        if self.pods[pod].busy() == 0 {
            self.pods[pod].idle_since = self.now;
            if self.pods[pod].phase == Phase::Draining {
                self.end(pod, Cause::Scaled);
            }
        }
        self.changed();
    }

    fn die(&mut self, pod: usize) {
        if self.pods[pod].phase != Phase::Gone {
            self.end(pod, Cause::Died);
        }
    }

    /// Ends a pod, whatever it has; its tasks run again.
    fn end(&mut self, pod: usize, cause: Cause) {
        if self.pods[pod].phase == Phase::Gone {
            return;
        }
        self.pods[pod].phase = Phase::Gone;
        let turns: Vec<Turn> = self.pods[pod]
            .slots
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        for turn in turns {
            self.tasks.lost(turn.task);
            match cause {
                Cause::Died => self.report.rerun_died += 1,
                Cause::Scaled => {
                    self.report.rerun_scaled += 1;
                    self.report.rerun_scaled_seconds += to_seconds(self.now - turn.since);
                }
            }
        }
        self.place();
        if matches!(cause, Cause::Died) {
            // Whoever owns the pods makes another in its place, whatever the scaler thinks of it.
            self.make_missing();
        }
        self.changed();
    }

    /// Something is different: free slots get work, and the scheduler tells of it as soon as it may.
    fn changed(&mut self) {
        self.hand_out();
        if self.report_planned {
            return;
        }
        self.report_planned = true;
        let may = self.last_report.map_or(0, |last| last + BETWEEN_REPORTS);
        self.agenda.plan(may.max(self.now), Event::Report);
    }

    /// The eldest worker's slots first, as the scheduler does: so the younger ones have nothing to do and may go.
    fn hand_out(&mut self) {
        while self.tasks.has_ready() {
            let free = self
                .pods
                .iter()
                .enumerate()
                .find_map(|(i, pod)| Some((i, pod.free_slot()?)));
            let Some((pod, slot)) = free else { return };
            let Some(task) = self.tasks.hand_out() else {
                return;
            };
            self.turns += 1;
            self.pods[pod].slots[slot] = Some(Turn {
                task,
                number: self.turns,
                since: self.now,
            });
            let turn = self.turns;
            self.agenda
                .plan(self.now + task.takes, Event::Done { pod, slot, turn });
        }
    }

    fn report(&mut self) {
        self.last_report = Some(self.now);
        self.reported = self.tasks.demand();
        self.look_if_told();
    }

    fn look_if_told(&mut self) {
        if self.scaler.period().is_none() {
            self.look();
        }
    }

    fn look(&mut self) {
        self.looks += 1;
        let observed = Observed {
            slots_per_worker: self.world.slots,
            workers: self.pods.iter().filter_map(Pod::seen).collect(),
            demand: Some(self.reported),
            unschedulable: count(self.pods.iter().filter(|pod| pod.phase == Phase::Unplaced)),
            current: self.current,
        };
        let orders = self.scaler.decide(timestamp(self.now), &observed);
        self.keep_frame(&observed, &orders);
        if let Some(later) = orders.recheck_after {
            let look = self.looks;
            self.agenda
                .plan(self.now + micros(later).max(1), Event::Recheck { look });
        }
        self.obey(&orders);
    }

    fn keep_frame(&mut self, observed: &Observed, orders: &Orders) {
        let name = |reason: &Option<crate::Reason>| reason.map(|reason| reason.name());
        let same = self.report.timeline.last().is_some_and(|last| {
            last.replicas == orders.replicas && name(&last.reason) == name(&orders.reason)
        });
        if same {
            return;
        }
        self.report.timeline.push(Frame {
            time: timestamp(self.now),
            demand: self.reported,
            workers: observed.live(),
            draining: count(observed.workers.iter().filter(|worker| !worker.is_live())),
            replicas: orders.replicas,
            reason: orders.reason,
            hold: orders.hold,
        });
    }

    fn obey(&mut self, orders: &Orders) {
        let wanted = orders.replicas.min(self.world.max);
        match wanted.cmp(&self.current) {
            std::cmp::Ordering::Greater => self.report.ups += 1,
            std::cmp::Ordering::Less => self.report.downs += 1,
            std::cmp::Ordering::Equal => {}
        }
        self.current = wanted;
        let named: Vec<usize> = orders
            .retire
            .iter()
            .filter_map(|name| self.pods.iter().position(|pod| pod.name == *name))
            .collect();
        for pod in named {
            self.drain(pod);
        }
        while self.live() > self.current {
            let Some(pod) = self.youngest() else { break };
            self.drain(pod);
        }
        self.make_missing();
    }

    fn live(&self) -> u32 {
        count(self.pods.iter().filter(|pod| pod.is_live()))
    }

    /// Who goes first where nobody is named: who does not work yet, then who came last.
    fn youngest(&self) -> Option<usize> {
        let live = self
            .pods
            .iter()
            .enumerate()
            .filter(|(_, pod)| pod.is_live());
        live.max_by_key(|(i, pod)| (pod.phase != Phase::Connected, pod.made, *i))
            .map(|(i, _)| i)
    }

    /// A pod takes no new work and goes once it has none.
    fn drain(&mut self, pod: usize) {
        if !self.pods[pod].is_live() {
            return;
        }
        if self.pods[pod].busy() == 0 {
            self.end(pod, Cause::Scaled);
            return;
        }
        self.pods[pod].phase = Phase::Draining;
        let deadline = self.now + micros(self.world.drain);
        self.agenda.plan(deadline, Event::Deadline { pod });
    }

    fn make_missing(&mut self) {
        while self.live() < self.current {
            self.made += 1;
            let slots = usize::try_from(self.world.slots.get()).unwrap_or(1);
            let pod = Pod {
                name: format!("worker-{}", self.made),
                made: self.now,
                phase: Phase::Unplaced,
                slots: vec![None; slots],
                idle_since: self.now,
            };
            self.pods.push(pod);
        }
        self.report.peak = self.report.peak.max(self.live());
        self.place();
    }

    /// Gives nodes to pods, as far as there is room.
    fn place(&mut self) {
        let takes_room = |pod: &&Pod| !matches!(pod.phase, Phase::Unplaced | Phase::Gone);
        let mut used = count(self.pods.iter().filter(takes_room));
        for i in 0..self.pods.len() {
            if used < self.capacity && self.pods[i].phase == Phase::Unplaced {
                used += 1;
                self.start(i);
            }
        }
    }

    fn start(&mut self, pod: usize) {
        self.pods[pod].phase = Phase::Starting;
        let never = self.random.chance(self.world.never_start_percent / 100.0);
        let (least, most) = self.world.start_seconds;
        let takes = self.random.between(least, most);
        if !never {
            self.agenda
                .plan(self.now + from_seconds(takes), Event::Connect { pod });
        }
    }
}

#[derive(Clone, Copy)]
enum Cause {
    Died,
    Scaled,
}
