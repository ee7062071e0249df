//! What of a cluster there is in Kubernetes: its resource, its Secret, its scheduler's pod.

use super::error::{KubeError, Request};
use dasklike::context::ContextTls;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Secret};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt};

/// A cluster's place in Kubernetes.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// Whether its scheduler speaks TLS.
    pub(crate) tls: bool,
    /// What the operator says of it.
    pub(crate) status: serde_json::Value,
}

impl Cluster {
    /// Looks a cluster up.
    pub(crate) async fn find(
        client: Client,
        namespace: String,
        name: &str,
    ) -> Result<Cluster, KubeError> {
        let kind = GroupVersionKind::gvk("dasklike.dev", "v1alpha1", "DaskLikeCluster");
        let resource = ApiResource::from_gvk_with_plural(&kind, "dasklikeclusters");
        let clusters: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &namespace, &resource);
        let get = Request::new("get", "dasklikeclusters", &namespace);
        match clusters.get_opt(name).await.map_err(|e| get.failed(e))? {
            Some(mut found) => Ok(Cluster {
                client,
                status: found.data["status"].take(),
                tls: speaks_tls(&found),
                name: name.to_owned(),
                namespace,
            }),
            None => match clusters.list(&ListParams::default()).await {
                // Where the resource itself is not known, even the list is not found.
                Err(kube::Error::Api(status)) if status.is_not_found() => {
                    Err(KubeError::NoOperator)
                }
                // Who may not list gets the plain answer.
                listed => Err(KubeError::NoCluster {
                    name: name.to_owned(),
                    known: listed
                        .map(|all| all.iter().map(ResourceExt::name_any).collect())
                        .unwrap_or_default(),
                    namespace,
                }),
            },
        }
    }

    /// The name that its scheduler's certificate carries.
    pub(crate) fn server_name(&self) -> String {
        format!("{}-scheduler.{}.svc", self.name, self.namespace)
    }

    /// The client's credentials; `None` while the operator has not made them yet.
    pub(crate) async fn credentials(&self) -> Result<Option<ContextTls>, KubeError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = format!("{}-tls", self.name);
        let get = Request::new("get", "secrets", &self.namespace);
        let found = secrets.get_opt(&name).await.map_err(|e| get.failed(e))?;
        found
            .map(|secret| credentials_in(&name, secret, self.server_name()))
            .transpose()
    }

    /// Its pods: all, or those with one more label.
    pub(crate) async fn pods(&self, also: Option<(&str, &str)>) -> Result<Vec<Pod>, KubeError> {
        let mut selector = format!("dasklike.dev/cluster={}", self.name);
        if let Some((label, value)) = also {
            selector.push_str(&format!(",{label}={value}"));
        }
        let list = Request::new("list", "pods", &self.namespace);
        let pods = self
            .pod_api()
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(|e| list.failed(e))?;
        Ok(pods.items)
    }

    /// The name of its scheduler's pod, or what it waits for.
    pub(crate) async fn scheduler(&self) -> Result<Result<String, String>, KubeError> {
        let pods = self
            .pods(Some(("app.kubernetes.io/component", "scheduler")))
            .await?;
        Ok(ready(&pods))
    }

    pub(crate) fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// The operator makes certificates unless it is told not to.
fn speaks_tls(cluster: &DynamicObject) -> bool {
    cluster.data["spec"]["tls"]["mode"] != "Disabled"
}

fn credentials_in(
    name: &str,
    secret: Secret,
    server_name: String,
) -> Result<ContextTls, KubeError> {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |item: &'static str| {
        let bytes = data.remove(item).map(|b| b.0);
        bytes
            .and_then(|b| String::from_utf8(b).ok())
            .ok_or_else(|| KubeError::Secret {
                secret: name.to_owned(),
                item,
            })
    };
    Ok(ContextTls {
        server_name,
        ca: take("ca.crt")?,
        certificate: take("client.crt")?,
        key: take("client.key")?,
    })
}

/// The pod that is ready and stays, or in words what is in the way.
fn ready(schedulers: &[Pod]) -> Result<String, String> {
    let stays = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none();
    let is_ready = |pod: &&Pod| {
        let conditions = pod
            .status
            .iter()
            .flat_map(|s| s.conditions.iter().flatten());
        conditions
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    if let Some(pod) = schedulers.iter().filter(stays).find(is_ready) {
        return Ok(pod.name_any());
    }
    match schedulers.iter().find(stays) {
        None => Err("its scheduler has no pod yet".to_owned()),
        Some(pod) => Err(format!("pod {} is not ready: {}", pod.name_any(), why(pod))),
    }
}

fn why(pod: &Pod) -> String {
    let Some(status) = &pod.status else {
        return "it is new".to_owned();
    };
    let waits = |c: &ContainerStatus| {
        let waiting = c.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone()?;
        Some(match &waiting.message {
            Some(message) => format!("{reason}, {message}"),
            None => reason,
        })
    };
    let containers = status.container_statuses.iter().flatten();
    let unschedulable = status.conditions.iter().flatten().find_map(|c| {
        let refused = c.type_ == "PodScheduled" && c.status == "False";
        refused.then(|| c.message.clone()).flatten()
    });
    unschedulable
        .or_else(|| containers.into_iter().find_map(waits))
        .unwrap_or_else(|| {
            let phase = status.phase.as_deref().unwrap_or("unknown");
            format!("phase {phase}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    fn scheduler(name: &str, ready: &str, leaves: bool) -> Pod {
        let mut value = json!({
            "metadata": {"name": name},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        });
        if leaves {
            value["metadata"]["deletionTimestamp"] = "2024-05-01T00:00:00Z".into();
        }
        pod(value)
    }

    #[test]
    fn the_pod_that_is_ready_and_stays_is_taken() {
        let pods = [
            scheduler("old", "True", true),
            scheduler("new", "True", false),
        ];
        assert_eq!(ready(&pods), Ok("new".to_owned()));
        assert!(ready(&pods[..1]).unwrap_err().contains("no pod"));
    }

    #[test]
    fn what_it_waits_for_is_said() {
        let pulling = pod(json!({
            "metadata": {"name": "demo-scheduler"},
            "status": {"phase": "Pending", "containerStatuses": [{
                "name": "scheduler", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling x"}},
            }]},
        }));
        let text = ready(&[pulling]).unwrap_err();
        assert!(
            text.contains("demo-scheduler") && text.contains("ImagePullBackOff"),
            "{text}"
        );
        let homeless = pod(json!({
            "metadata": {"name": "demo-scheduler"},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"},
            ]},
        }));
        let text = ready(&[homeless]).unwrap_err();
        assert!(text.contains("0/1 nodes are available"), "{text}");
    }

    #[test]
    fn only_a_cluster_that_says_so_is_plain() {
        let cluster = |spec: serde_json::Value| -> DynamicObject {
            serde_json::from_value(json!({"metadata": {"name": "demo"}, "spec": spec})).unwrap()
        };
        assert!(speaks_tls(&cluster(json!({}))));
        assert!(speaks_tls(&cluster(json!({"tls": {"mode": "Operator"}}))));
        assert!(!speaks_tls(&cluster(json!({"tls": {"mode": "Disabled"}}))));
    }

    #[test]
    fn credentials_are_the_clients_and_what_lacks_is_named() {
        let text = json!({"data": {"ca.crt": "Y2E=", "client.crt": "Y3J0", "client.key": "a2V5"}});
        let secret: Secret = serde_json::from_value(text).unwrap();
        let tls = credentials_in("demo-tls", secret, "demo-scheduler.a.svc".into()).unwrap();
        assert_eq!(
            (tls.ca.as_str(), tls.certificate.as_str(), tls.key.as_str()),
            ("ca", "crt", "key")
        );
        let error = credentials_in("demo-tls", Secret::default(), String::new()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("demo-tls") && text.contains("ca.crt"),
            "{text}"
        );
    }
}
