//! Tables of what is done about pods: scaled, rolled, replaced, suspended, put to sleep.

mod idle;

use crate::core::cluster::ValidatedCluster;
use crate::core::demand::{Demand, WorkerDemand};
use crate::core::observed::{Phase, Pods, Termination};
use crate::core::plan::{History, Plan, Seen, plan};
use crate::core::scheduler::SchedulerPlan;
use crate::core::testing::{Fleet, at, cluster, demand};
use dasklike_operator_api::DaskLikeClusterStatus;
use jiff::Timestamp;
use serde_json::{Value, json};

fn decide(cluster: &ValidatedCluster, pods: &Pods, demand: Option<&Demand>) -> Plan {
    decide_at(cluster, pods, demand, &History::new(), at(100))
}

fn decide_at(
    cluster: &ValidatedCluster,
    pods: &Pods,
    demand: Option<&Demand>,
    history: &History,
    now: Timestamp,
) -> Plan {
    let seen = Seen {
        pods,
        demand,
        protected: false,
        status: &DaskLikeClusterStatus::default(),
        history,
    };
    plan(cluster, seen, now)
}

fn replicas(number: u32) -> ValidatedCluster {
    cluster(json!({"worker": {"replicas": number}}))
}

/// What is done, in short: `+2 -demo-default-1:ScaledDown`.
fn told(plan: &Plan) -> String {
    let scheduler = match &plan.scheduler {
        SchedulerPlan::Create => vec!["+scheduler".to_owned()],
        _ => Vec::new(),
    };
    let create = plan
        .pools
        .iter()
        .flat_map(|pool| pool.create.iter().map(|index| format!("+{index}")));
    let mut delete: Vec<String> = plan
        .deletes()
        .map(|delete| {
            let name = delete.name.trim_start_matches("demo-default-");
            format!("-{name}:{}", delete.why.word())
        })
        .collect();
    delete.sort();
    scheduler
        .into_iter()
        .chain(create)
        .chain(delete)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn numbers_are_met() {
    let cases = [
        ("the first time all are made", 2, vec![], "+0 +1"),
        ("nothing is done when they are there", 2, vec![0, 1], ""),
        ("the lowest free index is taken", 3, vec![0, 2], "+1"),
        (
            "the highest of equals goes",
            1,
            vec![0, 1, 2],
            "-1:ScaledDown -2:ScaledDown",
        ),
        ("none is possible", 0, vec![0], "-0:ScaledDown"),
    ];
    for (name, wanted, there, expected) in cases {
        let cluster = replicas(wanted);
        let fleet = Fleet::new(&cluster).scheduler().workers(there);
        assert_eq!(
            told(&decide(&cluster, &fleet.pods, None)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn those_go_first_that_cost_least() {
    let cluster = replicas(2);
    let fleet = || Fleet::new(&cluster).scheduler().workers(0..4);
    let busy = demand(
        1,
        None,
        &[
            ("demo-default-0", 0),
            ("demo-default-1", 3),
            ("demo-default-2", 1),
            ("demo-default-3", 2),
        ],
    );
    let cases = [
        (
            "the least busy",
            fleet(),
            Some(&busy),
            "-0:ScaledDown -2:ScaledDown",
        ),
        (
            "never ready before idle",
            fleet().pending("demo-default-1"),
            Some(&busy),
            "-0:ScaledDown -1:ScaledDown",
        ),
        (
            "outdated before busy",
            fleet().outdated("demo-default-1"),
            Some(&busy),
            "-0:ScaledDown -1:ScaledDown",
        ),
        (
            "the youngest, where nobody knows",
            fleet().but("demo-default-0", |pod| pod.created = at(50)),
            None,
            "-0:ScaledDown -3:ScaledDown",
        ),
        (
            "who goes already is not counted",
            fleet()
                .deleting("demo-default-0")
                .deleting("demo-default-1"),
            Some(&busy),
            "",
        ),
    ];
    for (name, fleet, demand, expected) in cases {
        assert_eq!(
            told(&decide(&cluster, &fleet.pods, demand)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_worker_that_will_be_ended_from_outside_goes_first_and_is_replaced() {
    let cluster = replicas(2);
    let fleet = || {
        Fleet::new(&cluster)
            .scheduler()
            .workers(0..2)
            .but("demo-default-0", |pod| pod.disrupted = true)
    };
    let plan = decide(&cluster, &fleet().pods, None);
    assert_eq!(told(&plan), "+2 -0:Disrupted");
    let delete = plan.deletes().next().unwrap();
    assert_eq!(delete.grace_seconds, Some(600), "it may finish");
    let going = fleet().deleting("demo-default-0").workers([2]).pods;
    assert_eq!(told(&decide(&cluster, &going, None)), "");
}

#[test]
fn a_pool_that_shrinks_with_its_work_lets_those_go_that_were_chosen() {
    let cluster = cluster(json!({"worker": {"autoscaling": {"maxReplicas": 2}}}));
    let fleet = Fleet::new(&cluster).scheduler().workers(0..3);
    let mut busy = demand(1, None, &[("demo-default-1", 4), ("demo-default-2", 1)]);
    let pool = busy.pools.get_mut("default").unwrap();
    let idle = WorkerDemand {
        slots: 4,
        idle_seconds: 90.0,
        ..WorkerDemand::default()
    };
    pool.workers.insert("demo-default-0".to_owned(), idle);
    pool.queue_seconds = 100.0;
    // The last one is the least busy; the first has nothing to do, and one of three is too many.
    let plan = decide(&cluster, &fleet.pods, Some(&busy));
    assert_eq!(told(&plan), "-0:ScaledDown");
}

#[test]
fn a_roll_takes_no_more_than_may_be_missing() {
    let all_outdated = |cluster: &ValidatedCluster, number: u32| {
        let mut fleet = Fleet::new(cluster).scheduler().workers(0..number);
        for index in 0..number {
            fleet = fleet.outdated(&format!("demo-default-{index}"));
        }
        fleet.pods
    };
    let eight = replicas(8);
    assert_eq!(
        told(&decide(&eight, &all_outdated(&eight, 8), None)),
        "+8 +9 -6:Outdated -7:Outdated",
        "a quarter of eight are two; they drain while their replacements start"
    );
    let one = replicas(1);
    assert_eq!(
        told(&decide(&one, &all_outdated(&one, 1), None)),
        "+1 -0:Outdated"
    );
    let four = cluster(json!({"worker": {"replicas": 4, "maxUnavailable": "100%"}}));
    assert_eq!(
        told(&decide(&four, &all_outdated(&four, 4), None)),
        "+4 +5 +6 +7 -0:Outdated -1:Outdated -2:Outdated -3:Outdated"
    );
    let rolling = Fleet::new(&eight)
        .scheduler()
        .workers(0..9)
        .deleting("demo-default-7")
        .pending("demo-default-8")
        .outdated("demo-default-0")
        .outdated("demo-default-1");
    assert_eq!(
        told(&decide(&eight, &rolling.pods, None)),
        "+9 -1:Outdated",
        "one is missing, so one more may go"
    );
    let stuck = rolling
        .pending("demo-default-2")
        .but("demo-default-2", |pod| pod.hash = "old".into());
    assert_eq!(
        told(&decide(&eight, &stuck.pods, None)),
        "+9 -2:Outdated",
        "one that never got ready costs nothing, and no other may go meanwhile"
    );
}

#[test]
fn a_roll_comes_to_an_end() {
    let cluster = replicas(7);
    let mut pods = {
        let mut fleet = Fleet::new(&cluster).scheduler().workers(0..7);
        for index in 0..7 {
            fleet = fleet.outdated(&format!("demo-default-{index}"));
        }
        fleet.pods
    };
    for round in 0.. {
        assert!(round < 50, "no end");
        let plan = decide(&cluster, &pods, None);
        if told(&plan).is_empty() {
            break;
        }
        for delete in plan.deletes() {
            pods.remove(&delete.name);
        }
        let fresh = Fleet::new(&cluster).workers(plan.pools[0].create.iter().copied());
        pods.extend(fresh.pods);
        let ready = pods.values().filter(|pod| pod.pool().is_some()).count();
        assert_eq!(ready, 7);
    }
    let hash = &cluster.pools[0].part.hash;
    assert!(
        pods.values()
            .filter(|pod| pod.pool().is_some())
            .all(|pod| *pod.hash == **hash)
    );
}

#[test]
fn pods_that_ended_are_replaced_and_those_that_end_too_soon_wait() {
    let cluster = replicas(2);
    let ended = |phase: Phase, seconds: i64| {
        Fleet::new(&cluster)
            .scheduler()
            .workers(0..2)
            .but("demo-default-1", |pod| {
                pod.phase = phase;
                pod.ready_since = None;
                pod.termination = Some(Box::new(Termination {
                    reason: "Evicted".to_owned(),
                    exit_code: None,
                    message: String::new(),
                    at: at(seconds),
                }));
            })
            .pods
    };
    for (phase, lived, expected) in [
        (Phase::Succeeded, 90, "+2 -1:Completed"),
        (Phase::Failed, 90, "+2 -1:Failed"),
        (Phase::Failed, 5, "+2 -1:Failed"),
    ] {
        let plan = decide(&cluster, &ended(phase, lived), None);
        assert_eq!(told(&plan), expected);
        assert_eq!(plan.deletes().next().unwrap().grace_seconds, Some(0));
    }
    // The second failure in a row waits for a second, then the pod is made.
    let once = decide(&cluster, &ended(Phase::Failed, 5), None).history(&cluster);
    let twice = decide_at(&cluster, &ended(Phase::Failed, 5), None, &once, at(100));
    assert_eq!(told(&twice), "-1:Failed");
    assert_eq!(twice.recheck_at, Some(at(101)));
    let one = Fleet::new(&cluster).scheduler().workers(0..1).pods;
    let waiting = twice.history(&cluster);
    assert_eq!(
        told(&decide_at(&cluster, &one, None, &waiting, at(100))),
        ""
    );
    assert_eq!(
        told(&decide_at(&cluster, &one, None, &waiting, at(101))),
        "+1"
    );
    // A pod that was ready for five minutes clears the record.
    let healed = decide_at(&cluster, &one, None, &waiting, at(301));
    assert!(healed.history(&cluster).is_empty());
}

#[test]
fn the_scheduler_is_replaced_only_for_its_own_sake() {
    let cluster = replicas(1);
    let fleet = || Fleet::new(&cluster).scheduler().workers(0..1);
    let cases = [
        (
            "it is made",
            Fleet::new(&cluster).workers(0..1),
            "+scheduler",
        ),
        ("it is left alone", fleet(), ""),
        (
            "it is replaced when outdated",
            fleet().outdated("demo-scheduler"),
            "-demo-scheduler:Outdated",
        ),
        (
            "it is not made before it is gone",
            fleet().deleting("demo-scheduler"),
            "",
        ),
        (
            "an evicted one is removed",
            fleet().but("demo-scheduler", |pod| pod.phase = Phase::Failed),
            "-demo-scheduler:Failed",
        ),
        (
            "another owner's is left alone",
            fleet().but("demo-scheduler", |pod| pod.owner = Some("other".into())),
            "",
        ),
        (
            "workers do not matter to it",
            fleet().outdated("demo-default-0"),
            "+1 -0:Outdated",
        ),
    ];
    for (name, fleet, expected) in cases {
        assert_eq!(
            told(&decide(&cluster, &fleet.pods, None)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn pods_of_another_owner_are_left_alone_and_their_names_are_taken() {
    let cluster = replicas(1);
    let fleet = Fleet::new(&cluster)
        .scheduler()
        .workers(0..1)
        .but("demo-default-0", |pod| pod.owner = Some("before".into()));
    assert_eq!(told(&decide(&cluster, &fleet.pods, None)), "+1");
}

#[test]
fn a_pool_that_is_no_more_drains() {
    let cluster = replicas(1);
    let fleet = Fleet::new(&cluster)
        .scheduler()
        .workers(0..1)
        .worker("gpu", 0);
    let plan = decide(&cluster, &fleet.pods, None);
    assert_eq!(told(&plan), "-demo-gpu-0:PoolRemoved");
}

#[test]
fn a_suspended_cluster_lets_workers_go_before_their_scheduler() {
    let cluster = cluster(json!({"suspend": true, "worker": {"replicas": 2}}));
    let running = Fleet::new(&cluster).scheduler().workers(0..2);
    assert_eq!(
        told(&decide(&cluster, &running.pods, None)),
        "-0:Suspended -1:Suspended"
    );
    let draining = running
        .deleting("demo-default-0")
        .deleting("demo-default-1");
    assert_eq!(told(&decide(&cluster, &draining.pods, None)), "");
    let alone = Fleet::new(&cluster).scheduler();
    assert_eq!(
        told(&decide(&cluster, &alone.pods, None)),
        "-demo-scheduler:Suspended"
    );
    assert_eq!(told(&decide(&cluster, &Pods::new(), None)), "");
}

#[test]
fn a_drain_has_its_time() {
    let cluster = cluster(json!({"worker": {"replicas": 0, "drainTimeoutSeconds": 42}}));
    let fleet = Fleet::new(&cluster).scheduler().workers(0..1);
    let plan = decide(&cluster, &fleet.pods, None);
    assert_eq!(plan.deletes().next().unwrap().grace_seconds, Some(42));
}

#[test]
fn autoscaling_keeps_its_bounds() {
    for (replicas, expected) in [(0, 2), (3, 3), (9, 5)] {
        let cluster = cluster(json!({"worker": {"replicas": replicas,
            "autoscaling": {"minReplicas": 2, "maxReplicas": 5}}}));
        assert_eq!(
            decide(&cluster, &Pods::new(), None).sizing.desired,
            [expected]
        );
    }
}

#[test]
fn the_scheduler_is_protected_while_there_is_work_and_a_little_longer() {
    let cluster = replicas(0);
    let ask = |protected: bool, demand: Option<&Demand>| {
        let seen = Seen {
            pods: &Pods::new(),
            demand,
            protected,
            status: &DaskLikeClusterStatus::default(),
            history: &History::new(),
        };
        let plan = plan(&cluster, seen, at(100));
        (plan.protect_scheduler, plan.recheck_at)
    };
    let busy = demand(1, None, &[]);
    let lately = demand(0, Some(41), &[]);
    let no_more = demand(0, Some(40), &[]);
    assert_eq!(ask(true, None), (None, None));
    assert_eq!(ask(false, Some(&busy)), (Some(true), None));
    assert_eq!(ask(true, Some(&lately)), (None, Some(at(101))));
    assert_eq!(ask(true, Some(&no_more)), (Some(false), None));
    // Nothing ends that has not begun.
    assert_eq!(ask(false, Some(&lately)), (Some(false), None));
}

/// Whatever is there, doing what is said and looking again comes to rest, and nothing is undone.
#[test]
fn decisions_settle() {
    let specs: [Value; 4] = [
        json!({"worker": {"replicas": 3}}),
        json!({"worker": {"replicas": 0}}),
        json!({"worker": {"replicas": 2}, "pools": [{"name": "gpu", "replicas": 2}]}),
        json!({"suspend": true}),
    ];
    for spec in specs {
        let cluster = cluster(spec.clone());
        let mut pods = Fleet::new(&cluster)
            .scheduler()
            .workers(0..5)
            .worker("gone", 0)
            .outdated("demo-default-0")
            .pending("demo-default-1")
            .outdated("demo-scheduler")
            .pods;
        let mut rounds = 0;
        loop {
            let plan = decide(&cluster, &pods, None);
            if told(&plan).is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 20, "{spec}: no end: {}", told(&plan));
            for delete in plan.deletes() {
                pods.remove(&delete.name);
            }
            let mut fresh = Fleet::new(&cluster);
            if plan.scheduler == SchedulerPlan::Create {
                fresh = fresh.scheduler();
            }
            for (pool, plan) in cluster.pools.iter().zip(&plan.pools) {
                for index in &plan.create {
                    fresh = fresh.worker(&pool.name, *index);
                }
            }
            pods.extend(fresh.pods);
        }
        let wanted: u32 = decide(&cluster, &pods, None).sizing.desired.iter().sum();
        let there = pods.values().filter(|pod| pod.pool().is_some()).count();
        assert_eq!(there, usize::try_from(wanted).unwrap(), "{spec}");
    }
}
