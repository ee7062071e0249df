//! How large a status is, and what is worth writing one.

use super::*;

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
