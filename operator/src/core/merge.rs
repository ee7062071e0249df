//! A user's template over the operator's pod, by Kubernetes' rules for strategic merges.
//!
//! `k8s-openapi` merges lists by Kubernetes' own keys: containers, volumes and variables by name, mounts by path,
//! ports by number. What it does not know is which fields exclude each other. There the user's choice
//! has to replace the operator's, or the API server would refuse the pod for having both.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

/// The operator's pod with the user's template over it.
pub fn over(mut base: PodTemplateSpec, user: PodTemplateSpec) -> PodTemplateSpec {
    if let (Some(base), Some(user)) = (&mut base.spec, &user.spec) {
        make_room(base, user);
    }
    base.merge_from(user);
    base
}

/// Takes out of the operator's pod what the user's template says in another way.
fn make_room(base: &mut PodSpec, user: &PodSpec) {
    // A volume has one source.
    if let (Some(ours), Some(theirs)) = (&mut base.volumes, &user.volumes) {
        ours.retain(|volume| theirs.iter().all(|other| other.name != volume.name));
    }
    for ours in &mut base.containers {
        if let Some(theirs) = user.containers.iter().find(|other| other.name == ours.name) {
            make_room_in_container(ours, theirs);
        }
    }
    // Kubernetes gives a pod a token unless it is told not to. The operator tells it not to, except where the
    // template names an account, which is for its token.
    if user.service_account_name.is_some() {
        base.automount_service_account_token = None;
    }
}

fn make_room_in_container(ours: &mut Container, theirs: &Container) {
    // A variable has a value or a source.
    if let (Some(ours), Some(theirs)) = (&mut ours.env, &theirs.env) {
        for variable in ours {
            if theirs.iter().any(|other| other.name == variable.name) {
                variable.value = None;
                variable.value_from = None;
            }
        }
    }
    // A probe asks in one way.
    if theirs.readiness_probe.is_some() {
        ours.readiness_probe = None;
    }
    if theirs.liveness_probe.is_some() {
        ours.liveness_probe = None;
    }
    if theirs.startup_probe.is_some() {
        ours.startup_probe = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn merge(base: Value, user: Value) -> Value {
        let base: PodTemplateSpec = serde_json::from_value(json!({"spec": base})).unwrap();
        let user: PodTemplateSpec = serde_json::from_value(json!({"spec": user})).unwrap();
        serde_json::to_value(over(base, user)).unwrap()["spec"].take()
    }

    fn container(body: Value) -> Value {
        let mut all = json!({"name": "worker"});
        all.as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        json!({"containers": [all]})
    }

    #[test]
    fn lists_merge_by_kubernetes_keys() {
        let cases = [
            (
                "a sidecar comes after the engine",
                container(json!({"image": "a"})),
                json!({"containers": [{"name": "side", "image": "b"}]}),
                json!({"containers": [{"name": "worker", "image": "a"}, {"name": "side", "image": "b"}]}),
            ),
            (
                "the engine's container is changed by its name",
                container(json!({"image": "a", "args": ["x"]})),
                container(json!({"image": "b"})),
                container(json!({"image": "b", "args": ["x"]})),
            ),
            (
                "variables by name, and a source replaces a value",
                container(
                    json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
                ),
                container(json!({"env": [
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "C", "value": "3"}]})),
                container(json!({"env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "C", "value": "3"}]})),
            ),
            (
                "ports by number",
                container(json!({"ports": [{"containerPort": 1, "protocol": "TCP", "name": "a"}]})),
                container(json!({"ports": [
                    {"containerPort": 1, "protocol": "TCP", "name": "b"},
                    {"containerPort": 2, "protocol": "UDP", "name": "c"}]})),
                container(json!({"ports": [
                    {"containerPort": 1, "protocol": "TCP", "name": "b"},
                    {"containerPort": 2, "protocol": "UDP", "name": "c"}]})),
            ),
            (
                "mounts by path",
                container(json!({"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]})),
                container(json!({"volumeMounts": [
                    {"name": "fast", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}]})),
                container(json!({"volumeMounts": [
                    {"name": "fast", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}]})),
            ),
            (
                "a volume's source is replaced, not added",
                json!({"containers": [], "volumes": [{"name": "tmp", "emptyDir": {}}]}),
                json!({"containers": [], "volumes": [{"name": "tmp", "hostPath": {"path": "/fast"}}]}),
                json!({"containers": [], "volumes": [{"name": "tmp", "hostPath": {"path": "/fast"}}]}),
            ),
            (
                "a probe asks in one way",
                container(json!({"readinessProbe": {"httpGet": {"port": 1}, "periodSeconds": 1}})),
                container(json!({"readinessProbe": {"exec": {"command": ["true"]}}})),
                container(json!({"readinessProbe": {"exec": {"command": ["true"]}}})),
            ),
            (
                "resources by name",
                container(json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})),
                container(json!({"resources": {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}}})),
                container(
                    json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"}}}),
                ),
            ),
            (
                "tolerations, affinity and pull secrets are taken",
                json!({"containers": [], "imagePullSecrets": [{"name": "a"}]}),
                json!({"containers": [], "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "affinity": {"nodeAffinity": {}}}),
                json!({"containers": [], "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "affinity": {"nodeAffinity": {}}}),
            ),
            (
                "a security context is tightened or loosened by field",
                json!({"containers": [], "securityContext": {"runAsNonRoot": true}}),
                json!({"containers": [], "securityContext": {"runAsUser": 1000}}),
                json!({"containers": [], "securityContext": {"runAsNonRoot": true, "runAsUser": 1000}}),
            ),
            (
                "an account is for its token",
                json!({"containers": [], "automountServiceAccountToken": false}),
                json!({"containers": [], "serviceAccountName": "reader"}),
                json!({"containers": [], "serviceAccountName": "reader"}),
            ),
            (
                "a token can be asked for without an account",
                json!({"containers": [], "automountServiceAccountToken": false}),
                json!({"containers": [], "automountServiceAccountToken": true}),
                json!({"containers": [], "automountServiceAccountToken": true}),
            ),
        ];
        for (name, base, user, expected) in cases {
            assert_eq!(merge(base, user), expected, "{name}");
        }
    }
}
