//! The NetworkPolicy: who may reach a cluster's pods, and what they may reach.

use super::super::cluster::ValidatedCluster;
use super::super::labels;
use super::super::names::{GRPC_PORT, HTTP_PORT};
use dasklike_operator_api::TlsMode;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The policy of all pods of a cluster.
pub fn network_policy(cluster: &ValidatedCluster) -> NetworkPolicy {
    NetworkPolicy {
        metadata: super::metadata(
            cluster,
            cluster.key.network_policy(),
            labels::common(&cluster.key),
        ),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(super::select(labels::select_all(&cluster.key))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress(cluster)),
            egress: Some(egress(cluster)),
        }),
    }
}

fn ingress(cluster: &ValidatedCluster) -> Vec<NetworkPolicyIngressRule> {
    let from = |peers: Vec<NetworkPolicyPeer>, ports: Option<Vec<NetworkPolicyPort>>| {
        NetworkPolicyIngressRule {
            from: Some(peers),
            ports,
        }
    };
    let clients = match cluster.tls {
        // The scheduler knows its clients by their certificates, so they may be in any namespace.
        TlsMode::Operator => vec![any_namespace()],
        TlsMode::Disabled => vec![this_namespace(), operator()],
    };
    vec![
        from(vec![own_pods(cluster)], None),
        from(clients, Some(vec![tcp(GRPC_PORT)])),
        // Metrics and an Ingress controller. What is there can be read and not changed.
        from(vec![any_namespace()], Some(vec![tcp(HTTP_PORT)])),
    ]
}

fn egress(cluster: &ValidatedCluster) -> Vec<NetworkPolicyEgressRule> {
    vec![
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
        },
        NetworkPolicyEgressRule {
            to: Some(vec![own_pods(cluster)]),
            ports: None,
        },
        // Object stores are wherever the data is, on whichever port, within the cluster and without.
        NetworkPolicyEgressRule {
            to: Some(vec![block("0.0.0.0/0"), block("::/0")]),
            ports: Some(vec![NetworkPolicyPort {
                protocol: Some("TCP".to_owned()),
                port: Some(IntOrString::Int(1)),
                end_port: Some(65_535),
            }]),
        },
    ]
}

fn own_pods(cluster: &ValidatedCluster) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(super::select(labels::select_all(&cluster.key))),
        ..NetworkPolicyPeer::default()
    }
}

fn this_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn any_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn operator() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(super::select(
            [(
                "app.kubernetes.io/name".to_owned(),
                "dasklike-operator".to_owned(),
            )]
            .into(),
        )),
        ip_block: None,
    }
}

fn block(cidr: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn tcp(number: u16) -> NetworkPolicyPort {
    port("TCP", number)
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(number))),
        end_port: None,
    }
}
