//! `dasklike bench graph`: what a plan over many chunks costs the scheduler. The scheduler's core is driven in
//! this process by workers that compute nothing: they commit single tiles in no order, one of them is lost on
//! the way, and the memory of the process is read before the plan comes and when half of it is done.

use anyhow::{Context, Result, ensure};
use dasklike::DataArray;
use dasklike::array::plan;
use dasklike_graph::dtype::DType;
use dasklike_graph::lower::{Budget, lower};
use dasklike_graph::partial::Partial;
use dasklike_graph::plan::Plan;
use dasklike_graph::pool::PoolName;
use dasklike_graph::protocol::{
    Assignment, Commit, JobSpec, Node, SinkId, TaskStats, ToScheduler, ToWorker, WorkerHello,
};
use dasklike_graph::tree::TreeKey;
use dasklike_proto_engine::convert::{plan_from_proto, plan_to_proto};
use dasklike_scheduler::core::effect::Effect;
use dasklike_scheduler::core::event::{Event, Order, Submission};
use dasklike_scheduler::core::ids::{ClientId, Epoch, Instant, RequestId, WorkerId};
use dasklike_scheduler::core::{Config, State};
use serde_json::json;
use std::sync::Arc;

/// Measure a plan over many chunks: time to the first task, and the scheduler's memory a chunk half-way
#[derive(Debug, clap::Args)]
pub(crate) struct GraphArgs {
    /// Chunks of the plan
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=1_000_000_000))]
    chunks: u64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl GraphArgs {
    pub(crate) fn run(self) -> Result<()> {
        let mut script = Script::new(self.chunks);
        let before = resident_bytes()?;
        let first = script.submit()?;
        script.work_to(self.chunks / 4)?;
        script.lose_a_worker();
        script.work_to(self.chunks / 2)?;
        let grown = resident_bytes()?.saturating_sub(before);
        let (ms, bytes) = (first.as_secs_f64() * 1e3, grown as f64 / self.chunks as f64);
        if self.json {
            return super::print_json(&json!({
                "chunks": self.chunks, "submit_to_first_task_ms": ms, "scheduler_bytes_per_chunk": bytes,
            }));
        }
        super::print(&format!(
            "{} chunks: first task after {ms:.2} ms, {bytes:.1} bytes a chunk when half of it is done\n",
            self.chunks
        ))
    }
}

/// Bytes of the process that are in memory.
fn resident_bytes() -> Result<u64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("this measurement needs /proc")?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .context("/proc/self/status has no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

const WORKERS: u64 = 8;
const EPOCH: Epoch = Epoch(1);

/// A scheduler and what its workers hold.
struct Script {
    state: State,
    now: u64,
    chunks: u64,
    /// Tiles that are assigned and not committed: by tile, the assignment and the worker; allocated and
    /// touched before the memory is first read.
    held: Vec<(u32, u32)>,
    /// Tiles in the order of their assignment.
    queue: Vec<u32>,
    effects: Vec<Effect>,
    random: u64,
    done: u64,
    lost: Option<u32>,
}

impl Script {
    fn new(chunks: u64) -> Script {
        let mut script = Script {
            state: State::new(Config::default(), EPOCH),
            now: 0,
            chunks,
            held: vec![(u32::MAX, u32::MAX); chunks as usize],
            queue: vec![u32::MAX; 2 * chunks as usize],
            effects: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
            done: 0,
            lost: None,
        };
        script.queue.clear();
        for w in 1..=WORKERS {
            let hello = WorkerHello {
                name: format!("worker {w}"),
                slots: 1,
                memory_limit: 1 << 30,
                pool: PoolName::default(),
            };
            script.tell(Event::WorkerConnected {
                worker: WorkerId(w),
                hello,
            });
        }
        script
    }

    /// From the plan as the client has it to the first assignment: across the wire, lowered by the scheduler
    /// and by the worker.
    fn submit(&mut self) -> Result<std::time::Duration> {
        let chunks = [("chunk", self.chunks, 1)];
        let array = DataArray::ones(DType::F64, &chunks);
        let plan: Plan = plan([&array.count(..)])?;
        let started = std::time::Instant::now();
        let plan = plan_from_proto(plan_to_proto(&plan))?;
        let budget = Budget {
            task_bytes: 1 << 30,
            chunks: vec![("chunk".into(), 1)],
        };
        let lowered = lower(&plan, &budget)?;
        let tiles: u64 = lowered.stages.iter().map(|s| s.tile_count()).sum();
        ensure!(
            tiles == self.chunks,
            "the plan has {tiles} tiles for {} chunks",
            self.chunks
        );
        let spec = Arc::new(JobSpec { plan, budget });
        self.tell(Event::Submit(Submission {
            client: ClientId(1),
            request: RequestId(1),
            order: Order {
                name: None,
                pool: PoolName::default(),
                spec: spec.clone(),
                lowered: Arc::new(lowered),
                max_range: None,
            },
        }));
        ensure!(!self.queue.is_empty(), "the scheduler gave out no task");
        lower(&spec.plan, &spec.budget)?;
        Ok(started.elapsed())
    }

    fn tell(&mut self, event: Event) {
        self.now += 1_000;
        let mut effects = std::mem::take(&mut self.effects);
        self.state.handle(Instant(self.now), event, &mut effects);
        for effect in effects.drain(..) {
            if let Effect::Send {
                worker,
                message: ToWorker::Assign(Assignment { id, range, .. }),
            } = effect
            {
                for tile in range {
                    self.held[tile as usize] = (id.0 as u32, worker.0 as u32);
                    self.queue.push(tile as u32);
                }
            }
        }
        self.effects = effects;
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below as u64) as usize
    }

    /// Commits tiles in no order until so many are done.
    fn work_to(&mut self, goal: u64) -> Result<()> {
        while self.done < goal {
            ensure!(
                !self.queue.is_empty(),
                "the workers have nothing to do with {} tiles done",
                self.done
            );
            let at = self.draw(self.queue.len());
            let tile = self.queue.swap_remove(at);
            let (assignment, worker) = self.held[tile as usize];
            if worker == u32::MAX || self.lost == Some(worker) {
                continue;
            }
            self.held[tile as usize] = (u32::MAX, u32::MAX);
            self.commit(u64::from(worker), u64::from(assignment), u64::from(tile));
        }
        Ok(())
    }

    fn commit(&mut self, worker: u64, assignment: u64, tile: u64) {
        let node = Node {
            sink: SinkId { pass: 0, sink: 0 },
            key: TreeKey::leaf(0, tile),
            partial: Partial {
                first_group: 0,
                groups: 1,
                cells: 1,
                words: vec![1],
            },
        };
        let commit = Commit {
            job: dasklike_graph::protocol::JobId(1),
            stage: dasklike_graph::stage::StageId(0),
            ranges: vec![(
                dasklike_graph::protocol::AssignmentId(assignment),
                tile..tile + 1,
            )],
            nodes: vec![node],
            blocks: Vec::new(),
            stats: TaskStats {
                tiles: 1,
                busy_ns: 1_000,
                ..TaskStats::default()
            },
            spans: Vec::new(),
            now: Instant(self.now),
        };
        let message = vec![ToScheduler::Commit(commit)];
        self.done += 1;
        self.tell(Event::FromWorker {
            worker: WorkerId(worker),
            epoch: EPOCH,
            messages: message,
        });
    }

    /// The tiles of the lost worker go to the others.
    fn lose_a_worker(&mut self) {
        self.lost = Some(1);
        self.tell(Event::WorkerGone {
            worker: WorkerId(1),
        });
    }
}
