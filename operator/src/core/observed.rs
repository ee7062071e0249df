//! What the operator keeps of a pod: the little that decisions and the status need. A pod as the API server sends
//! it is some 10 kB; this is a few hundred bytes, and there may be ten thousand.

use super::labels;
use super::names::ClusterKey;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// A cluster's pods by name. Boxed, for most clusters have few, and a map has room for eleven.
pub type Pods = BTreeMap<String, Box<ObservedPod>>;

/// What is known of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPod {
    /// Its uid: another pod of this name has another.
    pub uid: Box<str>,
    /// The uid of the cluster that owns it; none if it is somebody else's.
    pub owner: Option<Box<str>>,
    /// What it is for.
    pub role: Role,
    /// What it was made from.
    pub hash: Box<str>,
    /// When it was created.
    pub created: Timestamp,
    /// It was asked to go.
    pub deleting: bool,
    /// How far it is.
    pub phase: Phase,
    /// Since when it is ready; none while it is not.
    pub ready_since: Option<Timestamp>,
    /// Its address.
    pub ip: Option<Box<str>>,
    /// What keeps it from being ready.
    pub trouble: Option<Box<Trouble>>,
    /// It will be ended from outside: its node is drained or taken away, or another pod needs its place.
    pub disrupted: bool,
    /// How one of its containers last ended with an error, or why the pod as a whole did.
    pub termination: Option<Box<Termination>>,
}

/// What a pod is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The scheduler.
    Scheduler,
    /// A worker of this pool.
    Worker(Box<str>),
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not all of its containers have started.
    Pending,
    /// It runs.
    Running,
    /// All of its containers ended well, and stay ended.
    Succeeded,
    /// It ended, and not well.
    Failed,
}

/// What keeps a pod from being ready, in Kubernetes' words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Such as `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`.
    pub reason: String,
    /// The sentence with it.
    pub message: String,
}

/// How a container or a pod ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// Such as `OOMKilled`, `Error`, `Evicted`.
    pub reason: String,
    /// The exit code, if a process ended.
    pub exit_code: Option<i32>,
    /// What was said.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// The longest message that is kept.
const MESSAGE_BYTES: usize = 512;

impl ObservedPod {
    /// The cluster that a pod's labels name, and what there is to know of it. None if it is no pod of ours.
    pub fn new(metadata: &ObjectMeta, status: &PodStatus) -> Option<(ClusterKey, ObservedPod)> {
        let labels = metadata.labels.as_ref()?;
        let key = ClusterKey::new(
            metadata.namespace.as_deref()?,
            labels.get(labels::CLUSTER)?.as_str(),
        );
        let role = match labels.get(labels::COMPONENT)?.as_str() {
            labels::SCHEDULER => Role::Scheduler,
            labels::WORKER => Role::Worker(labels.get(labels::POOL)?.as_str().into()),
            _ => return None,
        };
        let created = metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let owner = metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| owner.uid.as_str().into());
        let pod = ObservedPod {
            uid: metadata.uid.as_deref()?.into(),
            owner,
            role,
            hash: labels
                .get(labels::HASH)
                .map(String::as_str)
                .unwrap_or_default()
                .into(),
            created,
            deleting: metadata.deletion_timestamp.is_some(),
            phase: phase(status),
            ready_since: ready_since(status),
            ip: status.pod_ip.as_deref().map(Into::into),
            trouble: trouble(status).map(Box::new),
            disrupted: condition(status, "DisruptionTarget")
                .is_some_and(|condition| condition.status == "True"),
            termination: termination(status, created)
                .or_else(|| stopped(status).filter(|_| metadata.deletion_timestamp.is_none()))
                .map(Box::new),
        };
        Some((key, pod))
    }

    /// It is ready and stays.
    pub fn is_ready(&self) -> bool {
        self.ready_since.is_some() && !self.deleting && self.phase == Phase::Running
    }

    /// No node has room for it.
    pub fn is_unschedulable(&self) -> bool {
        let why = self.trouble.as_ref().map(|trouble| trouble.reason.as_str());
        why == Some("Unschedulable") && !self.deleting
    }

    /// Its containers ended for good.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// It counts towards the wanted ones: it runs or will run, and was not asked to go.
    pub fn is_current(&self) -> bool {
        !self.deleting && !self.is_finished()
    }

    /// The worker's pool.
    pub fn pool(&self) -> Option<&str> {
        match &self.role {
            Role::Scheduler => None,
            Role::Worker(pool) => Some(pool),
        }
    }
}

fn phase(status: &PodStatus) -> Phase {
    match status.phase.as_deref() {
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        _ => Phase::Pending,
    }
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> Option<&'a PodCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == name)
}

fn ready_since(status: &PodStatus) -> Option<Timestamp> {
    let ready = condition(status, "Ready").filter(|condition| condition.status == "True")?;
    Some(
        ready
            .last_transition_time
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
    )
}

fn containers(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten())
}

/// Reasons of waiting containers that are the ordinary course of things.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

fn trouble(status: &PodStatus) -> Option<Trouble> {
    let waiting = containers(status).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone()?;
        let message = waiting.message.clone().unwrap_or_default();
        (!ORDINARY.contains(&reason.as_str())).then(|| Trouble {
            message: short(&of_container(&container.name, Some(&message))),
            reason,
        })
    });
    waiting.or_else(|| {
        let scheduled = condition(status, "PodScheduled")?;
        (scheduled.status == "False").then(|| Trouble {
            reason: scheduled
                .reason
                .clone()
                .unwrap_or_else(|| "Unschedulable".to_owned()),
            message: short(scheduled.message.as_deref().unwrap_or_default()),
        })
    })
}

/// The pod's own end where it has one (an eviction), else the latest of its containers' ends with an error.
fn termination(status: &PodStatus, created: Timestamp) -> Option<Termination> {
    let ended = containers(status)
        .flat_map(|container| {
            [&container.last_state, &container.state]
                .into_iter()
                .filter_map(move |state| Some((container, state.as_ref()?.terminated.as_ref()?)))
        })
        .filter(|(_, ended)| ended.exit_code != 0)
        .map(|(container, ended)| Termination {
            reason: ended.reason.clone().unwrap_or_else(|| "Error".to_owned()),
            exit_code: Some(ended.exit_code),
            message: short(&of_container(&container.name, ended.message.as_deref())),
            at: ended.finished_at.as_ref().map_or(created, |time| time.0),
        })
        .max_by_key(|ended| ended.at);
    match &status.reason {
        Some(reason) if phase(status) == Phase::Failed => Some(Termination {
            reason: reason.clone(),
            exit_code: None,
            message: short(status.message.as_deref().unwrap_or_default()),
            at: ended.map_or_else(|| disrupted_at(status).unwrap_or(created), |ended| ended.at),
        }),
        _ => ended,
    }
}

/// A worker that is stopped from outside finishes its work and ends well. Of an eviction then nothing is left in the pod
/// but that it has `Succeeded`, without anybody having deleted it.
fn stopped(status: &PodStatus) -> Option<Termination> {
    if phase(status) != Phase::Succeeded {
        return None;
    }
    let ends = containers(status).filter_map(|container| {
        container
            .state
            .as_ref()?
            .terminated
            .as_ref()?
            .finished_at
            .as_ref()
    });
    Some(Termination {
        reason: "Completed".to_owned(),
        exit_code: Some(0),
        message:
            "it was stopped from outside and had finished its work; the pod's events say by whom"
                .to_owned(),
        at: ends.map(|time| time.0).max()?,
    })
}

fn of_container(name: &str, message: Option<&str>) -> String {
    match message.map(str::trim) {
        None | Some("") => format!("container {name}"),
        Some(message) => format!("container {name}: {message}"),
    }
}

fn disrupted_at(status: &PodStatus) -> Option<Timestamp> {
    let disrupted = condition(status, "DisruptionTarget")?;
    disrupted.last_transition_time.as_ref().map(|time| time.0)
}

/// The first part of a message, cut between characters.
fn short(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn observe(status: Value) -> ObservedPod {
        let metadata = json!({
            "name": "demo-default-0", "namespace": "ns", "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "dasklike.dev/cluster": "demo", "dasklike.dev/pool": "default",
                "app.kubernetes.io/component": "worker", "dasklike.dev/hash": "h"},
            "ownerReferences": [{"apiVersion": "dasklike.dev/v1alpha1", "kind": "DaskLikeCluster",
                "name": "demo", "uid": "owner", "controller": true}],
        });
        let (key, pod) = ObservedPod::new(
            &serde_json::from_value(metadata).unwrap(),
            &serde_json::from_value(status).unwrap(),
        )
        .unwrap();
        assert_eq!(key, ClusterKey::new("ns", "demo"));
        assert_eq!(pod.owner.as_deref(), Some("owner"));
        assert_eq!(pod.pool(), Some("default"));
        pod
    }

    #[test]
    fn troubles_are_told_in_kubernetes_words() {
        let waiting = |reason: &str| {
            json!({"phase": "Pending", "containerStatuses": [
            {"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
             "state": {"waiting": {"reason": reason, "message": "m"}}}]})
        };
        for reason in [
            "ImagePullBackOff",
            "ErrImagePull",
            "CrashLoopBackOff",
            "CreateContainerConfigError",
        ] {
            let trouble = observe(waiting(reason)).trouble.unwrap();
            assert_eq!(
                (trouble.reason.as_str(), trouble.message.as_str()),
                (reason, "container worker: m")
            );
        }
        assert_eq!(observe(waiting("ContainerCreating")).trouble, None);
        let unschedulable = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]});
        let trouble = observe(unschedulable).trouble.unwrap();
        assert_eq!(trouble.reason, "Unschedulable");
        assert_eq!(trouble.message, "0/1 nodes");
    }

    #[test]
    fn the_last_end_with_an_error_is_kept() {
        let ended = |reason: &str, code: i32, at: &str| json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": at}});
        let pod = observe(json!({"phase": "Running", "containerStatuses": [
            {"name": "worker", "image": "", "imageID": "", "ready": true, "restartCount": 1,
             "lastState": ended("OOMKilled", 137, "2026-01-01T00:00:09Z"), "state": {"running": {}}},
            {"name": "side", "image": "", "imageID": "", "ready": true, "restartCount": 1,
             "lastState": ended("Error", 1, "2026-01-01T00:00:05Z"), "state": {"running": {}}}]}));
        let end = pod.termination.unwrap();
        assert_eq!(
            (end.reason.as_str(), end.exit_code),
            ("OOMKilled", Some(137))
        );
        assert_eq!(end.message, "container worker");
    }

    #[test]
    fn a_worker_that_was_stopped_from_outside_says_so() {
        let ended = json!({"terminated": {
            "reason": "Completed", "exitCode": 0, "finishedAt": "2026-01-01T00:00:09Z"}});
        let pod = observe(json!({"phase": "Succeeded", "containerStatuses": [
            {"name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
             "state": ended}]}));
        let end = pod.termination.unwrap();
        assert_eq!((end.reason.as_str(), end.exit_code), ("Completed", Some(0)));
    }

    #[test]
    fn an_eviction_is_the_pods_own_end() {
        let pod =
            observe(json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}));
        assert!(pod.is_finished());
        let end = pod.termination.unwrap();
        assert_eq!(
            (end.reason.as_str(), end.exit_code, end.message.as_str()),
            ("Evicted", None, "low on memory")
        );
    }

    #[test]
    fn a_pod_that_was_asked_to_go_is_not_ready() {
        let mut pod = observe(json!({"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:02Z"}]}));
        assert!(pod.is_ready());
        pod.deleting = true;
        assert!(!pod.is_ready() && !pod.is_current());
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let text = "é".repeat(400);
        assert_eq!(short(&text).len(), 512);
        assert_eq!(short(&format!("a{text}")).len(), 511);
    }
}
