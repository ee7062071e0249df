//! Short ways to make clusters, pods and demands in tests.

use super::cluster::ValidatedCluster;
use super::demand::{Demand, PoolDemand, WorkerDemand};
use super::observed::{ObservedPod, Phase, Pods, Role};
use super::plan::{History, Seen, plan};
use super::status::{Facts as StatusFacts, Refusal, status};
use super::validate::{Facts, validate};
use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const IMAGE: &str = "registry/dasklike:1";

/// So many seconds after a fixed moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// The cluster ns/demo with this spec, as the API server gives it.
pub(crate) fn object(spec: Value) -> DaskLikeCluster {
    serde_json::from_value(json!({
        "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
        "metadata": {"name": "demo", "namespace": "ns", "uid": "owner", "generation": 1,
            "labels": {"team": "a", "dasklike.dev/pool": "x"}},
        "spec": spec,
    }))
    .unwrap()
}

pub(crate) fn cluster(spec: Value) -> ValidatedCluster {
    validate(
        &object(spec),
        &Facts {
            default_image: IMAGE,
        },
    )
    .unwrap()
}

/// What one look says of what was seen, its Service being there.
pub(crate) fn say(
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
    let facts = StatusFacts {
        plan: &plan,
        pods,
        before: pods,
        service: true,
        demand,
        refusals,
        previous,
    };
    status(cluster, facts, now)
}

/// Pods, each by a word or two.
pub(crate) struct Fleet<'a> {
    cluster: &'a ValidatedCluster,
    pub(crate) pods: Pods,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(cluster: &'a ValidatedCluster) -> Fleet<'a> {
        Fleet {
            cluster,
            pods: Pods::new(),
        }
    }

    /// A ready scheduler.
    pub(crate) fn scheduler(self) -> Fleet<'a> {
        let hash = self.cluster.scheduler.hash.clone();
        let name = self.cluster.key.scheduler();
        self.insert(name, Role::Scheduler, &hash)
    }

    /// Ready workers of the pool `default` with these indices.
    pub(crate) fn workers(mut self, indices: impl IntoIterator<Item = u32>) -> Fleet<'a> {
        for index in indices {
            self = self.worker("default", index);
        }
        self
    }

    /// A ready worker.
    pub(crate) fn worker(self, pool: &str, index: u32) -> Fleet<'a> {
        let hash = self
            .cluster
            .pool(pool)
            .map_or_else(String::new, |pool| pool.part.hash.clone());
        let name = self.cluster.key.worker(pool, index);
        self.insert(name, Role::Worker(pool.into()), &hash)
    }

    fn insert(mut self, name: String, role: Role, hash: &str) -> Fleet<'a> {
        let pod = ObservedPod {
            uid: format!("uid-{name}").into(),
            owner: Some(self.cluster.uid.as_str().into()),
            role,
            hash: hash.into(),
            created: at(0),
            deleting: false,
            phase: Phase::Running,
            ready_since: Some(at(1)),
            ip: Some("fd00::7".into()),
            trouble: None,
            disrupted: false,
            termination: None,
        };
        self.pods.insert(name, Box::new(pod));
        self
    }

    /// The same with one pod changed.
    pub(crate) fn but(mut self, name: &str, change: impl FnOnce(&mut ObservedPod)) -> Fleet<'a> {
        change(self.pods.get_mut(name).unwrap());
        self
    }

    pub(crate) fn outdated(self, name: &str) -> Fleet<'a> {
        self.but(name, |pod| pod.hash = "old".into())
    }

    pub(crate) fn pending(self, name: &str) -> Fleet<'a> {
        self.but(name, |pod| {
            pod.phase = Phase::Pending;
            pod.ready_since = None;
        })
    }

    pub(crate) fn deleting(self, name: &str) -> Fleet<'a> {
        self.but(name, |pod| pod.deleting = true)
    }
}

/// A demand of one pool whose workers are busy with so many slots.
pub(crate) fn demand(
    unfinished_jobs: u32,
    idle_since: Option<i64>,
    busy: &[(&str, u32)],
) -> Demand {
    let workers = busy
        .iter()
        .map(|(name, busy_slots)| {
            let worker = WorkerDemand {
                slots: 4,
                busy_slots: *busy_slots,
                ..WorkerDemand::default()
            };
            ((*name).to_owned(), worker)
        })
        .collect();
    let pool = PoolDemand {
        ready_tasks: 5,
        workers,
        ..PoolDemand::default()
    };
    Demand {
        epoch: 7,
        pools: [("default".to_owned(), Box::new(pool))].into(),
        unfinished_jobs,
        idle_since: idle_since.map(at),
        received: at(0) + SignedDuration::from_secs(1),
    }
}
