//! What the operator answers: counts and reasons, never a list of workers, so that its size does not grow with
//! the cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator saw and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DaskLikeClusterStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The image in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Worker pods of the pool `default`, those that drain included: the scale subresource's.
    #[serde(default)]
    pub replicas: i32,
    /// Workers that are ready, in all pools.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Workers that are wanted, in all pools.
    #[serde(default)]
    pub desired_replicas: i32,
    /// Selects the worker pods of the pool `default`: the scale subresource's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Tasks that are not done. Absent while the scheduler does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_tasks: Option<i64>,
    /// The scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerStatus>,
    /// Counts of each pool, `default` first.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub pools: Vec<PoolStatus>,
    /// Ready, SchedulerReady, WorkersReady, Progressing, ScalingActive.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// The last change of the number of wanted workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale: Option<LastScale>,
    /// The last changes that autoscaling decided on, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub scaling_decisions: Vec<ScalingDecision>,
    /// How a container last ended with an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_termination: Option<LastTermination>,
}

/// The scheduler, as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerStatus {
    /// The URL that clients in the cluster use.
    pub address: String,
    /// The scheduler's incarnation. Absent while it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}

/// Counts of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The pool.
    pub name: String,
    /// Workers that are wanted.
    pub desired: i32,
    /// Workers that are ready.
    pub ready: i32,
    /// Workers that finish what they compute, and then go.
    pub draining: i32,
    /// Workers whose pods are not what the spec asks for now.
    pub outdated: i32,
}

/// One thing that is so or not, since when and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it is so.
    pub status: Truth,
    /// Why, in one word.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 32_768))]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// The `metadata.generation` that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What a condition is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// The scheduler and all wanted workers are ready.
    Ready,
    /// The scheduler accepts work.
    SchedulerReady,
    /// All wanted workers are ready.
    WorkersReady,
    /// Pods are being made, replaced or drained.
    Progressing,
    /// The number of workers follows the work there is.
    ScalingActive,
}

/// Whether a condition is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// It cannot be told.
    Unknown,
}

/// A change of the number of wanted workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastScale {
    /// When.
    pub time: Time,
    /// How many were wanted before, in all pools.
    pub from: i32,
    /// How many are wanted since.
    pub to: i32,
    /// Why.
    pub reason: String,
}

/// A change of a pool's number of workers that autoscaling decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingDecision {
    /// When.
    pub time: Time,
    /// The pool.
    pub pool: String,
    /// How many workers were wanted before.
    pub from: i32,
    /// How many are wanted since.
    pub to: i32,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people, with the numbers that it follows from.
    pub message: String,
    /// True: it was told, and not done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastTermination {
    /// The container's pod.
    pub pod: String,
    /// Kubernetes' word for it, such as OOMKilled, Error or Evicted.
    pub reason: String,
    /// The process's exit code. Absent where there was no process to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What Kubernetes or the container said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When.
    pub time: Time,
}
