//! The operator: makes of each `DaskLikeCluster` a running scheduler with workers, and keeps it so.

pub mod core;
pub mod demand;
pub mod edge;
pub mod metrics;
