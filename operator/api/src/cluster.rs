//! What a user asks for.

use crate::pool::{NamedPool, PoolSpec};
use crate::schemas::{ComputeResources, RawTemplate, template_schema};
use crate::status::DaskLikeClusterStatus;
use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scheduler and pools of workers that compute on n-d arrays.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dasklike.dev",
    version = "v1alpha1",
    kind = "DaskLikeCluster",
    plural = "dasklikeclusters",
    singular = "dasklikecluster",
    shortname = "dlc",
    category = "dasklike",
    namespaced,
    doc = "A scheduler and pools of workers that compute on n-d arrays.",
    status = "DaskLikeClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    scale(
        spec_replicas_path = ".spec.worker.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the scheduler and all wanted workers are ready."
    ),
    printcolumn(
        name = "Workers",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Workers that are ready, in all pools."
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas",
        description = "Workers that are wanted, in all pools."
    ),
    printcolumn(
        name = "Queue",
        type_ = "integer",
        json_path = ".status.queueTasks",
        description = "Tasks that are not done."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be at most 40 characters of a-z, 0-9 and '-', and begin with a letter: it begins the names of Services and pods"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.managedBy == oldSelf.managedBy")
        .message("spec.managedBy cannot be changed: make a new cluster")
)]
pub struct DaskLikeClusterSpec {
    /// The engine's image. Empty: the operator's default at the time when it first saw this cluster, which
    /// `status.image` keeps, so that an upgrade of the operator restarts nothing.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub image: String,
    /// Secrets for pulling the image, in this namespace.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Keys of labels of this object that its pods get too: a cost centre, a queue's name. A change reaches pods
    /// that are made after it; it restarts none.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 317)))]
    pub propagate_labels: Vec<String>,
    /// True: no pods. Their names, Service and certificates stay.
    #[serde(default)]
    pub suspend: bool,
    /// Who looks after this cluster: empty or `dasklike.dev/operator` for this operator, anything else for a
    /// controller such as Kueue's, and then this operator does nothing. Cannot be changed.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub managed_by: String,
    /// What happens to a cluster without work. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// Encryption and authentication between all parts.
    #[serde(default)]
    pub tls: Tls,
    /// The scheduler.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// The pool named `default`; `kubectl scale` changes this one.
    #[serde(default)]
    pub worker: PoolSpec,
    /// More pools, each with a name that jobs ask for.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub pools: Vec<NamedPool>,
}

/// What happens to a cluster without work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// Seconds since the last job ended.
    #[serde(default = "half_an_hour")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub after_seconds: i64,
    /// What then happens.
    #[serde(default)]
    pub action: IdleAction,
}

fn half_an_hour() -> i64 {
    1800
}

/// What happens to a cluster that was idle for long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IdleAction {
    /// No workers until there is a job again. The scheduler stays.
    #[default]
    ScaleToZero,
    /// The cluster is deleted.
    Delete,
}

/// Encryption and authentication between all parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.mode == oldSelf.mode")
        .message("spec.tls.mode cannot be changed: parts that run could not talk to new ones; make a new cluster")
)]
pub struct Tls {
    /// Who makes the certificates. Cannot be changed.
    #[serde(default)]
    pub mode: TlsMode,
}

/// Who makes the certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// The operator: a CA for this cluster alone, renewed in time.
    #[default]
    Operator,
    /// No encryption, and whoever reaches the scheduler may compute.
    Disabled,
}

/// The scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerSpec {
    /// CPU and memory of the container. Absent: 100m CPU and 256Mi requested, 1Gi memory at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ComputeResources>,
    /// A PodTemplateSpec that is merged over the operator's own: lists by Kubernetes' keys, so a container named
    /// `scheduler` changes the operator's and any other is a sidecar.
    #[serde(default, skip_serializing_if = "RawTemplate::is_empty")]
    #[schemars(schema_with = "template_schema")]
    pub template: RawTemplate,
    /// Where the scheduler keeps named jobs, so that they go on when it was restarted. Absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
}

/// Where the scheduler keeps named jobs. The names of their arrays, their plans and their results are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    /// A PersistentVolumeClaim in this namespace, for this cluster alone: the journal outlives the pod and its node.
    /// Empty: an emptyDir, which outlives the scheduler's process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        length(max = 253),
        regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")
    )]
    pub claim_name: String,
}
