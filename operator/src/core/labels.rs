//! Labels of a cluster's objects. The operator finds its pods by them, and so do people and policies.

use super::names::ClusterKey;
use std::collections::BTreeMap;

/// The cluster's name: the operator watches what carries it.
pub const CLUSTER: &str = "dasklike.dev/cluster";
/// The pool of a worker.
pub const POOL: &str = "dasklike.dev/pool";
/// What a pod was made from.
pub const HASH: &str = "dasklike.dev/hash";
/// `scheduler` or `worker`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The selector of all that the operator made.
pub const MANAGED_SELECTOR: &str =
    "app.kubernetes.io/managed-by=dasklike-operator,dasklike.dev/cluster";

const NAME: &str = "app.kubernetes.io/name";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// The value of [`COMPONENT`] of a scheduler.
pub const SCHEDULER: &str = "scheduler";
/// The value of [`COMPONENT`] of a worker.
pub const WORKER: &str = "worker";

/// Labels.
pub type Labels = BTreeMap<String, String>;

/// Labels of every object of a cluster.
pub fn common(key: &ClusterKey) -> Labels {
    labels(&[
        (NAME, "dasklike"),
        (MANAGED_BY, "dasklike-operator"),
        (INSTANCE, &key.name),
        (CLUSTER, &key.name),
    ])
}

/// Labels of the scheduler's pod and Service.
pub fn scheduler(key: &ClusterKey) -> Labels {
    let mut all = common(key);
    all.insert(COMPONENT.to_owned(), SCHEDULER.to_owned());
    all
}

/// Labels of a worker's pod.
pub fn worker(key: &ClusterKey, pool: &str) -> Labels {
    let mut all = common(key);
    all.insert(COMPONENT.to_owned(), WORKER.to_owned());
    all.insert(POOL.to_owned(), pool.to_owned());
    all
}

/// Selects a cluster's scheduler.
pub fn select_scheduler(key: &ClusterKey) -> Labels {
    labels(&[(CLUSTER, &key.name), (COMPONENT, SCHEDULER)])
}

/// Selects all pods of a cluster.
pub fn select_all(key: &ClusterKey) -> Labels {
    labels(&[(CLUSTER, &key.name)])
}

/// Selects a pool's pods, as the scale subresource wants it.
pub fn pool_selector(key: &ClusterKey, pool: &str) -> String {
    format!("{CLUSTER}={},{POOL}={pool}", key.name)
}

/// Whether the operator alone decides this label.
pub fn is_reserved(key: &str) -> bool {
    key.starts_with("dasklike.dev/") || [NAME, MANAGED_BY, INSTANCE, COMPONENT].contains(&key)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
