//! What holds of every decision, whatever is seen and remembered.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use dasklike_scaling::simulate::{Job, Kind, Ours, Stage, Trace, World, run};
use dasklike_scaling::{
    Decision, Demand, History, Observed, Policy, PolicyFields, ScaleDown, ScaleUp, SlotSeconds,
    Worker, WorkerState, decide,
};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::num::NonZeroU32;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000 + millis).unwrap()
}

fn policies() -> impl Strategy<Value = Policy> {
    let up = (0..5_u32, 0..200_u32, 1..60_u32);
    let down = (0..120_u32, 1..=100_u32);
    (0..5_u32, 0..20_u32, 1..60_u32, up, down).prop_map(|(min, more, target, up, down)| {
        let (max_pods, max_percent, period_seconds) = up;
        let (stabilization_window_seconds, percent) = down;
        Policy::new(PolicyFields {
            min_replicas: min,
            max_replicas: min + more,
            target_seconds: target,
            scale_up: ScaleUp {
                max_pods,
                max_percent,
                period_seconds,
            },
            scale_down: ScaleDown {
                stabilization_window_seconds,
                max_percent: percent,
            },
            dry_run: false,
        })
        .unwrap()
    })
}

fn demands() -> impl Strategy<Value = Demand> {
    let some = || prop_oneof![Just(0_u64), 0..60_u64];
    let numbers = (some(), some(), some(), 0.0..500.0_f64, 0..3_u64);
    numbers.prop_map(|(ready, running, blocked, seconds, done)| Demand {
        ready_tasks: ready,
        running_tasks: running,
        blocked_tasks: blocked,
        queue_seconds: SlotSeconds::new(seconds),
        held_bytes: 0,
        done_tasks: done,
    })
}

fn states() -> impl Strategy<Value = WorkerState> {
    let since = -100_000..100_000_i64;
    prop_oneof![
        since
            .clone()
            .prop_map(|since| WorkerState::Starting { since: at(since) }),
        (1..=2_u32).prop_map(|busy_slots| WorkerState::Connected {
            slots: 2,
            busy_slots,
            idle_since: None,
            held_bytes: 0,
        }),
        (since, 0..3_u64).prop_map(|(since, held_bytes)| WorkerState::Connected {
            slots: 2,
            busy_slots: 0,
            idle_since: Some(at(since)),
            held_bytes,
        }),
        (0..=2_u32).prop_map(|busy_slots| WorkerState::Draining { busy_slots }),
    ]
}

fn seen() -> impl Strategy<Value = Observed> {
    let unschedulable = prop_oneof![4 => Just(0), 1 => 1..3_u32];
    let demand = prop::option::weighted(0.9, demands());
    (vec(states(), 0..16), demand, unschedulable, 0..25_u32).prop_map(
        |(states, demand, unschedulable, current)| {
            let named = |(i, state)| Worker {
                name: format!("worker-{i}"),
                state,
            };
            Observed {
                slots_per_worker: NonZeroU32::new(2).unwrap(),
                workers: states.into_iter().enumerate().map(named).collect(),
                demand,
                unschedulable,
                current,
            }
        },
    )
}

/// A policy, what came of a few observations, another observation, and its time.
#[derive(Clone, Debug)]
struct Case {
    policy: Policy,
    history: History,
    observed: Observed,
    now: i64,
}

fn cases() -> impl Strategy<Value = Case> {
    let before = vec((seen(), 1..40_000_i64), 0..6);
    (policies(), before, seen(), 1..40_000_i64).prop_map(|(policy, before, observed, later)| {
        let mut history = History::default();
        let mut now = 0;
        for (seen, later) in before {
            now += later;
            let decision = decide(&policy, &seen, &history, at(now));
            history = history.after(&policy, &seen, &decision, at(now));
        }
        Case {
            policy,
            history,
            observed,
            now: now + later,
        }
    })
}

impl Case {
    fn decide(&self) -> Decision {
        self.decide_on(&self.observed)
    }

    fn decide_on(&self, observed: &Observed) -> Decision {
        decide(&self.policy, observed, &self.history, at(self.now))
    }

    fn worker(&self, name: &str) -> &Worker {
        let mut workers = self.observed.workers.iter();
        workers.find(|worker| worker.name == name).unwrap()
    }
}

/// Failures are told with their seed; nothing is written beside the sources.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn it_is_within_the_bounds(case in cases()) {
        let decision = case.decide();
        let (min, max) = (case.policy.min(), case.policy.max());
        prop_assert!((min..=max).contains(&decision.replicas));
        prop_assert!((min..=max).contains(&decision.want));
        let stay = case.observed.live() - decision.retire.len() as u32;
        prop_assert!(stay <= max, "{stay} stay");
    }

    #[test]
    fn who_has_work_stays_while_another_may_go(case in cases()) {
        let decision = case.decide();
        let goes = |worker: &Worker| decision.retire.contains(&worker.name);
        let busy = decision.retire.iter().filter(|name| case.worker(name).is_busy()).count();
        let others = case.observed.workers.iter();
        let spared = others.filter(|worker| worker.is_live() && !worker.is_busy() && !goes(worker)).count();
        prop_assert!(busy == 0 || spared == 0, "{busy} busy ones go and {spared} others stay");
        let above = case.observed.live().saturating_sub(case.policy.max()) as usize;
        prop_assert!(busy <= above);
    }

    #[test]
    fn each_goes_once_and_only_who_is_there(case in cases()) {
        let mut retire = case.decide().retire;
        prop_assert!(retire.iter().all(|name| case.worker(name).is_live()));
        retire.sort();
        retire.dedup();
        prop_assert_eq!(retire.len(), case.decide().retire.len());
    }

    #[test]
    fn no_fewer_are_wanted_than_stay(case in cases()) {
        prop_assume!(case.observed.demand.is_some());
        let decision = case.decide();
        prop_assert!(decision.replicas >= case.observed.live() - decision.retire.len() as u32);
    }

    #[test]
    fn more_work_never_asks_for_fewer(case in cases(), more in demands()) {
        let Some(demand) = case.observed.demand else { return Ok(()) };
        let fewer = case.decide().replicas;
        let seconds = demand.queue_seconds.get() + more.queue_seconds.get();
        let with = |change: fn(&mut Demand, &Demand)| {
            let mut observed = case.observed.clone();
            let mut grown = demand;
            change(&mut grown, &more);
            observed.demand = Some(grown);
            case.decide_on(&observed).replicas
        };
        prop_assert!(with(|all, more| all.ready_tasks += more.ready_tasks) >= fewer, "ready");
        // What runs more must take something, or what waits takes less.
        let running = with(|all, more| {
            let grown = 1.0 + more.running_tasks as f64 / all.tasks().max(1) as f64;
            all.running_tasks += more.running_tasks;
            all.queue_seconds = SlotSeconds::new(all.queue_seconds.get() * grown);
        });
        prop_assert!(running >= fewer, "running");
        prop_assert!(with(|all, more| all.blocked_tasks += more.blocked_tasks) >= fewer, "blocked");
        let mut observed = case.observed.clone();
        observed.demand = Some(Demand { queue_seconds: SlotSeconds::new(seconds), ..demand });
        prop_assert!(case.decide_on(&observed).replicas >= fewer, "seconds");
    }

    #[test]
    fn what_is_not_known_changes_nothing(mut case in cases()) {
        case.observed.demand = None;
        let decision = case.decide();
        prop_assert_eq!(decision.replicas, case.policy.clamp(case.observed.current));
        let above = case.observed.live().saturating_sub(case.policy.max()) as usize;
        prop_assert_eq!(decision.retire.len(), above);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing(case in cases(), back in 0..1_000_000_i64) {
        let decision = case.decide();
        let history = case.history.after(&case.policy, &case.observed, &decision, at(case.now));
        let then = |now| decide(&case.policy, &case.observed, &history, at(now));
        prop_assert_eq!(then(case.now), then(case.now - back));
        let after = |now| history.after(&case.policy, &case.observed, &decision, at(now));
        prop_assert_eq!(after(case.now), after(case.now - back));
    }

    #[test]
    fn the_same_gives_the_same_also_out_of_a_status(case in cases()) {
        let text = serde_json::to_string(&case.history).unwrap();
        prop_assert!(text.len() < 64 << 10, "{} bytes", text.len());
        let kept = Case { history: serde_json::from_str(&text).unwrap(), ..case.clone() };
        prop_assert_eq!(case.decide(), kept.decide());
    }

    #[test]
    fn a_dry_run_decides_the_same(case in cases()) {
        let mut fields = case.policy.fields().clone();
        fields.dry_run = true;
        let dry = Case { policy: Policy::new(fields).unwrap(), ..case.clone() };
        prop_assert_eq!(case.decide(), dry.decide());
    }

    #[test]
    fn nothing_comes_before_the_recheck(mut case in cases()) {
        // Tasks that take longer than was thought show it all the time.
        if let Some(demand) = &mut case.observed.demand {
            demand.running_tasks = 0;
        }
        // What is decided is done, until nothing is left to do.
        let (mut observed, mut history) = (case.observed.clone(), case.history.clone());
        let mut do_it = || {
            let decision = decide(&case.policy, &observed, &history, at(case.now));
            history = history.after(&case.policy, &observed, &decision, at(case.now));
            observed.current = decision.replicas;
            observed.workers.retain(|worker| !decision.retire.contains(&worker.name));
            decision
        };
        let first = (0..5).map(|_| do_it()).last().unwrap();
        prop_assume!(first.retire.is_empty(), "more are about to go");
        let wait = first.recheck_after.unwrap_or(SignedDuration::from_hours(1));
        prop_assume!(wait > SignedDuration::from_millis(100), "sooner is not told");
        let later = at(case.now) + wait - SignedDuration::from_micros(1);
        let second = decide(&case.policy, &observed, &history, later);
        prop_assert_eq!(first.replicas, second.replicas);
        prop_assert_eq!(first.retire, second.retire);
    }
}

/// How many workers are wanted, from second 180 on, while the same job comes again and again.
fn wanted(every: f64, tasks: usize, seconds: f64, slots: u32) -> Vec<u32> {
    let mut world = World::new(1, 1000);
    world.slots = NonZeroU32::new(slots).unwrap();
    let stage = || Stage::new(Kind(0), vec![seconds; tasks]);
    let job = |i: i32| Job::new(f64::from(i) * every, [stage()]);
    let jobs = (0..).map(job).take_while(|job| job.at_seconds() < 600.0);
    let trace = Trace::new(jobs, SignedDuration::from_secs(600));
    let report = run(&world, &trace, &mut Ours::new(Policy::up_to(1000)));
    let settled = Timestamp::from_second(180).unwrap();
    let frames = report.timeline.iter();
    frames
        .filter(|frame| frame.time > settled)
        .map(|frame| frame.replicas)
        .collect()
}

fn changes(wanted: &[u32]) -> usize {
    wanted.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// A job is done and the next has come whenever the scheduler tells what there is to do, so that the same is told as if
/// nothing were done.
#[test]
fn jobs_in_step_with_the_reports_are_not_taken_for_stalled_ones() {
    let wanted = wanted(0.4969036476873289, 20, 0.1, 1);
    assert!(changes(&wanted) <= 1, "{wanted:?}");
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn under_constant_load_it_settles(
        every in 0.3..3.0_f64,
        tasks in 1..30_usize,
        seconds in 0.1..3.0_f64,
        slots in 1..4_u32,
    ) {
        let wanted = wanted(every, tasks, seconds, slots);
        prop_assert!(changes(&wanted) <= 1, "{wanted:?}");
    }
}
