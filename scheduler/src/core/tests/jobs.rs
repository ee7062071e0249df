//! Jobs: their names, what is kept of them, whose turn it is, and how they fail.

use super::*;

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
        order: Order {
            name: Some("huge".into()),
            pool: PoolName::default(),
            spec: Arc::new(JobSpec {
                plan: Plan::default(),
                budget,
            }),
            lowered: Arc::new(lowered),
            max_range: None,
        },
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
