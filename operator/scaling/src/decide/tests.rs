//! Tables of what is decided when.

use super::*;
use crate::observed::{SlotSeconds, Worker, WorkerState};
use std::num::NonZeroU32;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn demand(ready: u64, running: u64, blocked: u64, seconds: f64) -> Option<Demand> {
    Some(Demand {
        ready_tasks: ready,
        running_tasks: running,
        blocked_tasks: blocked,
        queue_seconds: SlotSeconds::new(seconds),
        held_bytes: 0,
        done_tasks: 0,
    })
}

fn worker(name: &str, state: WorkerState) -> Worker {
    Worker {
        name: name.to_owned(),
        state,
    }
}

fn busy(name: &str, slots: u32) -> Worker {
    worker(
        name,
        WorkerState::Connected {
            slots: 2,
            busy_slots: slots,
            idle_since: None,
            held_bytes: 0,
        },
    )
}

fn idle(name: &str, since: i64, held_bytes: u64) -> Worker {
    worker(
        name,
        WorkerState::Connected {
            slots: 2,
            busy_slots: 0,
            idle_since: Some(at(since)),
            held_bytes,
        },
    )
}

fn starting(name: &str, since: i64) -> Worker {
    worker(name, WorkerState::Starting { since: at(since) })
}

fn observed(workers: Vec<Worker>, demand: Option<Demand>) -> Observed {
    Observed {
        slots_per_worker: NonZeroU32::new(2).unwrap(),
        current: u32::try_from(workers.len()).unwrap(),
        workers,
        demand,
        unschedulable: 0,
    }
}

/// A pool in a row of moments, with what is remembered of them.
struct Pool {
    policy: Policy,
    history: History,
}

impl Pool {
    fn new(max: u32) -> Pool {
        Pool {
            policy: Policy::up_to(max),
            history: History::default(),
        }
    }

    fn with(change: impl FnOnce(&mut crate::PolicyFields)) -> Pool {
        let mut fields = Policy::up_to(10).fields().clone();
        change(&mut fields);
        Pool {
            policy: Policy::new(fields).unwrap(),
            history: History::default(),
        }
    }

    fn step(&mut self, second: i64, observed: &Observed) -> Decision {
        let decision = decide(&self.policy, observed, &self.history, at(second));
        self.history = self
            .history
            .after(&self.policy, observed, &decision, at(second));
        decision
    }

    fn see(&mut self, second: i64, observed: &Observed) {
        let _ = self.step(second, observed);
    }
}

#[test]
fn the_work_asks_for_workers() {
    let t = f64::from(Policy::up_to(1).fields().target_seconds);
    for (work, want) in [
        (demand(0, 0, 0, 0.0), 0),
        (demand(1, 0, 0, 0.01), 1),
        (demand(0, 1, 0, 1e6), 1),
        // What workers have that are not connected waits.
        (demand(0, 9, 0, 1e6), 5),
        (demand(0, 0, 50, 1e6), 1),
        (demand(100, 0, 0, 2.0 * t), 1),
        (demand(100, 0, 0, 2.4 * t), 1),
        (demand(100, 0, 0, 2.6 * t), 2),
        (demand(100, 0, 0, 6.0 * t), 3),
        (demand(5, 0, 0, 1e6), 3),
        (demand(3, 2, 900, 1e6), 3),
        (demand(100, 0, 0, 1e9), 10),
        (demand(u64::MAX, u64::MAX, u64::MAX, f64::INFINITY), 10),
        (demand(7, 0, 0, f64::NAN), 1),
    ] {
        let decision = Pool::new(10).step(0, &observed(vec![], work));
        assert_eq!(decision.replicas, want, "{work:?}: {}", decision.reason);
    }
}

#[test]
fn a_queue_that_is_only_blocked_keeps_one() {
    let mut pool = Pool::new(10);
    pool.see(0, &observed(vec![busy("a", 1)], demand(0, 1, 9, 10.0)));
    let waits = observed(vec![idle("a", 1, 0)], demand(0, 0, 9, 9.0));
    for second in [1, 100, 1000] {
        let decision = pool.step(second, &waits);
        assert_eq!((decision.replicas, decision.retire.len()), (1, 0));
    }
}

#[test]
fn it_says_why() {
    let mut pool = Pool::new(4);
    let decision = pool.step(0, &observed(vec![], demand(100, 0, 0, 1e4)));
    assert_eq!(decision.reason.name(), "AtMaximum");
    assert_eq!(decision.replicas, 4);
    let text = decision.reason.to_string();
    assert!(
        text.contains("100 tasks ready") && text.contains("10000.0 slot-seconds"),
        "{text}"
    );
    let decision = Pool::new(4).step(0, &observed(vec![], demand(0, 0, 0, 0.0)));
    assert_eq!(decision.reason.name(), "NoWork");
    assert_eq!(decision.recheck_after, None);
}

#[test]
fn idle_workers_go_after_a_while_and_the_last_after_the_window() {
    let mut pool = Pool::new(10);
    let four = |since| {
        let names = ["a", "b", "c", "d"];
        names.map(|name| idle(name, since, 0)).to_vec()
    };
    let work = demand(100, 0, 0, 1e6);
    pool.see(0, &observed(names_busy(), work));
    let nothing = demand(0, 0, 0, 0.0);
    let decision = pool.step(1, &observed(four(1), nothing));
    assert_eq!(
        (decision.replicas, decision.retire.len()),
        (4, 0),
        "{}",
        decision.reason
    );
    let keep = decision.recheck_after.unwrap();
    assert!(keep < pool.policy.window(), "{keep}");
    let soon = 1 + keep.as_secs();
    let decision = pool.step(soon + 1, &observed(four(1), nothing));
    assert_eq!(decision.retire, ["a", "b", "c"], "{}", decision.reason);
    assert_eq!(decision.replicas, 1);
    let last = observed(vec![idle("d", 1, 0)], nothing);
    let window = pool.policy.window().as_secs();
    assert_eq!(pool.step(window, &last).replicas, 1);
    let decision = pool.step(window + 2, &last);
    assert_eq!(
        (decision.replicas, decision.retire),
        (0, vec!["d".to_owned()])
    );
    assert_eq!(decision.reason.name(), "NoWork");
}

fn names_busy() -> Vec<Worker> {
    ["a", "b", "c", "d"].map(|name| busy(name, 2)).to_vec()
}

#[test]
fn who_never_came_goes_first_then_who_waits_longest_and_holds_least() {
    let mut pool = Pool::with(|fields| {
        fields.scale_down.stabilization_window_seconds = 0;
        fields.scale_down.max_percent = 100;
    });
    let workers = vec![
        idle("late", 90, 0),
        busy("works", 1),
        idle("holds", 10, 99),
        starting("older", 95),
        idle("early", 10, 5),
        starting("younger", 99),
    ];
    for second in [98, 99] {
        pool.see(second, &observed(workers.clone(), demand(0, 1, 0, 1.0)));
    }
    let decision = pool.step(100, &observed(workers, demand(0, 1, 0, 1.0)));
    assert_eq!(
        decision.retire,
        ["younger", "older", "early", "holds", "late"]
    );
    assert_eq!(decision.replicas, 1);
}

#[test]
fn who_has_work_goes_only_above_the_maximum() {
    let mut pool = Pool::new(3);
    let workers = vec![
        busy("a", 2),
        busy("b", 1),
        busy("c", 2),
        busy("d", 2),
        starting("e", 0),
    ];
    let decision = pool.step(0, &observed(workers, demand(0, 7, 0, 7.0)));
    assert_eq!(decision.retire, ["e", "b"]);
    assert_eq!(
        (decision.replicas, decision.reason.name()),
        (3, "OutOfBounds")
    );
}

#[test]
fn a_step_takes_a_quarter_of_those_that_worked_a_moment_ago() {
    let mut pool = Pool::with(|fields| fields.scale_down.stabilization_window_seconds = 10);
    let eight = |now: i64| {
        (0..8)
            .map(|i| idle(&format!("w{i}"), now, 0))
            .collect::<Vec<_>>()
    };
    let little = demand(0, 1, 0, 0.1);
    pool.see(0, &observed(eight(0), little));
    let counts: Vec<usize> = (1..30)
        .map(|second| {
            pool.step(second, &observed(eight(second), little))
                .retire
                .len()
        })
        .filter(|count| *count > 0)
        .collect();
    assert_eq!(counts, [2, 2, 2, 2]);
}

#[test]
fn nothing_changes_while_it_is_not_known_what_there_is_to_do() {
    for (current, min, max, replicas) in [(5_u32, 0, 10, 5), (0, 2, 10, 2), (9, 0, 4, 4)] {
        let mut pool = Pool::with(|fields| {
            fields.min_replicas = min;
            fields.max_replicas = max;
        });
        let workers: Vec<_> = (0..current)
            .map(|i| idle(&format!("w{i}"), -900, 0))
            .collect();
        for second in [0, 10, 1000] {
            let decision = pool.step(second, &observed(workers.clone(), None));
            assert_eq!(decision.replicas, replicas);
            assert_eq!(decision.hold, Some(Hold::MetricsStale));
            assert_eq!(decision.retire.len() as u32, current.saturating_sub(max));
        }
        // What was not known for long may have been needed until now.
        let decision = pool.step(1001, &observed(workers, demand(0, 0, 0, 0.0)));
        assert_eq!(decision.replicas, replicas);
    }
}

#[test]
fn pods_without_a_node_are_a_reason_to_make_no_more() {
    let mut pool = Pool::new(10);
    let mut seen = observed(vec![busy("a", 2), starting("b", 0)], demand(50, 2, 0, 1e5));
    seen.unschedulable = 1;
    let decision = pool.step(5, &seen);
    assert_eq!(
        (decision.replicas, decision.hold),
        (2, Some(Hold::Unschedulable { pods: 1 }))
    );
    assert_eq!(decision.reason.name(), "Unschedulable");
    seen.unschedulable = 0;
    assert_eq!(pool.step(6, &seen).replicas, 10);
}

#[test]
fn workers_that_do_not_come_put_off_more_of_them_for_a_while() {
    let mut pool = Pool::new(10);
    pool.see(0, &observed(vec![], demand(4, 0, 0, 1e5)));
    let seen = observed(
        vec![starting("a", 0), starting("b", 0)],
        demand(50, 0, 0, 1e5),
    );
    assert_eq!(pool.step(30, &seen).replicas, 10, "there is still hope");
    assert_eq!(pool.step(61, &seen).replicas, 2, "it is judged now");
    let decision = pool.step(62, &seen);
    assert_eq!(
        (decision.replicas, decision.reason.name()),
        (2, "Ineffective")
    );
    let wait = decision.recheck_after.unwrap().as_secs();
    assert_eq!(
        pool.step(62 + wait, &seen).replicas,
        10,
        "it is tried again"
    );
}

#[test]
fn workers_that_get_no_work_put_off_more_of_them() {
    let mut pool = Pool::new(10);
    let workers = || vec![busy("a", 2), idle("b", 3, 0), idle("c", 3, 0)];
    pool.see(0, &observed(vec![busy("a", 2)], demand(3, 2, 0, 1e5)));
    let seen = observed(workers(), demand(90, 2, 0, 1e5));
    pool.see(61, &seen);
    assert_eq!(pool.step(62, &seen).reason.name(), "Ineffective");
    let works = observed(
        vec![busy("a", 2), busy("b", 2), busy("c", 1)],
        demand(90, 5, 0, 1e5),
    );
    assert_eq!(pool.step(500, &works).replicas, 10);
}

#[test]
fn pods_that_do_not_come_while_others_do_are_no_supply() {
    let mut pool = Pool::new(10);
    let work = demand(4, 0, 0, 1e5);
    pool.see(0, &observed(vec![starting("stuck", 0)], work));
    pool.see(
        50,
        &observed(vec![starting("stuck", 0), starting("comes", 50)], work),
    );
    let seen = observed(
        vec![starting("stuck", 0), busy("comes", 2)],
        demand(2, 2, 0, 1e5),
    );
    pool.see(53, &seen);
    assert_eq!(pool.step(54, &seen).replicas, 2);
    assert_eq!(pool.step(70, &seen).replicas, 3);
}

#[test]
fn additions_are_bounded_in_a_period() {
    let mut pool = Pool::with(|fields| {
        fields.scale_up.max_pods = 2;
        fields.scale_up.max_percent = 100;
    });
    let work = demand(90, 0, 0, 1e5);
    let many = |n: i64| observed((0..n).map(|i| busy(&format!("w{i}"), 2)).collect(), work);
    let first = pool.step(0, &many(0));
    assert_eq!((first.replicas, first.reason.name()), (2, "RateLimited"));
    let second = pool.step(1, &many(2));
    assert_eq!(second.replicas, 2);
    assert_eq!(second.recheck_after.unwrap(), SignedDuration::from_secs(14));
    assert_eq!(pool.step(15, &many(2)).replicas, 4);
    assert_eq!(pool.step(30, &many(4)).replicas, 8);
    assert_eq!(pool.step(31, &many(8)).replicas, 8);
}

#[test]
fn tasks_that_take_longer_than_was_thought_ask_for_more() {
    let mut pool = Pool::new(10);
    let seen = observed(vec![busy("a", 2)], demand(18, 2, 0, 2.0));
    assert_eq!(pool.step(0, &seen).replicas, 1);
    let t = i64::from(pool.policy.fields().target_seconds);
    let decision = pool.step(t, &seen);
    assert_eq!(
        decision.replicas, 10,
        "20 tasks of {t} s each in {t} s: {}",
        decision.reason
    );
    let fewer = observed(vec![busy("a", 2)], demand(17, 2, 0, 2.0));
    assert_eq!(pool.step(t + 1, &fewer).want, 1, "one is done");
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut pool = Pool::new(10);
    let seen = observed(vec![idle("a", 0, 0), idle("b", 0, 0)], demand(0, 0, 0, 0.0));
    pool.see(
        0,
        &observed(vec![busy("a", 2), busy("b", 2)], demand(9, 4, 0, 1e4)),
    );
    pool.see(100, &seen);
    let there = decide(&pool.policy, &seen, &pool.history, at(100));
    for second in [99, 0, -1_000_000] {
        assert_eq!(
            decide(&pool.policy, &seen, &pool.history, at(second)),
            there
        );
        let after = |second| pool.history.after(&pool.policy, &seen, &there, at(second));
        assert_eq!(after(second), after(100));
    }
}

#[test]
fn what_runs_has_its_slots_and_what_waits_gets_more() {
    let t = f64::from(Policy::up_to(1).fields().target_seconds);
    let goes = |busy_slots| worker("goes", WorkerState::Draining { busy_slots });
    for (workers, work, want) in [
        (vec![busy("a", 2), busy("b", 2)], demand(0, 4, 0, 1e6), 2),
        (vec![busy("a", 2), busy("b", 2)], demand(6, 4, 0, 4.0), 2),
        (
            vec![busy("a", 2), busy("b", 2)],
            demand(4, 4, 0, 4.0 * t),
            3,
        ),
        (vec![busy("a", 2), busy("b", 2)], demand(96, 4, 0, 1e6), 10),
        // Only two of these run: the others are next on their worker, as good as ready.
        (vec![busy("a", 2)], demand(0, 10, 0, 5.0 * t), 3),
        (vec![busy("a", 2)], demand(0, 10, 0, 0.1), 1),
        // What a worker that goes still computes needs no other.
        (vec![goes(2)], demand(0, 2, 0, 1e6), 1),
        (vec![goes(2), busy("a", 2)], demand(0, 4, 0, 1e6), 1),
    ] {
        let decision = Pool::new(10).step(0, &observed(workers, work));
        assert_eq!(decision.want, want, "{work:?}: {}", decision.reason);
    }
}

#[test]
fn what_is_only_told_again_and_again_is_not_added_up() {
    let mut pool = Pool::with(|fields| {
        fields.scale_up.max_pods = 2;
        fields.dry_run = true;
    });
    let seen = observed(vec![], demand(90, 0, 0, 1e5));
    for second in [0, 1, 2, 100, 200] {
        let decision = pool.step(second, &seen);
        assert_eq!((decision.replicas, decision.hold), (2, None));
    }
}

#[test]
fn workers_that_a_new_scheduler_has_not_seen_are_neither_new_nor_stuck() {
    let mut pool = Pool::new(10);
    let names = ["a", "b", "c"];
    let work = |running| demand(0, running, 0, 30.0);
    let works = || observed(names.map(|name| busy(name, 2)).to_vec(), work(6));
    let gone = || observed(names.map(|name| starting(name, -900)).to_vec(), work(6));
    for second in 0..100 {
        pool.see(second, &works());
    }
    pool.see(100, &observed(vec![starting("d", 100)], work(6)));
    pool.see(102, &observed(vec![busy("d", 2)], work(6)));
    let start = pool.history.start();
    for second in 103..110 {
        assert_eq!(pool.step(second, &gone()).replicas, 3);
    }
    pool.see(110, &works());
    assert_eq!(pool.history.start(), start);
}
