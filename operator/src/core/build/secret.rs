//! The Secret with the cluster's certificates.

use super::super::cluster::ValidatedCluster;
use super::super::labels;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeMap;

/// The Secret that holds these files.
pub fn secret(cluster: &ValidatedCluster, files: &BTreeMap<String, Vec<u8>>) -> Secret {
    Secret {
        metadata: super::metadata(cluster, cluster.key.secret(), labels::common(&cluster.key)),
        type_: Some("Opaque".to_owned()),
        data: Some(
            files
                .iter()
                .map(|(name, bytes)| (name.clone(), ByteString(bytes.clone())))
                .collect(),
        ),
        immutable: None,
        string_data: None,
    }
}
