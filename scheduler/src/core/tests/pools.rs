//! Pools: each has its own jobs, workers and demand.

use super::*;

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
    assert_eq!(
        (queue.ready + queue.running, runs.pools[&big].done),
        (50, 0)
    );
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
    assert_eq!((done.pools[&big].done, done.pools[&default].done), (50, 0));
    let worker = done.pools[&big].workers["w2"];
    assert_eq!(
        (worker.busy_slots, worker.draining, worker.idle_since),
        (0, true, end)
    );
}
