//! A volume of this machine for a claim.

use super::namespace::Namespace;
use super::wait::{POD, until};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder of this machine, where the only node runs. The claim goes with its namespace; the volume is deleted when
/// this is dropped.
pub struct Volume {
    name: String,
    _folder: TempDir,
}

impl Volume {
    /// Makes a volume and a claim of it, and waits until they are bound.
    pub async fn claim(namespace: &Namespace, claim: &str) -> Volume {
        let folder = tempfile::tempdir().unwrap();
        // Such a volume is given to no group.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let name = format!("{}-{claim}", namespace.name);
        let size = json!({"storage": "1Gi"});
        let volume = json!({
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": size,
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": folder.path()},
                "claimRef": {"namespace": namespace.name, "name": claim},
            },
        });
        let volume = serde_json::from_value(volume).unwrap();
        let volumes: Api<PersistentVolume> = Api::all(namespace.client.clone());
        let post = PostParams::default();
        volumes.create(&post, &volume).await.unwrap();
        let wanted = json!({
            "metadata": {"name": claim},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "volumeName": name,
                "resources": {"requests": size},
            },
        });
        let wanted = serde_json::from_value(wanted).unwrap();
        let claims = namespace.api::<PersistentVolumeClaim>();
        claims.create(&post, &wanted).await.unwrap();
        until("the claim to be bound", POD, || async {
            let claim = claims.get(claim).await.map_err(|e| e.to_string())?;
            match claim.status.and_then(|s| s.phase).as_deref() {
                Some("Bound") => Ok(()),
                other => Err(format!("it is {other:?}")),
            }
        })
        .await;
        Volume {
            name,
            _folder: folder,
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // A test that fails is told by its own words, not by these.
        let _ = super::kubectl(&["delete", "pv", &self.name, "--wait=false"]).output();
    }
}
