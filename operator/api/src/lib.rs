//! The `DaskLikeCluster` resource: what a user writes, what the operator answers, and the words of its conditions.
//!
//! Only types and their schema, so that clients, tests and the operator's pure core can use them without a
//! Kubernetes client.

#![allow(
    unreachable_pub,
    reason = "the schema's derive copies public types into a function"
)]

mod cluster;
mod pool;
pub mod reasons;
mod schemas;
mod status;

pub use cluster::{
    DaskLikeCluster, DaskLikeClusterSpec, Idle, IdleAction, Journal, SchedulerSpec, Tls, TlsMode,
};
pub use pool::{Autoscaling, NamedPool, PoolSpec, ScaleDown, ScaleUp};
pub use schemas::{ComputeResources, RawTemplate};
pub use status::{
    Condition, ConditionType, DaskLikeClusterStatus, LastScale, LastTermination, PoolStatus,
    ScalingDecision, SchedulerStatus, Truth,
};

/// The value of `spec.managedBy` that means this operator, as an empty one does.
pub const MANAGED_BY: &str = "dasklike.dev/operator";

/// The resource's definition, as `kubectl apply` takes it.
pub fn definition()
-> k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition {
    <DaskLikeCluster as kube::CustomResourceExt>::crd()
}
