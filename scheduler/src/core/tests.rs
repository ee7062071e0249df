//! Directed tests of what a random simulation meets seldom: names, kept results, fairness, silence, poison.

use super::effect::{Effect, JobEnd, Refusal};
use super::event::{Event, Submission};
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
            task_bytes: tiles,
            chunks: Vec::new(),
        };
        self.tell(Event::Submit(Submission {
            client: ClientId(client),
            request: RequestId(self.requests),
            name: name.map(str::to_owned),
            pool: pool.parse().unwrap(),
            spec: Arc::new(JobSpec {
                plan: Plan::default(),
                budget,
            }),
            lowered: Arc::new(count_of(tiles)),
            max_range: None,
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

#[test]
fn an_anonymous_job_delivers_and_ends() {
    let mut b = Bench::new();
    b.connect(1);
    let effects = b.submit(1, None, 100);
    let effects = b.work(1, effects);
    assert_eq!(delivered(&effects, 1), count(100));
    assert_eq!(ended(&effects, 1), Some(JobEnd::Finished));
    let free = |e: &Effect| {
        matches!(
            e,
            Effect::Send {
                message: ToWorker::Free { .. },
                ..
            }
        )
    };
    assert!(effects.iter().any(free));
}

#[test]
fn a_named_job_waits_for_whoever_fetches_it_first() {
    let mut b = Bench::new();
    b.connect(1);
    let start = b.submit(1, Some("season"), 50);
    b.tell(Event::ClientGone {
        client: ClientId(1),
    });
    let effects = b.work(1, start);
    assert!(effects.iter().all(|e| !matches!(e, Effect::Deliver { .. })));
    let other = b.submit(2, Some("season"), 51);
    assert!(
        matches!(refused(&other), Some(Refusal::NameTaken { .. })),
        "{other:?}"
    );
    let attach = |client| Event::Attach {
        client: ClientId(client),
        request: RequestId(99),
        name: "season".into(),
    };
    let fetched = b.tell(attach(3));
    assert_eq!(
        (delivered(&fetched, 3), ended(&fetched, 3)),
        (count(50), Some(JobEnd::Finished))
    );
    let late = b.tell(attach(4));
    assert!(
        matches!(refused(&late), Some(Refusal::NoSuchJob { .. })),
        "{late:?}"
    );
}

#[test]
fn the_same_name_and_plan_join_the_running_job() {
    let mut b = Bench::new();
    let first = b.submit(1, Some("n"), 20);
    let second = b.submit(2, Some("n"), 20);
    let job = |effects: &[Effect]| match effects {
        [Effect::Accepted { job, .. }, ..] => *job,
        other => panic!("not accepted: {other:?}"),
    };
    assert_eq!(job(&first), job(&second));
    let start = b.connect(1);
    let effects = b.work(1, start);
    assert_eq!(
        (delivered(&effects, 1), delivered(&effects, 2)),
        (count(20), count(20))
    );
}

#[test]
fn kept_results_expire() {
    let mut b = Bench::new();
    b.connect(1);
    let start = b.submit(1, Some("n"), 5);
    b.tell(Event::ClientGone {
        client: ClientId(1),
    });
    b.work(1, start);
    b.now += Config::default().kept_ns + MS;
    b.tell(Event::Tick);
    let late = b.tell(Event::Attach {
        client: ClientId(2),
        request: RequestId(99),
        name: "n".into(),
    });
    assert!(
        matches!(refused(&late), Some(Refusal::NoSuchJob { .. })),
        "{late:?}"
    );
}

#[test]
fn a_named_job_with_large_results_is_refused() {
    let mut b = Bench::new();
    let mut lowered = count_of(1);
    lowered.outputs[0].shape = vec![1 << 40, 1 << 40];
    let budget = Budget {
        task_bytes: 0,
        chunks: Vec::new(),
    };
    let refused_with = b.tell(Event::Submit(Submission {
        client: ClientId(1),
        request: RequestId(1),
        name: Some("huge".into()),
        pool: PoolName::default(),
        spec: Arc::new(JobSpec {
            plan: Plan::default(),
            budget,
        }),
        lowered: Arc::new(lowered),
        max_range: None,
    }));
    assert!(
        matches!(
            refused(&refused_with),
            Some(Refusal::ResultsTooLarge { .. })
        ),
        "{refused_with:?}"
    );
}

#[test]
fn a_late_small_job_does_not_wait_for_a_large_one() {
    let mut b = Bench::new();
    let first = b.connect(1);
    assert!(assignments(&first, 1).is_empty());
    let mut todo = assignments(&b.submit(1, None, 100_000), 1);
    for _ in 0..20 {
        let a = todo.remove(0);
        b.now += MS;
        todo.extend(assignments(&b.from(1, ToScheduler::Commit(commit(&a))), 1));
    }
    todo.extend(assignments(&b.submit(2, None, 10), 1));
    // The small job's tiles come as soon as there is room, not after those of the large one.
    let mut turns = 0;
    while b.state.job(JobId(2)).is_some_and(|j| j.state.is_live()) {
        let a = todo.remove(0);
        b.now += MS;
        todo.extend(assignments(&b.from(1, ToScheduler::Commit(commit(&a))), 1));
        turns += 1;
    }
    let large = b.state.job(JobId(1)).map(|j| j.stages[0].done);
    assert!(
        large < Some(60_000),
        "{large:?} tiles of the large job came first, {turns} turns"
    );
}

#[test]
fn a_silent_worker_is_lost_and_its_tiles_run_elsewhere() {
    let mut b = Bench::new();
    b.connect(1);
    let first = b.submit(1, None, 10);
    assert!(!assignments(&first, 1).is_empty());
    b.now += Config::default().heartbeat_timeout_ns;
    let lost = b.tell(Event::Tick);
    assert!(
        lost.iter().any(|e| matches!(
            e,
            Effect::Disconnect {
                worker: WorkerId(1),
                ..
            }
        )),
        "{lost:?}"
    );
    let late = assignments(&first, 1)
        .iter()
        .map(|a| ToScheduler::Commit(commit(a)))
        .collect();
    b.tell(Event::FromWorker {
        worker: WorkerId(1),
        epoch: EPOCH,
        messages: late,
    });
    let start = b.connect(2);
    let effects = b.work(2, start);
    assert_eq!(delivered(&effects, 1), count(10));
    assert_eq!(b.state.totals().rerun_lost, 1);
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_its_work_is_counted_apart() {
    let mut b = Bench::new();
    b.connect(1);
    let first = b.submit(1, None, 10);
    assert!(!assignments(&first, 1).is_empty());
    let worker = WorkerId(1);
    for deadline in [5 * MS, 3 * MS, 9 * MS] {
        let deadline = Some(Instant(b.now + deadline));
        b.tell(Event::DrainWorker { worker, deadline });
    }
    b.now += 2 * MS;
    b.tell(Event::Tick);
    assert_eq!(b.state.workers().count(), 1, "it has time left");
    b.now += MS;
    let cut = b.tell(Event::Tick);
    let closed = |e: &Effect| matches!(e, Effect::Disconnect { worker: w, .. } if *w == worker);
    assert!(
        cut.iter().any(closed),
        "the earliest deadline counts: {cut:?}"
    );
    let totals = b.state.totals();
    assert_eq!((totals.rerun_drained, totals.rerun_lost), (1, 0));
    let start = b.connect(2);
    let effects = b.work(2, start);
    assert_eq!(delivered(&effects, 1), count(10));
}

#[test]
fn a_task_that_kills_its_workers_fails_its_job_by_name() {
    let mut b = Bench::new();
    b.submit(1, None, 100);
    let poison = 37;
    for worker in 1..20 {
        let mut todo = b.connect(worker);
        loop {
            let next = assignments(&todo, worker);
            let Some(a) = next.into_iter().find(|a| !a.range.contains(&poison)) else {
                break;
            };
            todo.retain(
                |e| !matches!(e, Effect::Send { message: ToWorker::Assign(of), .. } if *of == a),
            );
            b.now += MS;
            todo.extend(b.from(worker, ToScheduler::Commit(commit(&a))));
        }
        let effects = b.tell(Event::WorkerGone {
            worker: WorkerId(worker),
        });
        if let Some(end) = ended(&effects, 1) {
            let JobEnd::Failed(error) = end else {
                panic!("{end:?}")
            };
            assert_eq!(error.kind, ErrorKind::WorkersLost);
            assert!(error.message.contains("task 37 of stage 0"), "{error}");
            assert_eq!(worker, 3, "it took another number of workers");
            return;
        }
    }
    panic!("the job went on for ever");
}

#[test]
fn messages_of_another_epoch_are_dropped() {
    let mut b = Bench::new();
    b.connect(1);
    let a = assignments(&b.submit(1, None, 1), 1).remove(0);
    let messages = vec![ToScheduler::Commit(commit(&a))];
    b.tell(Event::FromWorker {
        worker: WorkerId(1),
        epoch: Epoch(6),
        messages,
    });
    assert_eq!(
        b.state.job(a.job).map(|j| j.state.clone()),
        Some(JobState::Running)
    );
}

#[test]
fn a_commit_of_tiles_that_the_worker_does_not_have_ends_its_connection() {
    let mut b = Bench::new();
    b.connect(1);
    let a = assignments(&b.submit(1, None, 10), 1).remove(0);
    let effects = b.from(
        1,
        ToScheduler::Commit(commit(&Assignment { range: 0..10, ..a })),
    );
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Disconnect { .. })),
        "{effects:?}"
    );
}

#[test]
fn a_story_says_where_a_tile_is() {
    let mut b = Bench::new();
    b.submit(1, None, 10);
    let story = |b: &Bench| b.state.story(JobId(1), StageId(0), Tile(0));
    let waits = story(&b);
    assert!(waits.contains("no worker of pool default"), "{waits}");
    let start = b.connect(1);
    assert!(story(&b).contains("with worker 1 (w1)"), "{}", story(&b));
    b.work(1, start);
    assert!(story(&b).contains("job 1 is finished"), "{}", story(&b));
    assert!(story(&b).contains("committed by worker 1"), "{}", story(&b));
}

#[test]
fn a_job_runs_on_its_own_pools_workers_only() {
    let mut b = Bench::new();
    b.connect(1);
    let effects = b.submit_to("big", 1, None, 50);
    assert!(assignments(&effects, 1).is_empty(), "{effects:?}");
    let story = b.state.story(JobId(1), StageId(0), Tile(0));
    assert!(story.contains("no worker of pool big"), "{story}");
    // The other pool's worker goes on with its own work meanwhile, all of it.
    let effects = b.submit(2, None, 30);
    let effects = b.work(1, effects);
    assert_eq!(delivered(&effects, 2), count(30));
    let effects = b.connect_to(2, "big");
    let effects = b.work(2, effects);
    assert_eq!(delivered(&effects, 1), count(50));
    assert_eq!(ended(&effects, 1), Some(JobEnd::Finished));
}

#[test]
fn nothing_is_stolen_across_pools() {
    let mut b = Bench::new();
    b.connect(1);
    let mine = b.submit(1, None, 4);
    assert!(!assignments(&mine, 1).is_empty());
    let effects = b.connect_to(2, "big");
    let revoked = |e: &Effect| {
        matches!(
            e,
            Effect::Send {
                message: ToWorker::Revoke { .. },
                ..
            }
        )
    };
    assert!(!effects.iter().any(revoked), "{effects:?}");
    // A worker of the same pool is given some.
    b.now += MS;
    let effects = b.connect(3);
    assert!(
        effects.iter().any(revoked) || !assignments(&effects, 3).is_empty(),
        "{effects:?}"
    );
}

/// Were it given back to the worker that it was taken from, it would go to and fro until that one has run it.
#[test]
fn what_a_busy_worker_gives_back_goes_to_an_idle_one() {
    let mut b = Bench::new();
    b.connect(1);
    let first = assignments(&b.submit(1, None, 3), 1).remove(0);
    let one = Assignment {
        range: 0..1,
        ..first
    };
    b.now += MS;
    let last = b.from(1, ToScheduler::Commit(commit(&one)));
    let last = assignments(&last, 1).remove(0);
    assert_eq!(
        last.range,
        2..3,
        "the first worker has the two that are left"
    );
    let asked = b.connect(2);
    let revoke = asked.iter().find_map(|e| match e {
        Effect::Send {
            message: ToWorker::Revoke { assignment, from },
            ..
        } => Some((*assignment, *from)),
        _ => None,
    });
    assert_eq!(revoke, Some((last.id, 2)));
    let (assignment, range) = (last.id, 2..3);
    let placed = b.from(1, ToScheduler::Revoked { assignment, range });
    assert!(assignments(&placed, 1).is_empty(), "{placed:?}");
    assert_eq!(assignments(&placed, 2)[0].range, 2..3);
}

#[test]
fn one_name_is_one_job_in_one_pool() {
    let mut b = Bench::new();
    b.submit(1, Some("n"), 20);
    let other = b.submit_to("big", 2, Some("n"), 20);
    assert!(
        matches!(refused(&other), Some(Refusal::NameTaken { .. })),
        "{other:?}"
    );
}

#[test]
fn demand_says_what_waits_where_and_since_when_nothing_does() {
    let mut b = Bench::new();
    let default = PoolName::default();
    let big: PoolName = "big".parse().unwrap();
    let quiet = b.state.demand();
    assert_eq!(
        (quiet.unfinished_jobs, quiet.idle_since),
        (0, Some(Instant(0)))
    );
    assert!(quiet.pools[&default].workers.is_empty());

    b.now = 5 * MS;
    b.submit_to("big", 1, None, 50);
    let waits = b.state.demand();
    assert_eq!((waits.unfinished_jobs, waits.idle_since), (1, None));
    assert_eq!(waits.pools[&big].queue.ready, 50);
    assert_eq!(waits.pools[&default].queue.ready, 0);

    let effects = b.connect_to(2, "big");
    let runs = b.state.demand();
    let queue = runs.pools[&big].queue;
    assert_eq!(queue.ready + queue.running, 50);
    assert!(queue.running > 0 && queue.seconds > 0.0);
    let worker = runs.pools[&big].workers["w2"];
    assert_eq!(
        (worker.slots, worker.busy_slots, worker.idle_since),
        (1, 1, None)
    );

    b.work(2, effects);
    let end = Some(Instant(b.now));
    b.now += 7 * MS;
    b.tell(Event::DrainWorker {
        worker: WorkerId(2),
        deadline: None,
    });
    let done = b.state.demand();
    assert_eq!((done.unfinished_jobs, done.idle_since), (0, end));
    let worker = done.pools[&big].workers["w2"];
    assert_eq!(
        (worker.busy_slots, worker.draining, worker.idle_since),
        (0, true, end)
    );
}
