//! Pools of workers.

use crate::schemas::{ComputeResources, RawTemplate, int_or_percent_schema, template_schema};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Workers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// How many workers. With `autoscaling` only what it starts from, within its bounds; with `dryRun` what there is.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10_000))]
    pub replicas: i32,
    /// Tasks that a worker computes at once. 0: as many as its CPU limit, rounded up.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub slots: i32,
    /// CPU and memory of the container. Absent: 500m CPU and 1Gi requested, 1 CPU and 1Gi at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ComputeResources>,
    /// A PodTemplateSpec that is merged over the operator's own: lists by Kubernetes' keys, so a container named
    /// `worker` changes the operator's and any other is a sidecar.
    #[serde(default, skip_serializing_if = "RawTemplate::is_empty")]
    #[schemars(schema_with = "template_schema")]
    pub template: RawTemplate,
    /// How many of the wanted workers may be missing while pods are replaced: a number or a percentage, rounded
    /// down, but at least 1.
    #[serde(default = "quarter")]
    #[schemars(schema_with = "int_or_percent_schema")]
    pub max_unavailable: IntOrString,
    /// Seconds that a worker has to finish what it computes before it is ended.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 0, max = 604_800))]
    pub drain_timeout_seconds: i64,
    /// Bounds and rules for the number of workers by the work there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
}

impl Default for PoolSpec {
    fn default() -> PoolSpec {
        PoolSpec {
            replicas: one(),
            slots: 0,
            resources: None,
            template: RawTemplate::new(),
            max_unavailable: quarter(),
            drain_timeout_seconds: ten_minutes(),
            autoscaling: None,
        }
    }
}

/// A pool besides the one named `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name of a pool must be a DNS label: a-z, 0-9 and '-', not at its ends"),
    validation = Rule::new("self.name != 'default'")
        .message("the pool named default is spec.worker")
)]
pub struct NamedPool {
    /// The name that jobs ask for.
    #[schemars(length(min = 1, max = 16))]
    pub name: String,
    /// The workers.
    #[serde(flatten)]
    pub pool: PoolSpec,
}

/// Bounds and rules for the number of workers by the work there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas must be at most autoscaling.maxReplicas")
)]
pub struct Autoscaling {
    /// The fewest workers.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub min_replicas: i32,
    /// The most workers.
    #[schemars(range(min = 0, max = 10_000))]
    pub max_replicas: i32,
    /// Seconds in which the work there is should be done; where pods take longer than this to start, that long.
    #[serde(default = "five_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub target_seconds: i32,
    /// How fast workers are added.
    #[serde(default)]
    pub scale_up: ScaleUp,
    /// How fast workers are taken away.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// True: what would be done is told, and not done.
    #[serde(default)]
    pub dry_run: bool,
}

/// How fast workers are added. With both bounds the larger one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleUp {
    /// The most workers added in a period. 0: no bound.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_pods: i32,
    /// The most workers added in a period, in percent of those there are. 0: no bound.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_percent: i32,
    /// The length of a period in seconds.
    #[serde(default = "quarter_of_a_minute")]
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

impl Default for ScaleUp {
    fn default() -> ScaleUp {
        ScaleUp {
            max_pods: 0,
            max_percent: 0,
            period_seconds: quarter_of_a_minute(),
        }
    }
}

/// How fast workers are taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleDown {
    /// Workers that were needed this many seconds ago are kept. Where pods start so fast that a new one is cheaper
    /// than one that waits, only the last worker is kept for so long.
    #[serde(default = "two_minutes")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: i32,
    /// The most workers taken away at once, in percent of those there are. Those that had nothing to do for the whole
    /// window do not count.
    #[serde(default = "twenty_five")]
    #[schemars(range(min = 1, max = 100))]
    pub max_percent: i32,
}

impl Default for ScaleDown {
    fn default() -> ScaleDown {
        ScaleDown {
            stabilization_window_seconds: two_minutes(),
            max_percent: twenty_five(),
        }
    }
}

fn one() -> i32 {
    1
}

fn quarter() -> IntOrString {
    IntOrString::String("25%".to_owned())
}

fn ten_minutes() -> i64 {
    600
}

fn five_seconds() -> i32 {
    5
}

fn quarter_of_a_minute() -> i32 {
    15
}

fn two_minutes() -> i32 {
    120
}

fn twenty_five() -> i32 {
    25
}
