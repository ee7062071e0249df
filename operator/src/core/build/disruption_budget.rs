//! The PodDisruptionBudget, which is there only while a restart of the scheduler would lose work.

use super::super::cluster::ValidatedCluster;
use super::super::labels;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// No eviction of the scheduler. Workers need no budget: they hand over what they hold.
pub fn disruption_budget(cluster: &ValidatedCluster) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: super::metadata(
            cluster,
            cluster.key.disruption_budget(),
            labels::common(&cluster.key),
        ),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(0)),
            selector: Some(super::select(labels::select_scheduler(&cluster.key))),
            // One that is not ready may go: there is nothing that it could lose.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
