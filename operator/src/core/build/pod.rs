//! What scheduler and worker pods have in common.

use super::super::cluster::{Part, ValidatedCluster};
use super::super::labels::{HASH, Labels};
use super::super::merge;
use super::super::names::{JOURNAL_DIR, TLS_DIR};
use dasklike_operator_api::{Journal, TlsMode};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource,
    Pod, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, SecretVolumeSource,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Which group a journal's volume is given to: the image's.
const JOURNAL_GROUP: i64 = 65532;

/// How pods of one kind differ from others.
pub(super) struct Kind<'a> {
    /// The pod's name.
    pub(super) name: String,
    /// The operator's labels.
    pub(super) labels: Labels,
    /// What it is made from.
    pub(super) part: &'a Part,
    /// `scheduler` or `worker`: which certificate it gets.
    pub(super) role: &'static str,
    /// What the kubelet does when the engine ends.
    pub(super) restart_policy: &'static str,
    /// Seconds from SIGTERM to SIGKILL.
    pub(super) grace_seconds: i64,
    /// Where the engine keeps named jobs.
    pub(super) journal: Option<&'a Journal>,
    /// The engine's container, but for image, mounts, resources and security.
    pub(super) engine: Container,
}

/// A pod: the operator's, with the user's template over it, and the operator's labels over that.
pub(super) fn pod(cluster: &ValidatedCluster, kind: Kind<'_>) -> Pod {
    let merged = merge::over(base(cluster, &kind), kind.part.template.clone());
    let theirs = merged.metadata.unwrap_or_default();
    let mut labels = cluster.propagated.clone();
    labels.extend(theirs.labels.unwrap_or_default());
    labels.extend(kind.labels);
    labels.insert(HASH.to_owned(), kind.part.hash.clone());
    Pod {
        metadata: ObjectMeta {
            annotations: theirs.annotations,
            ..super::metadata(cluster, kind.name, labels)
        },
        spec: merged.spec,
        status: None,
    }
}

fn base(cluster: &ValidatedCluster, kind: &Kind<'_>) -> PodTemplateSpec {
    let mut volumes = vec![Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }];
    let mut mounts = vec![mount("tmp", "/tmp", false)];
    if cluster.tls == TlsMode::Operator {
        volumes.push(certificates(cluster, kind.role));
        mounts.push(mount("tls", TLS_DIR, true));
    }
    if let Some(journal) = kind.journal {
        volumes.push(kept(journal));
        mounts.push(mount("journal", JOURNAL_DIR, false));
    }
    let spec = PodSpec {
        automount_service_account_token: Some(false),
        containers: vec![Container {
            image: Some(cluster.image.clone()),
            resources: Some(kind.part.resources.clone()),
            security_context: Some(container_security()),
            // What the container says on its way out is kept in the status.
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(mounts),
            ..kind.engine.clone()
        }],
        // Variables for each Service of the namespace help nobody here, and thousands of them stop pods.
        enable_service_links: Some(false),
        image_pull_secrets: Some(cluster.pull_secrets.clone()).filter(|all| !all.is_empty()),
        restart_policy: Some(kind.restart_policy.to_owned()),
        security_context: Some(PodSecurityContext {
            fs_group: kind.journal.and_then(group),
            ..pod_security()
        }),
        termination_grace_period_seconds: Some(kind.grace_seconds),
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    PodTemplateSpec {
        metadata: None,
        spec: Some(spec),
    }
}

/// The role's own certificate and no other's. The files are for the pod alone, whichever user it runs as.
fn certificates(cluster: &ValidatedCluster, role: &str) -> Volume {
    let item = |key: String, path: &str| KeyToPath {
        key,
        path: path.to_owned(),
        mode: None,
    };
    Volume {
        name: "tls".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(cluster.key.secret()),
            default_mode: Some(0o444),
            items: Some(vec![
                item("ca.crt".to_owned(), "ca.crt"),
                item(format!("{role}.crt"), "tls.crt"),
                item(format!("{role}.key"), "tls.key"),
            ]),
            optional: None,
        }),
        ..Volume::default()
    }
}

fn kept(journal: &Journal) -> Volume {
    let claim = || PersistentVolumeClaimVolumeSource {
        claim_name: journal.claim_name.clone(),
        read_only: None,
    };
    let claimed = !journal.claim_name.is_empty();
    Volume {
        name: "journal".to_owned(),
        persistent_volume_claim: claimed.then(claim),
        empty_dir: (!claimed).then(EmptyDirVolumeSource::default),
        ..Volume::default()
    }
}

/// Most volumes are root's until the kubelet gives them to a group.
fn group(journal: &Journal) -> Option<i64> {
    (!journal.claim_name.is_empty()).then_some(JOURNAL_GROUP)
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// The pod security standard "restricted". No user is set: the image has its own, and OpenShift gives another.
fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
