//! Tables of what is said about what was seen.

use super::*;
use crate::core::events::notes;
use crate::core::observed::{Phase, Termination, Trouble};
use crate::core::plan::{History, Seen, plan};
use crate::core::testing::{Fleet, at, cluster, demand, object};
use crate::core::validate::{Facts as ValidateFacts, validate};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn say(
    cluster: &ValidatedCluster,
    pods: &Pods,
    demand: Option<&Demand>,
    refusals: &[Refusal],
    previous: &DaskLikeClusterStatus,
    now: Timestamp,
) -> DaskLikeClusterStatus {
    let history = History::new();
    let seen = Seen {
        pods,
        demand,
        protected: false,
        status: previous,
        history: &history,
    };
    let plan = plan(cluster, seen, now);
    let facts = Facts {
        plan: &plan,
        pods,
        before: pods,
        demand,
        refusals,
        previous,
    };
    status(cluster, facts, now)
}

fn first(cluster: &ValidatedCluster, pods: &Pods, refusals: &[Refusal]) -> DaskLikeClusterStatus {
    say(
        cluster,
        pods,
        None,
        refusals,
        &DaskLikeClusterStatus::default(),
        at(100),
    )
}

fn of(status: &DaskLikeClusterStatus, type_: ConditionType) -> (Truth, &str, &str) {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .unwrap();
    (
        condition.status,
        condition.reason.as_str(),
        condition.message.as_str(),
    )
}

fn two() -> ValidatedCluster {
    cluster(json!({"worker": {"replicas": 2}}))
}

#[test]
fn a_ready_cluster_says_so() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let busy = demand(1, None, &[]);
    let status = say(
        &cluster,
        &pods,
        Some(&busy),
        &[],
        &DaskLikeClusterStatus::default(),
        at(100),
    );
    assert_eq!(
        of(&status, ConditionType::Ready),
        (
            Truth::True,
            "Ready",
            "clients compute at tls://demo-scheduler.ns.svc:8786"
        )
    );
    assert_eq!(
        of(&status, ConditionType::WorkersReady),
        (Truth::True, "Ready", "2 of 2 workers are ready")
    );
    assert_eq!(of(&status, ConditionType::Progressing).0, Truth::False);
    assert_eq!(of(&status, ConditionType::ScalingActive).1, "FixedReplicas");
    let types: Vec<ConditionType> = status.conditions.iter().map(|c| c.type_).collect();
    assert_eq!(
        types,
        [
            ConditionType::Ready,
            ConditionType::SchedulerReady,
            ConditionType::WorkersReady,
            ConditionType::Progressing,
            ConditionType::ScalingActive
        ]
    );
    assert_eq!(
        (
            status.replicas,
            status.ready_replicas,
            status.desired_replicas
        ),
        (2, 2, 2)
    );
    assert_eq!(status.queue_tasks, Some(5));
    assert_eq!(
        status.selector.as_deref(),
        Some("dasklike.dev/cluster=demo,dasklike.dev/pool=default")
    );
    assert_eq!(status.image.as_deref(), Some("registry/dasklike:1"));
    let scheduler = status.scheduler.unwrap();
    assert_eq!(scheduler.epoch, Some(7));
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn pools_are_counted_each() {
    let cluster =
        cluster(json!({"worker": {"replicas": 3}, "pools": [{"name": "gpu", "replicas": 1}]}));
    let pods = Fleet::new(&cluster)
        .scheduler()
        .workers(0..4)
        .worker("gpu", 0)
        .outdated("demo-default-0")
        .pending("demo-default-1")
        .deleting("demo-default-3")
        .pods;
    let status = first(&cluster, &pods, &[]);
    let pool = |name: &str, desired, ready, draining, outdated| PoolStatus {
        name: name.to_owned(),
        desired,
        ready,
        draining,
        outdated,
    };
    assert_eq!(
        status.pools,
        [pool("default", 3, 2, 1, 1), pool("gpu", 1, 1, 0, 0)]
    );
    assert_eq!(status.replicas, 4, "the default pool's, draining ones too");
    assert_eq!((status.ready_replicas, status.desired_replicas), (3, 4));
}

/// Why is it not ready? Each row: the pods or the refusals, the condition, its reason and its message.
#[test]
fn reasons_are_taken_from_the_pods_and_the_api_server() {
    let cluster = two();
    let fleet = || Fleet::new(&cluster).scheduler().workers(0..2);
    let troubled = |fleet: Fleet<'_>, name: &str, reason: &str, message: &str| {
        fleet
            .pending(name)
            .but(name, |pod| {
                pod.trouble = Some(Box::new(Trouble {
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                }));
            })
            .pods
    };
    let refused = |object: &str, reason: &'static str, message: &str| {
        vec![Refusal {
            object: object.to_owned(),
            reason,
            message: message.to_owned(),
        }]
    };
    let oom = Fleet::new(&cluster)
        .scheduler()
        .workers(0..2)
        .but("demo-default-1", |pod| {
            pod.ready_since = None;
            pod.trouble = Some(Box::new(Trouble {
                reason: "CrashLoopBackOff".to_owned(),
                message: "container worker: back-off 10s".to_owned(),
            }));
            pod.termination = Some(Box::new(Termination {
                reason: "OOMKilled".to_owned(),
                exit_code: Some(137),
                message: "container worker: ".to_owned(),
                at: at(90),
            }));
        });
    let cases = [
        (
            "image",
            troubled(
                fleet(),
                "demo-default-1",
                "ImagePullBackOff",
                "container worker: back-off pulling",
            ),
            vec![],
            ConditionType::WorkersReady,
            "ImagePullBackOff",
            "1 of 2 workers are ready; pod demo-default-1: container worker: back-off pulling",
        ),
        (
            "no node",
            troubled(
                fleet().pending("demo-default-0"),
                "demo-default-1",
                "Unschedulable",
                "0/1 nodes",
            ),
            vec![],
            ConditionType::WorkersReady,
            "Unschedulable",
            "0 of 2 workers are ready; pod demo-default-1: 0/1 nodes",
        ),
        (
            "memory",
            oom.pods,
            vec![],
            ConditionType::WorkersReady,
            "OOMKilled",
            "1 of 2 workers are ready; pod demo-default-1: container worker: back-off 10s; last ended as OOMKilled with exit code 137",
        ),
        (
            "starting",
            fleet().pending("demo-default-1").pods,
            vec![],
            ConditionType::WorkersReady,
            "WorkersNotReady",
            "1 of 2 workers are ready",
        ),
        (
            "quota",
            Fleet::new(&cluster).scheduler().workers(0..1).pods,
            refused(
                "pod demo-default-1",
                reasons::QUOTA_EXCEEDED,
                "exceeded quota: q",
            ),
            ConditionType::WorkersReady,
            "QuotaExceeded",
            "1 of 2 workers are ready; pod demo-default-1: exceeded quota: q",
        ),
        (
            "the scheduler's image",
            troubled(
                fleet(),
                "demo-scheduler",
                "ErrImagePull",
                "container scheduler: not found",
            ),
            vec![],
            ConditionType::Ready,
            "ErrImagePull",
            "pod demo-scheduler: container scheduler: not found",
        ),
        (
            "the scheduler refused",
            Pods::new(),
            refused(
                "pod demo-scheduler",
                reasons::CREATE_REFUSED,
                "spec.x is wrong",
            ),
            ConditionType::SchedulerReady,
            "CreateRefused",
            "pod demo-scheduler: spec.x is wrong",
        ),
        (
            "the scheduler's name taken",
            fleet().but("demo-scheduler", |pod| pod.owner = None).pods,
            vec![],
            ConditionType::SchedulerReady,
            "NameTaken",
            "pod demo-scheduler is not of this cluster; delete it or rename the cluster",
        ),
        (
            "a missing right",
            Pods::new(),
            refused(
                "Secret demo-tls",
                reasons::FORBIDDEN,
                "cannot patch secrets",
            ),
            ConditionType::Ready,
            "Forbidden",
            "Secret demo-tls: cannot patch secrets",
        ),
    ];
    for (name, pods, refusals, type_, reason, message) in cases {
        let status = first(&cluster, &pods, &refusals);
        assert_eq!(
            of(&status, type_),
            (Truth::False, reason, message),
            "{name}"
        );
    }
}

#[test]
fn progress_is_told_in_its_kind() {
    let cluster = two();
    let fleet = || Fleet::new(&cluster).scheduler().workers(0..2);
    for (pods, truth, reason) in [
        (
            Fleet::new(&cluster).scheduler().pods,
            Truth::True,
            "Creating",
        ),
        (
            fleet().outdated("demo-default-0").pods,
            Truth::True,
            "Rolling",
        ),
        (
            fleet().worker("default", 2).deleting("demo-default-2").pods,
            Truth::True,
            "Draining",
        ),
        (
            fleet().pending("demo-default-0").pods,
            Truth::True,
            "WorkersNotReady",
        ),
        (
            fleet().pending("demo-scheduler").pods,
            Truth::True,
            "Starting",
        ),
        (fleet().pods, Truth::False, "Settled"),
    ] {
        let status = first(&cluster, &pods, &[]);
        let (was, because, _) = of(&status, ConditionType::Progressing);
        assert_eq!((was, because), (truth, reason));
    }
}

#[test]
fn suspended_and_empty_clusters_are_not_broken() {
    let suspended = cluster(json!({"suspend": true}));
    let status = first(&suspended, &Pods::new(), &[]);
    for type_ in [
        ConditionType::Ready,
        ConditionType::SchedulerReady,
        ConditionType::WorkersReady,
        ConditionType::ScalingActive,
    ] {
        assert_eq!(of(&status, type_).1, "Suspended");
    }
    assert_eq!(of(&status, ConditionType::Progressing).0, Truth::False);
    let empty = cluster(json!({"worker": {"replicas": 0}}));
    let status = first(&empty, &Fleet::new(&empty).scheduler().pods, &[]);
    assert_eq!(of(&status, ConditionType::Ready).0, Truth::True);
}

#[test]
fn a_pool_that_follows_its_work_says_what_it_did_and_from_what() {
    let scaled = |dry: bool| {
        cluster(json!({"worker": {"replicas": 1,
            "autoscaling": {"maxReplicas": 5, "dryRun": dry}}}))
    };
    let busy = |seconds: f64| {
        let mut demand = demand(1, None, &[("demo-default-0", 4)]);
        let pool = demand.pools.get_mut("default").unwrap();
        pool.queue_seconds = seconds;
        pool.ready_tasks = 1000;
        demand
    };
    let follows = scaled(false);
    let pods = Fleet::new(&follows).scheduler().workers(0..1).pods;
    let blind = first(&follows, &pods, &[]);
    let (truth, reason, message) = of(&blind, ConditionType::ScalingActive);
    assert_eq!((truth, reason), (Truth::False, "MetricsStale"), "{message}");
    let grown = say(&follows, &pods, Some(&busy(500.0)), &[], &blind, at(101));
    assert_eq!(grown.desired_replicas, 5);
    let (truth, reason, message) = of(&grown, ConditionType::ScalingActive);
    assert_eq!((truth, reason), (Truth::True, "FollowsWork"));
    assert!(message.contains("default: 0 to 5"), "{message}");
    let told = &grown.scaling_decisions[0];
    assert_eq!((told.from, told.to, told.pool.as_str()), (1, 5, "default"));
    assert!(told.message.contains("500"), "{}", told.message);
    let scale = grown.last_scale.clone().unwrap();
    assert_eq!((scale.from, scale.to), (1, 5));
    assert_eq!(scale.reason, told.reason);
    let events = notes(&blind, &grown, 0, &[]);
    let scaled_up: Vec<&str> = events
        .iter()
        .filter(|note| note.reason.starts_with("Scale"))
        .map(|note| note.message.as_str())
        .collect();
    assert_eq!(scaled_up.len(), 1, "{events:?}");
    assert!(scaled_up[0].contains("from 1 to 5"), "{scaled_up:?}");
    // More work changes nothing that is said: it is at its maximum.
    let more = say(&follows, &pods, Some(&busy(900.0)), &[], &grown, at(103));
    let same = DaskLikeClusterStatus {
        queue_tasks: more.queue_tasks,
        ..grown.clone()
    };
    assert_eq!(more, same);

    let dry = scaled(true);
    let told = say(&dry, &pods, Some(&busy(500.0)), &[], &blind, at(101));
    assert_eq!(told.desired_replicas, 1, "nothing is done");
    assert_eq!(of(&told, ConditionType::ScalingActive).1, "DryRun");
    let decision = &told.scaling_decisions[0];
    assert_eq!((decision.from, decision.to, decision.dry_run), (1, 5, true));
    let again = say(&dry, &pods, Some(&busy(501.0)), &[], &told, at(102));
    assert_eq!(again.scaling_decisions.len(), 1, "it is told once");
}

#[test]
fn a_conditions_time_is_that_of_its_truth() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..1).pods;
    let before = first(&cluster, &pods, &[]);
    let full = Fleet::new(&cluster).scheduler().workers(0..2);
    let later = |pods: &Pods, previous: &DaskLikeClusterStatus, now| {
        say(&cluster, pods, None, &[], previous, now)
    };
    let time = |status: &DaskLikeClusterStatus, type_| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
            .unwrap()
            .last_transition_time
            .0
    };
    let pending = Fleet::new(&cluster)
        .scheduler()
        .workers(0..2)
        .pending("demo-default-1")
        .pods;
    let waiting = later(&pending, &before, at(110));
    assert_eq!(time(&waiting, ConditionType::WorkersReady), at(100));
    let ready = later(
        &full.pods,
        &waiting,
        at(120) + SignedDuration::from_millis(7),
    );
    assert_eq!(time(&ready, ConditionType::WorkersReady), at(120));
    assert_eq!(time(&ready, ConditionType::SchedulerReady), at(100));
    assert_eq!(
        later(&full.pods, &ready, at(999)),
        ready,
        "what did not change is the same status"
    );
}

#[test]
fn a_change_of_number_is_kept_with_its_reason() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let before = first(&cluster, &pods, &[]);
    assert_eq!(before.last_scale, None, "it began so");
    let five = super::super::testing::cluster(json!({"worker": {"replicas": 5}}));
    let scaled = say(&five, &pods, None, &[], &before, at(200));
    let expected = LastScale {
        time: Time(at(200)),
        from: 2,
        to: 5,
        reason: "SpecChanged".to_owned(),
    };
    assert_eq!(scaled.last_scale, Some(expected));
}

#[test]
fn the_last_termination_outlives_its_pod() {
    let cluster = two();
    let crashed = Fleet::new(&cluster)
        .scheduler()
        .workers(0..2)
        .but("demo-default-0", |pod| {
            pod.termination = Some(Box::new(Termination {
                reason: "Error".to_owned(),
                exit_code: Some(3),
                message: "container worker: boom".to_owned(),
                at: at(50),
            }));
        });
    let before = first(&cluster, &crashed.pods, &[]);
    assert_eq!(before.last_termination.as_ref().unwrap().exit_code, Some(3));
    let healed = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let after = say(&cluster, &healed, None, &[], &before, at(200));
    assert_eq!(after.last_termination, before.last_termination);
    assert!(notes(&before, &after, 0, &[]).is_empty());
    let story: Vec<String> = notes(&DaskLikeClusterStatus::default(), &before, 0, &[])
        .into_iter()
        .map(|note| format!("{} {}", note.reason, note.message))
        .collect();
    assert_eq!(
        story,
        [
            "Error pod demo-default-0 ended: container worker: boom, exit code 3",
            "Ready clients compute at tls://demo-scheduler.ns.svc:8786"
        ]
    );
}

#[test]
fn a_wrong_spec_keeps_what_was_said_of_the_pods() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let before = first(&cluster, &pods, &[]);
    let error = validate(
        &object(json!({"worker": {"maxUnavailable": "x"}})),
        &ValidateFacts { default_image: "i" },
    )
    .unwrap_err();
    let status = invalid(2, &error, &before, at(200));
    assert_eq!(of(&status, ConditionType::Ready).1, "InvalidSpec");
    assert!(
        of(&status, ConditionType::Ready)
            .2
            .starts_with("spec.worker.maxUnavailable: 'x'")
    );
    assert_eq!(of(&status, ConditionType::SchedulerReady).0, Truth::True);
    assert_eq!(status.observed_generation, Some(2));
    assert_eq!(status.ready_replicas, 2);
    assert_eq!(status.conditions.len(), 5);
    let told = notes(&before, &status, 0, &[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].warning && told[0].reason == "InvalidSpec");
    assert_eq!(invalid(2, &error, &status, at(300)), status);
}

#[test]
fn a_status_stays_small_with_many_workers() {
    let cluster = cluster(json!({"worker": {"replicas": 5000}}));
    let pods = Fleet::new(&cluster).scheduler().workers(0..5000).pods;
    let bytes = serde_json::to_vec(&first(&cluster, &pods, &[]))
        .unwrap()
        .len();
    assert!(bytes < 3000, "{bytes} bytes");
}

#[test]
fn a_queue_alone_is_written_only_so_often() {
    let status = |queue: i64| DaskLikeClusterStatus {
        queue_tasks: Some(queue),
        ..DaskLikeClusterStatus::default()
    };
    let cases: [(_, _, Option<i64>, _, _); 4] = [
        (status(1), status(1), None, 100, Write::No),
        (status(1), status(2), None, 100, Write::Now),
        (status(1), status(2), Some(98), 100, Write::At(at(103))),
        (status(1), status(2), Some(95), 100, Write::Now),
    ];
    for (previous, next, written, now, expected) in cases {
        assert_eq!(
            writing(&previous, &next, written.map(at), None, at(now)),
            expected
        );
    }
}

#[test]
fn pods_that_come_are_told_together_and_all_else_at_once() {
    let cluster = two();
    let fleet = |workers: std::ops::Range<u32>| Fleet::new(&cluster).scheduler().workers(workers);
    let said = |pods: &Pods| first(&cluster, pods, &[]);
    let (none, one, both) = (
        said(&fleet(0..0).pods),
        said(&fleet(0..1).pods),
        said(&fleet(0..2).pods),
    );
    let pulls = fleet(0..2).but("demo-default-1", |pod| {
        pod.ready_since = None;
        pod.trouble = Some(Box::new(Trouble {
            reason: "ImagePullBackOff".to_owned(),
            message: "container worker".to_owned(),
        }));
    });
    let more = DaskLikeClusterStatus {
        desired_replicas: 3,
        ..one.clone()
    };
    let (never, later) = (DaskLikeClusterStatus::default(), Write::At(at(101)));
    let cases = [
        ("the first pods of all", &never, &none, None, later),
        ("more pods", &none, &one, None, later),
        ("still more", &none, &one, Some(99), Write::Now),
        ("more are wanted", &none, &more, None, Write::Now),
        ("it is ready", &one, &both, None, Write::Now),
        ("it was ready", &both, &one, None, Write::Now),
        ("ready at once", &never, &both, None, Write::Now),
        ("trouble", &one, &said(&pulls.pods), None, Write::Now),
    ];
    for (what, previous, next, untold, expected) in cases {
        let found = writing(previous, next, Some(at(90)), untold.map(at), at(100));
        assert_eq!(found, expected, "{what}");
    }
}

/// What the API server gives back is what was written, so that nothing is written twice.
#[test]
fn a_status_is_the_same_after_a_round_trip() {
    let cluster = two();
    let pods = Fleet::new(&cluster)
        .scheduler()
        .workers(0..2)
        .but("demo-default-0", |pod| {
            pod.phase = Phase::Failed;
            pod.termination = Some(Box::new(Termination {
                reason: "Evicted".to_owned(),
                exit_code: None,
                message: String::new(),
                at: at(5) + SignedDuration::from_millis(3),
            }));
        })
        .pods;
    let status = say(
        &cluster,
        &pods,
        None,
        &[],
        &DaskLikeClusterStatus::default(),
        at(100) + SignedDuration::from_millis(123),
    );
    let text: Value = serde_json::to_value(&status).unwrap();
    let back: DaskLikeClusterStatus = serde_json::from_value(text).unwrap();
    assert_eq!(back, status);
}

/// Its pod is deleted in the very look that sees how it ended.
#[test]
fn an_end_is_told_though_its_pod_is_gone() {
    let cluster = two();
    let fleet = || Fleet::new(&cluster).scheduler().workers(0..2);
    let before = fleet().but("demo-default-0", |pod| {
        pod.phase = Phase::Succeeded;
        pod.termination = Some(Box::new(Termination {
            reason: "Completed".to_owned(),
            exit_code: Some(0),
            message: "it was stopped".to_owned(),
            at: at(5),
        }));
    });
    let mut after = before.pods.clone();
    after.remove("demo-default-0");
    let (history, previous) = (History::default(), DaskLikeClusterStatus::default());
    let seen = Seen {
        pods: &before.pods,
        demand: None,
        protected: false,
        status: &previous,
        history: &history,
    };
    let plan = plan(&cluster, seen, at(100));
    let facts = Facts {
        plan: &plan,
        pods: &after,
        before: &before.pods,
        demand: None,
        refusals: &[],
        previous: &previous,
    };
    let told = status(&cluster, facts, at(100)).last_termination.unwrap();
    assert_eq!(
        (told.pod.as_str(), told.reason.as_str()),
        ("demo-default-0", "Completed")
    );
}
