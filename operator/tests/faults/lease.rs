//! Leader election against an API server that fails.

use crate::fake_api::FakeApi;
use crate::fake_api::fault::{ALL, Faults, Life};
use dasklike_operator::core::election::{Timing, Why};
use dasklike_operator::core::health::Limits;
use dasklike_operator::edge::lease::{Candidate, LeaseConfig};
use dasklike_operator::edge::progress::Progress;
use dasklike_operator::metrics::Metrics;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::{Api, Client};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn candidate(client: Client, identity: &str) -> (Candidate, Progress) {
    let progress = Progress::new(Metrics::new().unwrap(), Limits::default());
    let config = LeaseConfig {
        namespace: "system".into(),
        name: "dasklike-operator".into(),
        identity: identity.into(),
        timing: Timing::default(),
    };
    (Candidate::start(client, config, progress.clone()), progress)
}

fn leader_metric(progress: &Progress) -> bool {
    let text = progress.metrics().text().unwrap();
    text.lines()
        .any(|line| line == "dasklike_operator_leader 1")
}

async fn within<T>(seconds: f64, what: &str, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs_f64(seconds);
    let done = timeout(limit, future).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {seconds} s"))
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_it_leads_at_once_and_says_so() {
    let api = FakeApi::new();
    let (one, progress) = candidate(api.client(&Life::long()), "one");
    assert!(!progress.unready().is_empty());
    within(0.1, "leads", one.leading()).await;
    assert!(progress.unready().is_empty());
    assert!(leader_metric(&progress));
    let lease = &api.objects("leases")[0];
    assert_eq!(lease["spec"]["holderIdentity"], "one");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    assert_eq!(lease["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_changes_hands_within_a_retry() {
    let api = FakeApi::new();
    let (one, progress) = candidate(api.client(&Life::long()), "one");
    within(0.1, "leads", one.leading()).await;
    let (two, _) = candidate(api.client(&Life::long()), "two");
    assert!(
        timeout(Duration::from_secs(600), two.leading())
            .await
            .is_err(),
        "two leaders"
    );
    within(1.0, "releases", one.release()).await;
    assert!(!leader_metric(&progress));
    within(2.1, "takes over", two.leading()).await;
    assert_eq!(api.objects("leases")[0]["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_vanishes_is_replaced_when_its_lease_ends() {
    let api = FakeApi::new();
    let life = Life::ends_with_write(4);
    let (one, progress) = candidate(api.client(&life), "one");
    within(0.1, "leads", one.leading()).await;
    let (two, _) = candidate(api.client(&Life::long()), "two");
    within(60.0, "makes its last write", life.over()).await;
    let last_write = Instant::now();
    let lost = async {
        let why = one.lost().await;
        (why, last_write.elapsed())
    };
    let ((why, lost), ()) = tokio::join!(lost, two.leading());
    let taken = last_write.elapsed();
    assert_eq!(why, Why::NotRenewed);
    assert!(!leader_metric(&progress));
    assert!(lost < Duration::from_secs(11), "{lost:?}");
    assert!(
        taken > Duration::from_secs(12) && taken < Duration::from_secs(18),
        "{taken:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_is_deleted_stops_within_a_retry() {
    let api = FakeApi::new();
    let (one, _) = candidate(api.client(&Life::long()), "one");
    within(0.1, "leads", one.leading()).await;
    let leases: Api<Lease> = Api::namespaced(api.person(), "system");
    leases
        .delete("dasklike-operator", &DeleteParams::default())
        .await
        .unwrap();
    let why = within(2.1, "stops", one.lost()).await;
    assert_eq!(why, Why::Lost { holder: None });
}

/// Three candidates, each of which is started anew when it loses, while everything goes wrong: never do two lead at
/// the same time, and in the end one does.
#[tokio::test(start_paused = true)]
async fn never_do_two_lead_whatever_fails() {
    for seed in 0..6 {
        for fault in ALL {
            let api = FakeApi::new();
            api.set_faults(Faults::seeded(seed, fault, 200));
            let leaders: Arc<Mutex<Vec<String>>> = Arc::default();
            let changes: Arc<Mutex<usize>> = Arc::default();
            let mut tasks = tokio::task::JoinSet::new();
            for name in ["one", "two", "three"] {
                let (api, leaders, changes) = (api.clone(), leaders.clone(), changes.clone());
                tasks.spawn(async move {
                    for life in 0.. {
                        let (candidate, _) =
                            candidate(api.client(&Life::long()), &format!("{name}-{life}"));
                        candidate.leading().await;
                        {
                            let mut leaders = leaders.lock().unwrap();
                            leaders.push(name.to_owned());
                            assert_eq!(leaders.len(), 1, "seed {seed}, {fault:?}: {leaders:?}");
                        }
                        *changes.lock().unwrap() += 1;
                        // Now and then one hands over of its own will.
                        let enough = tokio::time::sleep(Duration::from_secs(100 + 30 * seed));
                        let asked = tokio::select! {
                            _ = candidate.lost() => false,
                            () = enough => true,
                        };
                        leaders.lock().unwrap().retain(|l| l != name);
                        if asked {
                            candidate.release().await;
                        }
                    }
                });
            }
            tokio::select! {
                ended = tasks.join_next() => panic!("seed {seed}, {fault:?}: {ended:?}"),
                () = tokio::time::sleep(Duration::from_secs(3600)) => {}
            }
            let changes = *changes.lock().unwrap();
            assert!(
                changes > 5,
                "seed {seed}, {fault:?}: the lease changed hands {changes} times in an hour"
            );
        }
    }
}
