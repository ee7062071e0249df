//! What is kept of what went before.

use super::*;
use crate::core::plan::{History, Seen, plan};

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
fn a_change_of_number_is_kept_with_its_reason() {
    let cluster = two();
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let before = first(&cluster, &pods, &[]);
    assert_eq!(before.last_scale, None, "it began so");
    let five = crate::core::testing::cluster(json!({"worker": {"replicas": 5}}));
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
        service: true,
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
