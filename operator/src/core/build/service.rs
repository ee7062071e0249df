//! The scheduler's Service.

use super::super::cluster::ValidatedCluster;
use super::super::labels;
use super::super::names::{GRPC_PORT, HTTP_PORT};
use dasklike_operator_api::TlsMode;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The stable name and address of the scheduler.
pub fn service(cluster: &ValidatedCluster) -> Service {
    let port = |name: &str, number: u16, protocol: &str| ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(number),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        app_protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    };
    // A mesh must know that this is HTTP/2 in the clear, or that it is none of its business.
    let grpc = match cluster.tls {
        TlsMode::Operator => "https",
        TlsMode::Disabled => "kubernetes.io/h2c",
    };
    Service {
        metadata: super::metadata(
            cluster,
            cluster.key.scheduler(),
            labels::scheduler(&cluster.key),
        ),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            // Both families where the cluster has both, whichever it has otherwise.
            ip_family_policy: Some("PreferDualStack".to_owned()),
            // Workers that find the name at once try again sooner than those that wait for a readiness.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::select_scheduler(&cluster.key)),
            ports: Some(vec![
                port("grpc", GRPC_PORT, grpc),
                port("http", HTTP_PORT, "http"),
            ]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
