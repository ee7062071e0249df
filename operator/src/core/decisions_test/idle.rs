//! Clusters without work.

use super::{decide, told};
use crate::core::cluster::ValidatedCluster;
use crate::core::demand::Demand;
use crate::core::plan::{History, Seen, plan};
use crate::core::sizing::Mode;
use crate::core::testing::{Fleet, at, cluster, demand, say};
use dasklike_operator_api::DaskLikeClusterStatus;
use serde_json::json;

fn sleeper(action: &str) -> ValidatedCluster {
    cluster(json!({"idle": {"afterSeconds": 60, "action": action}, "worker": {"replicas": 2}}))
}

#[test]
fn a_cluster_without_work_falls_asleep_and_wakes_for_a_job() {
    let cluster = sleeper("ScaleToZero");
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    let idle_since = |since: i64| demand(0, Some(since), &[]);
    let working = demand(1, None, &[]);
    let soon = decide(&cluster, &pods, Some(&idle_since(41)));
    assert_eq!(told(&soon), "");
    assert_eq!(
        soon.recheck_at,
        Some(at(101)),
        "it is looked at when its time is over"
    );
    let asleep = idle_since(40);
    assert_eq!(
        told(&decide(&cluster, &pods, Some(&asleep))),
        "-0:Idle -1:Idle"
    );
    let status = say(
        &cluster,
        &pods,
        Some(&asleep),
        &[],
        &DaskLikeClusterStatus::default(),
        at(100),
    );
    let none = Fleet::new(&cluster).scheduler().pods;
    let later = |demand: Option<&Demand>, status: &DaskLikeClusterStatus| {
        let history = History::new();
        let seen = Seen {
            pods: &none,
            demand,
            protected: false,
            status,
            history: &history,
        };
        told(&plan(&cluster, seen, at(100)))
    };
    assert_eq!(later(None, &status), "", "silence does not wake it");
    assert_eq!(
        later(Some(&idle_since(99)), &status),
        "",
        "nor does a restarted scheduler"
    );
    assert_eq!(later(Some(&working), &status), "+0 +1", "a job does");
    let edited = DaskLikeClusterStatus {
        observed_generation: Some(0),
        ..status
    };
    assert_eq!(
        later(Some(&idle_since(99)), &edited),
        "+0 +1",
        "an edit starts the clock's rule anew"
    );
}

#[test]
fn silence_is_not_idleness() {
    let cluster = sleeper("Delete");
    let pods = Fleet::new(&cluster).scheduler().workers(0..2).pods;
    assert!(!decide(&cluster, &pods, None).delete_cluster);
    let idle = demand(0, Some(0), &[]);
    let plan = decide(&cluster, &pods, Some(&idle));
    assert!(plan.delete_cluster);
    assert_eq!(plan.sizing.mode, Mode::IdleDelete { since: at(0) });
}
