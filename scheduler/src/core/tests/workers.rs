//! Workers: silent, drained, poisoned, idle, and those that break the protocol.

use super::*;

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
