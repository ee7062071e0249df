//! The words in `reason` fields of conditions and events that this operator chooses. Reasons of pods, such as
//! `ImagePullBackOff` or `OOMKilled`, are Kubernetes' own words and are passed on as they are.

/// All is as it should be.
pub const READY: &str = "Ready";
/// The spec cannot be carried out; the message names the field.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// `spec.suspend` is true.
pub const SUSPENDED: &str = "Suspended";
/// The pod is not there yet.
pub const MISSING: &str = "Missing";
/// The pod is there and its process starts.
pub const STARTING: &str = "Starting";
/// The pod is going away.
pub const TERMINATING: &str = "Terminating";
/// The API server refused to create a pod; the message has its words.
pub const CREATE_REFUSED: &str = "CreateRefused";
/// A namespace's ResourceQuota does not allow a pod.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// The operator lacks a right.
pub const FORBIDDEN: &str = "Forbidden";
/// An object of this name exists and is not of this cluster.
pub const NAME_TAKEN: &str = "NameTaken";
/// Fewer workers are ready than wanted.
pub const WORKERS_NOT_READY: &str = "WorkersNotReady";
/// The scheduler is not ready.
pub const SCHEDULER_NOT_READY: &str = "SchedulerNotReady";
/// No workers are wanted.
pub const NONE_WANTED: &str = "NoneWanted";
/// Pods are what the spec asks for.
pub const SETTLED: &str = "Settled";
/// Pods are being made.
pub const CREATING: &str = "Creating";
/// Pods are being replaced, because what they are made from changed.
pub const ROLLING: &str = "Rolling";
/// Workers finish what they compute and go.
pub const DRAINING: &str = "Draining";
/// New pods wait, because the last ones ended too soon.
pub const BACKING_OFF: &str = "BackingOff";
/// The number of workers is the spec's.
pub const FIXED: &str = "FixedReplicas";
/// The number of workers follows the work there is.
pub const FOLLOWS_WORK: &str = "FollowsWork";
/// What would be done is told, and not done: `autoscaling.dryRun` is true.
pub const DRY_RUN: &str = "DryRun";
/// There was no work for long enough, and `spec.idle` says no workers.
pub const IDLE: &str = "Idle";
/// There was no work for long enough, and `spec.idle` says delete.
pub const IDLE_DELETE: &str = "IdleDelete";
/// There is work again.
pub const WOKEN: &str = "Woken";
/// The number of wanted workers changed in the spec.
pub const SPEC_CHANGED: &str = "SpecChanged";
