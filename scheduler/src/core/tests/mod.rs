//! Directed tests of what a random simulation meets seldom: names, kept results, fairness, silence, poison.

mod jobs;
mod journal;
mod pools;
mod workers;

use super::effect::{Effect, JobEnd, Refusal};
use super::event::{Event, Order, Submission};
use super::ids::{ClientId, Epoch, Instant, JobId, PoolName, RequestId, WorkerId};
use super::{Config, JobState, State};
use dasklike_graph::dtype::{DType, Lane};
use dasklike_graph::grid::Axis;
use dasklike_graph::lower::Budget;
use dasklike_graph::partial::Partial;
use dasklike_graph::plan::{OutputId, Plan};
use dasklike_graph::program::{Program, Value};
use dasklike_graph::protocol::{
    Assignment, Commit, ErrorKind, JobSpec, Node, SinkId, TaskStats, ToScheduler, ToWorker,
    WorkerHello,
};
use dasklike_graph::reduce::ReduceOp;
use dasklike_graph::stage::{
    DomainDim, Lowered, OutputMeta, Pass, ReduceSink, Sink, SinkResult, Stage, StageDim, StageId,
    Target, Tile, TileCost,
};
use dasklike_graph::tree::TreeKey;
use std::sync::Arc;

const EPOCH: Epoch = Epoch(7);
const MS: u64 = 1_000_000;

/// The count of all elements of `tiles` tiles of one element.
fn count_of(tiles: u64) -> Lowered {
    let axis = Axis::regular(tiles, 1);
    let domain = vec![DomainDim {
        name: "t".into(),
        len: tiles,
        stage_dim: Some(0),
        cells: axis.clone(),
    }];
    let target = Target::Output(OutputId(0));
    let sink = Sink::Reduce(ReduceSink {
        value: Value(0),
        state: dasklike_graph::reduce::State::for_ops(Lane::F64, true, &[ReduceOp::Count]),
        kept: Vec::new(),
        groups: None,
        results: vec![SinkResult {
            op: ReduceOp::Count,
            dtype: DType::I64,
            target,
        }],
    });
    let passes = vec![Pass {
        domain,
        inputs: Vec::new(),
        program: Program::default(),
        sinks: vec![sink],
    }];
    let dims = vec![StageDim {
        name: "t".into(),
        tiles: axis,
    }];
    let tile_cost = TileCost::default();
    let output = OutputMeta {
        name: "n".into(),
        dtype: DType::I64,
        dims: Vec::new(),
        shape: Vec::new(),
    };
    Lowered {
        stages: vec![Stage {
            dims,
            passes,
            locals: Vec::new(),
            after: Vec::new(),
            peak_bytes: 1,
            tile_cost,
        }],
        inlines: Vec::new(),
        outputs: vec![output],
        notes: Vec::new(),
    }
}

/// A core with a hand on the clock.
struct Bench {
    state: State,
    now: u64,
    requests: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            state: State::new(Config::default(), EPOCH),
            now: 0,
            requests: 0,
        }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.state.handle(Instant(self.now), event, &mut effects);
        self.state.check_invariants().expect("the invariants hold");
        effects
    }

    fn connect(&mut self, worker: u64) -> Vec<Effect> {
        self.connect_to(worker, PoolName::DEFAULT)
    }

    fn connect_to(&mut self, worker: u64, pool: &str) -> Vec<Effect> {
        let hello = WorkerHello {
            name: format!("w{worker}"),
            slots: 1,
            memory_limit: 1 << 20,
            pool: pool.parse().unwrap(),
        };
        self.tell(Event::WorkerConnected {
            worker: WorkerId(worker),
            hello,
        })
    }

    fn submit(&mut self, client: u64, name: Option<&str>, tiles: u64) -> Vec<Effect> {
        self.submit_to(PoolName::DEFAULT, client, name, tiles)
    }

    fn submit_to(
        &mut self,
        pool: &str,
        client: u64,
        name: Option<&str>,
        tiles: u64,
    ) -> Vec<Effect> {
        self.requests += 1;
        let budget = Budget {
            task_bytes: self.requests,
            chunks: vec![("t".into(), tiles)],
        };
        self.tell(Event::Submit(Submission {
            client: ClientId(client),
            request: RequestId(self.requests),
            order: Order {
                name: name.map(str::to_owned),
                pool: pool.parse().unwrap(),
                spec: Arc::new(JobSpec {
                    plan: Plan::default(),
                    budget,
                }),
                lowered: Arc::new(count_of(tiles)),
                max_range: None,
            },
        }))
    }

    /// Answers assignments of one worker by commits until none comes any more.
    fn work(&mut self, worker: u64, effects: Vec<Effect>) -> Vec<Effect> {
        let (mut todo, mut others) = (effects, Vec::new());
        while !todo.is_empty() {
            let mine: Vec<Assignment> = assignments(&todo, worker);
            others.append(&mut todo);
            for a in mine {
                self.now += MS;
                todo.extend(self.from(worker, ToScheduler::Commit(commit(&a))));
            }
        }
        others
    }

    fn from(&mut self, worker: u64, message: ToScheduler) -> Vec<Effect> {
        self.tell(Event::FromWorker {
            worker: WorkerId(worker),
            epoch: EPOCH,
            messages: vec![message],
        })
    }
}

fn assignments(effects: &[Effect], of: u64) -> Vec<Assignment> {
    let messages = effects.iter().filter_map(|e| match e {
        Effect::Send {
            worker,
            message: ToWorker::Assign(a),
        } if worker.0 == of => Some(a.clone()),
        _ => None,
    });
    messages.collect()
}

fn commit(a: &Assignment) -> Commit {
    let one = Partial {
        first_group: 0,
        groups: 1,
        cells: 1,
        words: vec![1],
    };
    let node = |t: u64| Node {
        sink: SinkId { pass: 0, sink: 0 },
        key: TreeKey::leaf(0, t),
        partial: one.clone(),
    };
    Commit {
        job: a.job,
        stage: a.stage,
        ranges: vec![(a.id, a.range.clone())],
        nodes: a.range.clone().map(node).collect(),
        blocks: Vec::new(),
        stats: TaskStats {
            tiles: a.range.end - a.range.start,
            busy_ns: (a.range.end - a.range.start) * MS,
            ..TaskStats::default()
        },
        spans: Vec::new(),
        now: Instant(0),
    }
}

fn delivered(effects: &[Effect], to: u64) -> Vec<Vec<u8>> {
    let blocks = effects.iter().filter_map(|e| match e {
        Effect::Deliver { client, block, .. } if client.0 == to => Some(block.bytes.clone()),
        _ => None,
    });
    blocks.collect()
}

fn ended(effects: &[Effect], of: u64) -> Option<JobEnd> {
    effects.iter().find_map(|e| match e {
        Effect::Ended { client, end, .. } if client.0 == of => Some(end.clone()),
        _ => None,
    })
}

fn refused(effects: &[Effect]) -> Option<&Refusal> {
    effects.iter().find_map(|e| match e {
        Effect::Refused { refusal, .. } => Some(refusal),
        _ => None,
    })
}

fn count(n: i64) -> Vec<Vec<u8>> {
    vec![n.to_le_bytes().to_vec()]
}
