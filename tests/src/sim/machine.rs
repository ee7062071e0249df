//! A machine: one worker process at a time, which executes what its core wants.

use super::kernel::Inlines;
use super::rng::Rng;
use dasklike_graph::pool::PoolName;
use dasklike_graph::protocol::{JobId, WorkerHello, WorkerId};
use dasklike_graph::stage::StageId;
use dasklike_worker::core::effect::FetchId;
use dasklike_worker::core::{Config, State};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Machine {
    pub(super) core: State,
    /// Counts processes: what an earlier one started is of no effect.
    pub(super) life: u32,
    pub(super) connection: Option<WorkerId>,
    pub(super) hello: WorkerHello,
    /// How much longer than usual its tasks take.
    pub(super) slowness: u64,
    pub(super) alarm: u64,
    /// Each job's template, and the inline arrays that came for it.
    pub(super) jobs: BTreeMap<JobId, (usize, Inlines)>,
    pub(super) fetches: BTreeSet<FetchId>,
    /// The process ended by itself.
    pub(super) gone: bool,
}

impl Machine {
    pub(super) fn new(rng: &mut Rng, number: u64, pool: PoolName) -> Machine {
        let slots = rng.range(1, 4) as u32;
        let memory_limit = rng.range(1000, 4000);
        let name = format!("machine {number}");
        let hello = WorkerHello {
            name,
            slots,
            memory_limit,
            pool,
        };
        let slowness = if rng.one_in(4) { 10 } else { 1 };
        Machine {
            core: core(&hello, rng),
            life: 0,
            connection: None,
            hello,
            slowness,
            alarm: 0,
            jobs: BTreeMap::new(),
            fetches: BTreeSet::new(),
            gone: false,
        }
    }

    /// A new process with nothing in it.
    pub(super) fn restart(&mut self, rng: &mut Rng) {
        self.core = core(&self.hello, rng);
        self.life += 1;
        self.connection = None;
        self.alarm = 0;
        self.jobs.clear();
        self.fetches.clear();
        self.gone = false;
    }
}

fn core(hello: &WorkerHello, rng: &mut Rng) -> State {
    let mut config = Config::new(hello.slots, hello.memory_limit);
    config.fetches = rng.range(1, 8) as usize;
    config.fetched_tiles = rng.range(1, 12) as usize;
    config.report_bytes = rng.spread(10, 100_000);
    State::new(config)
}

/// A connection as the network sees it.
pub(super) struct Connection {
    pub(super) machine: usize,
    pub(super) life: u32,
    /// When the last message of each direction arrives: later ones come after.
    pub(super) up: u64,
    pub(super) down: u64,
    /// Nothing arrives from this moment on.
    pub(super) broken: Option<u64>,
}

/// How long tasks of a stage take and whether their bytes are fetched ahead.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) task_ns: Vec<u64>,
    pub(super) fetched: Vec<bool>,
    /// What a task does instead of ending well.
    pub(super) fault: Option<(Fault, StageId, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Fails,
    Kills,
}
