//! The objects of a cluster. Nothing here can fail: what could be wrong was found by `validate`.

mod disruption_budget;
mod network_policy;
mod pod;
mod scheduler;
mod secret;
mod service;
mod worker;

pub use disruption_budget::disruption_budget;
pub use network_policy::network_policy;
pub use scheduler::scheduler_pod;
pub use secret::secret;
pub use service::service;
pub use worker::worker_pod;

use super::cluster::ValidatedCluster;
use super::labels::Labels;
use dasklike_operator_api::DaskLikeCluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;

/// The metadata of an object of this cluster. It is deleted with the cluster, by the API server's own collector.
fn metadata(cluster: &ValidatedCluster, name: String, labels: Labels) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.key.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![OwnerReference {
            api_version: DaskLikeCluster::api_version(&()).into_owned(),
            kind: DaskLikeCluster::kind(&()).into_owned(),
            name: cluster.key.name.clone(),
            uid: cluster.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}

fn select(labels: Labels) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    }
}
