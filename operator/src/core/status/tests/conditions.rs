//! Conditions and counts, and where their reasons come from.

use super::*;
use crate::core::plan::{History, Seen, plan};

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
fn a_scheduler_that_nobody_finds_is_not_ready() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let (history, previous) = (History::default(), DaskLikeClusterStatus::default());
    let seen = Seen {
        pods: &pods,
        demand: None,
        protected: false,
        status: &previous,
        history: &history,
    };
    let plan = plan(&cluster, seen, at(100));
    let said = |refusals: &[Refusal]| {
        let facts = Facts {
            plan: &plan,
            pods: &pods,
            before: &pods,
            service: false,
            demand: None,
            refusals,
            previous: &previous,
        };
        let status = status(&cluster, facts, at(100));
        assert_eq!(of(&status, ConditionType::WorkersReady).0, Truth::True);
        let (truth, reason, message) = of(&status, ConditionType::Ready);
        assert_eq!(truth, Truth::False);
        format!("{reason}, {message}")
    };
    assert_eq!(said(&[]), "Missing, Service demo-scheduler is being made");
    let refusal = Refusal {
        object: "Service demo-scheduler".to_owned(),
        reason: "QuotaExceeded",
        message: "no more than 5".to_owned(),
    };
    assert_eq!(
        said(&[refusal]),
        "QuotaExceeded, Service demo-scheduler: no more than 5"
    );
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
