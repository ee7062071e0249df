//! The simulation and the replay against what can be told by hand.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use dasklike_scaling::replay::{Replay, ReplayError};
use dasklike_scaling::simulate::{
    Job, Kind, Orders, Ours, Random, Report, Scaler, Stage, Trace, World, run,
};
use dasklike_scaling::{History, Observed, Policy, Record, decide};
use jiff::{SignedDuration, Timestamp};

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// Pods that take exactly three seconds to start.
fn world(max: u32) -> World {
    let mut world = World::new(1, max);
    world.start_seconds = (3.0, 3.0);
    world
}

fn tasks(at: f64, count: usize, each: f64) -> Job {
    Job::new(at, [Stage::new(Kind(0), vec![each; count])])
}

/// So many workers at these times.
struct Plan(Vec<(i64, u32)>);

impl Scaler for Plan {
    fn period(&self) -> Option<SignedDuration> {
        Some(seconds(1))
    }

    fn decide(&mut self, now: Timestamp, _: &Observed) -> Orders {
        let begun = self.0.iter().rfind(|(at, _)| *at <= now.as_second());
        Orders {
            replicas: begun.map_or(0, |(_, replicas)| *replicas),
            ..Orders::default()
        }
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

#[test]
fn one_worker_does_four_tasks_two_at_a_time() {
    let trace = Trace::new([tasks(0.0, 4, 5.0)], seconds(30));
    let report = run(&world(1), &trace, &mut Plan(vec![(0, 1), (20, 0)]));
    // Three seconds of start, then twice five.
    close(report.job_seconds, 13.0);
    close(report.waiting_seconds, 3.0);
    close(report.pod_seconds, 20.0);
    assert_eq!((report.ups, report.downs, report.peak), (1, 1, 1));
    assert_eq!(report.unfinished, 0);
}

#[test]
fn who_goes_finishes_its_tasks_unless_it_takes_too_long() {
    let trace = Trace::new([tasks(0.0, 2, 20.0)], seconds(100));
    let plan = || Plan(vec![(0, 1), (5, 0), (50, 1)]);
    let report = run(&world(1), &trace, &mut plan());
    close(report.job_seconds, 23.0);
    assert_eq!(report.rerun_scaled, 0);
    let mut hasty = world(1);
    hasty.drain = seconds(10);
    let report = run(&hasty, &trace, &mut plan());
    assert_eq!(report.rerun_scaled, 2);
    close(report.rerun_scaled_seconds, 2.0 * 12.0);
    close(report.job_seconds, 73.0);
}

#[test]
fn a_stage_waits_for_the_one_before() {
    let stages = [Stage::new(Kind(0), [5.0, 1.0]), Stage::new(Kind(1), [1.0])];
    let trace = Trace::new([Job::new(0.0, stages)], seconds(30));
    let report = run(&world(1), &trace, &mut Plan(vec![(0, 1)]));
    close(report.job_seconds, 3.0 + 5.0 + 1.0);
}

#[test]
fn what_a_dead_worker_had_runs_again() {
    let trace = Trace::new([tasks(0.0, 200, 2.0)], seconds(3000));
    let mut deadly = world(4);
    deadly.life_seconds = Some(20.0);
    let report = run(&deadly, &trace, &mut Ours::new(Policy::up_to(4)));
    assert!(report.rerun_died > 0);
    assert_eq!((report.rerun_scaled, report.unfinished), (0, 0));
}

#[test]
fn pods_without_a_node_cost_nothing_and_come_when_there_is_one() {
    let mut small = world(4);
    let capacity = |from_seconds, pods| dasklike_scaling::simulate::Capacity { from_seconds, pods };
    small.capacity = vec![capacity(0.0, 0), capacity(20.0, 1)];
    let trace = Trace::new([tasks(1.0, 2, 1.0)], seconds(30));
    let report = run(&small, &trace, &mut Plan(vec![(1, 1)]));
    close(report.job_seconds, 19.0 + 3.0 + 1.0);
    close(report.pod_seconds, 10.0);
}

#[test]
fn nothing_stays_after_the_work_is_done() {
    let trace = Trace::new([tasks(10.0, 400, 2.0)], seconds(400));
    let report = run(&world(20), &trace, &mut Ours::new(Policy::up_to(20)));
    let last = report.timeline.last().unwrap();
    assert_eq!((last.replicas, last.workers), (0, 1), "{last:?}");
    assert_eq!(report.unfinished, 0);
}

/// Random work, and what our policy makes of it, as a log.
fn log(seed: u64) -> (Trace, Report, Vec<Record>) {
    struct Logging {
        policy: Policy,
        history: History,
        records: Vec<Record>,
    }
    impl Scaler for Logging {
        fn period(&self) -> Option<SignedDuration> {
            None
        }
        fn decide(&mut self, now: Timestamp, observed: &Observed) -> Orders {
            let decision = decide(&self.policy, observed, &self.history, now);
            self.history = self.history.after(&self.policy, observed, &decision, now);
            self.records.push(Record {
                time: now,
                cluster: "space/name".to_owned(),
                pool: "default".to_owned(),
                policy: self.policy.clone(),
                observed: observed.clone(),
                decision: decision.clone(),
            });
            Orders {
                replicas: decision.replicas,
                retire: decision.retire,
                recheck_after: decision.recheck_after,
                ..Orders::default()
            }
        }
    }
    let mut random = Random::new(seed);
    let mut at = 0.0;
    let jobs: Vec<Job> = (0..60)
        .map(|_| {
            at += random.exponential(10.0);
            tasks(at, 1 + (random.number() % 40) as usize, 1.5)
        })
        .collect();
    let trace = Trace::new(jobs, seconds(at as i64 + 300));
    let mut logging = Logging {
        policy: Policy::up_to(10),
        history: History::default(),
        records: Vec::new(),
    };
    let report = run(&world(10), &trace, &mut logging);
    (trace, report, logging.records)
}

#[test]
fn a_log_tells_what_came_and_what_it_cost() {
    for seed in 1..=5 {
        let (trace, report, records) = log(seed);
        let replay = Replay::new(&records).unwrap();
        let again = replay.run(&Policy::up_to(10));
        let near = |a: f64, b: f64, what: &str| {
            assert!(
                (a / b - 1.0).abs() < 0.1,
                "seed {seed}: {what}: {a} for {b}"
            );
        };
        near(replay.trace().work_seconds(), trace.work_seconds(), "work");
        near(replay.trace().tasks() as f64, trace.tasks() as f64, "tasks");
        near(
            replay.recorded().pod_seconds,
            report.pod_seconds,
            "recorded pods",
        );
        near(again.pod_seconds, report.pod_seconds, "pods");
        let few = replay.run(&Policy::up_to(1));
        assert!(few.job_seconds > again.job_seconds, "seed {seed}");
        assert!(few.pod_seconds < again.pod_seconds, "seed {seed}");
        assert!(again.timeline.iter().all(|frame| frame.reason.is_some()));
    }
}

#[test]
fn the_same_gives_the_same() {
    let (_, report, records) = log(7);
    let (_, again, _) = log(7);
    assert_eq!(report, again);
    let replay = Replay::new(&records).unwrap();
    let policy = Policy::up_to(3);
    assert_eq!(replay.run(&policy), replay.run(&policy));
}

#[test]
fn a_log_of_two_pools_or_of_none_is_refused() {
    assert_eq!(Replay::new(&[]).unwrap_err(), ReplayError::Empty);
    let (_, _, mut records) = log(1);
    records[1].pool = "gpu".to_owned();
    let error = Replay::new(&records).unwrap_err().to_string();
    assert!(
        error.contains("space/name default") && error.contains("space/name gpu"),
        "{error}"
    );
}
