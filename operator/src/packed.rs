//! What is kept of a cluster from one look to the next, as the text that it came as. A thousand clusters mostly rest:
//! as values they would be thousands of small allocations, three times as large, for what a look reads in some tens of
//! microseconds.

use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterSpec, DaskLikeClusterStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A value as JSON.
pub(crate) struct Packed<T> {
    json: Arc<[u8]>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    pub(crate) fn new(value: &T) -> Packed<T> {
        // Writing fails only for maps whose keys are no strings, which specs and statuses have none of; the empty text
        // that it would leave is an error when it is read.
        let json = serde_json::to_vec(value).unwrap_or_default();
        Packed {
            json: json.into(),
            of: PhantomData,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// It was not written.
    pub(crate) fn unpack(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.json)
    }
}

impl<T> Clone for Packed<T> {
    /// The same text.
    fn clone(&self) -> Packed<T> {
        Packed {
            json: self.json.clone(),
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Packed<T>) -> bool {
        self.json == other.json
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.json))
    }
}

/// A cluster, and what of it is asked before it is worked on.
#[derive(Clone, Debug)]
pub(crate) struct PackedCluster {
    pub(crate) metadata: ObjectMeta,
    /// Whether anything but its spec can change the number of its workers.
    pub(crate) follows_work: bool,
    /// All of it but its status,
    rest: Packed<DaskLikeCluster>,
    /// which we write ourselves and remember. Most of the time both are one text.
    pub(crate) status: Option<Packed<DaskLikeClusterStatus>>,
}

impl PackedCluster {
    pub(crate) fn new(mut cluster: DaskLikeCluster) -> PackedCluster {
        let status = cluster.status.take();
        let metadata = &cluster.metadata;
        PackedCluster {
            metadata: ObjectMeta {
                name: metadata.name.clone(),
                namespace: metadata.namespace.clone(),
                uid: metadata.uid.clone(),
                generation: metadata.generation,
                ..ObjectMeta::default()
            },
            follows_work: follows_work(&cluster.spec),
            rest: Packed::new(&cluster),
            status: status.as_ref().map(Packed::new),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// It was not written.
    pub(crate) fn unpack(&self) -> Result<DaskLikeCluster, serde_json::Error> {
        let status = self.status.as_ref().map(Packed::unpack).transpose()?;
        Ok(DaskLikeCluster {
            status,
            ..self.rest.unpack()?
        })
    }
}

fn follows_work(spec: &DaskLikeClusterSpec) -> bool {
    let mut pools = spec.pools.iter();
    spec.idle.is_some()
        || spec.worker.autoscaling.is_some()
        || pools.any(|pool| pool.pool.autoscaling.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Nothing that a look may ask for is lost, in the order in which people wrote it.
    #[test]
    fn a_cluster_is_the_same_after_being_kept() {
        let cluster: DaskLikeCluster = serde_json::from_value(json!({
            "apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
            "metadata": {"name": "demo", "namespace": "ns", "uid": "u", "generation": 7,
                "labels": {"team": "fields"}, "resourceVersion": "12",
                "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z"},
            "spec": {"image": "i", "idle": {"afterSeconds": 60},
                "worker": {"replicas": 3, "resources": {"limits": {"cpu": 1, "memory": "2Gi"}},
                    "template": {"spec": {"zone": 1, "containers": [{"name": "worker"}], "affinity": null}},
                    "autoscaling": {"maxReplicas": 4}},
                "pools": [{"name": "gpu", "replicas": 1}]},
            "status": {"replicas": 2, "observedGeneration": 7, "conditions": [{"type": "Ready", "status": "True",
                "reason": "r", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}))
        .unwrap();
        let kept = PackedCluster::new(cluster.clone());
        let again = kept.unpack().unwrap();
        assert_eq!(again, cluster);
        let keys = |c: &DaskLikeCluster| serde_json::to_string(&c.spec.worker.template).unwrap();
        assert_eq!(keys(&again), keys(&cluster));
        assert_eq!(kept.metadata.uid, cluster.metadata.uid);
    }

    #[test]
    fn work_changes_the_number_of_workers_where_the_spec_lets_it() {
        let follows = |spec| {
            let cluster = json!({"apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
                "metadata": {"name": "demo"}, "spec": spec});
            PackedCluster::new(serde_json::from_value(cluster).unwrap()).follows_work
        };
        assert!(!follows(
            json!({"worker": {"replicas": 3}, "pools": [{"name": "gpu", "replicas": 1}]})
        ));
        assert!(follows(json!({"idle": {"afterSeconds": 60}})));
        assert!(follows(
            json!({"worker": {"autoscaling": {"maxReplicas": 4}}})
        ));
        assert!(follows(
            json!({"pools": [{"name": "gpu", "autoscaling": {"maxReplicas": 4}}]})
        ));
    }
}
