//! The Kubernetes operator: `DaskLikeCluster` objects become schedulers and workers.

pub mod core;
pub mod edge;
pub mod metrics;
