//! Names of a cluster and of its objects. All of them follow from the cluster's name, so that creating an object
//! twice is seen by the API server.

use dasklike_operator_api::DaskLikeCluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::fmt;

/// The scheduler's gRPC port.
pub const GRPC_PORT: u16 = 8786;
/// The scheduler's HTTP port: dashboard, metrics, health.
pub const HTTP_PORT: u16 = 8787;
/// The name of the engine's container in a scheduler pod.
pub const SCHEDULER_CONTAINER: &str = "scheduler";
/// The name of the engine's container in a worker pod.
pub const WORKER_CONTAINER: &str = "worker";
/// The pool that `spec.worker` describes.
pub const DEFAULT_POOL: &str = "default";
/// Where a pod finds its certificates.
pub const TLS_DIR: &str = "/etc/dasklike/tls";
/// Where the scheduler's container keeps named jobs.
pub const JOURNAL_DIR: &str = "/var/lib/dasklike/journal";

/// A cluster's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey {
    /// The namespace.
    pub namespace: String,
    /// The name within it.
    pub name: String,
}

impl ClusterKey {
    /// The key of `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> ClusterKey {
        ClusterKey {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of this cluster.
    pub fn of(cluster: &DaskLikeCluster) -> ClusterKey {
        ClusterKey::named(&cluster.metadata)
    }

    /// The key of the cluster with this metadata.
    pub fn named(metadata: &ObjectMeta) -> ClusterKey {
        ClusterKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    /// The name of the scheduler's pod and of its Service.
    pub fn scheduler(&self) -> String {
        format!("{}-scheduler", self.name)
    }

    /// The name of the Secret with the certificates.
    pub fn secret(&self) -> String {
        format!("{}-tls", self.name)
    }

    /// The name of the NetworkPolicy.
    pub fn network_policy(&self) -> String {
        self.name.clone()
    }

    /// The name of the PodDisruptionBudget.
    pub fn disruption_budget(&self) -> String {
        self.scheduler()
    }

    /// The name of a worker's pod.
    pub fn worker(&self, pool: &str, index: u32) -> String {
        format!("{}-{pool}-{index}", self.name)
    }

    /// The index of a worker's pod, if this is a name that [`ClusterKey::worker`] gives.
    pub fn worker_index(&self, pool: &str, pod: &str) -> Option<u32> {
        let digits = pod
            .strip_prefix(&self.name)?
            .strip_prefix('-')?
            .strip_prefix(pool)?
            .strip_prefix('-')?;
        let index = digits.parse().ok()?;
        (self.worker(pool, index) == pod).then_some(index)
    }

    /// The host that clients look up and that the scheduler's certificate carries. Short enough to work under any
    /// cluster domain: a pod's search list completes it.
    pub fn scheduler_host(&self) -> String {
        format!("{}.{}.svc", self.scheduler(), self.namespace)
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_index_is_read_back_from_its_name_only() {
        let key = ClusterKey::new("ns", "demo");
        for (pod, index) in [
            ("demo-default-0", Some(0)),
            ("demo-default-17", Some(17)),
            ("demo-default-017", None),
            ("demo-default-+1", None),
            ("demo-default-", None),
            ("demo-other-1", None),
            ("demo-default-1-1", None),
            ("demo-scheduler", None),
        ] {
            assert_eq!(key.worker_index("default", pod), index, "{pod}");
        }
    }
}
