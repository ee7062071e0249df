//! The cluster under test.

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

/// The kubeconfig of the cluster under test.
pub fn kubeconfig() -> PathBuf {
    PathBuf::from(variable("DASKLIKE_TEST_KUBECONFIG"))
}

/// What `cargo xtask test --only k8s` tells its tests.
pub(super) fn variable(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_else(|| {
        panic!("{name} is not set: start this test by `cargo xtask test --only k8s`")
    })
}

/// The API server, as the administrator.
pub async fn client() -> Client {
    dasklike::start::tls();
    Client::try_from(config().await).expect("no client can be made")
}

async fn config() -> Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig()).expect("the kubeconfig cannot be read");
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("the kubeconfig names no cluster")
}

/// The API server's address, as `host:port`.
pub(super) async fn api_server() -> String {
    let url = config().await.cluster_url;
    let host = url.host().expect("the kubeconfig names a server");
    let port = url.port_u16().unwrap_or(443);
    format!("{host}:{port}")
}

/// This machine's address as pods see it: the one it would speak to the node from.
pub async fn host_address(client: &Client) -> IpAddr {
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await
        .expect("the nodes cannot be listed");
    let node: IpAddr = nodes
        .iter()
        .filter_map(|node| node.status.as_ref()?.addresses.as_ref())
        .flatten()
        .find(|address| address.type_ == "InternalIP")
        .expect("no node has an InternalIP")
        .address
        .parse()
        .expect("a node's InternalIP is no address");
    let any: IpAddr = if node.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0u16; 8].into()
    };
    // Connecting a datagram socket sends nothing; it only chooses the way.
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket
        .connect((node, 9))
        .unwrap_or_else(|e| panic!("there is no way to the node {node}: {e}"));
    socket.local_addr().unwrap().ip()
}
