//! Ports of this machine that lead to the scheduler's pod, whichever that is when a connection comes.

use super::cluster::Cluster;
use super::error::{KubeError, Request};
use crate::commands::talk::say;
use anyhow::Context;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a connection waits for a scheduler that is being replaced.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is asked whether it is there.
const POLL: Duration = Duration::from_millis(500);

/// Listens on a port of this machine; on any free one if that is taken.
pub(crate) async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let wanted = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    match wanted {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on any port of this machine"),
    }
}

/// Whether the user may do what [`forward`] does.
pub(crate) async fn check(cluster: &Cluster, pod: &str, port: u16) -> Result<(), KubeError> {
    open(cluster, pod, port).await.map(drop)
}

/// Takes connections and leads each to `port` of the scheduler's pod. Dropping the future ends them.
pub(crate) async fn forward(listener: TcpListener, cluster: Cluster, port: u16) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((here, _)) => {
                    connections.spawn(carry(here, cluster.clone(), port));
                }
                Err(error) => {
                    say!("cannot accept a connection: {error}");
                    tokio::time::sleep(POLL).await;
                }
            },
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection. What goes wrong is said: the program at this end only sees that it was closed.
async fn carry(mut here: TcpStream, cluster: Cluster, port: u16) {
    let opened = tokio::time::timeout(PATIENCE, scheduler_stream(&cluster, port)).await;
    match opened {
        Ok(Ok(mut there)) => {
            // An end, whichever side it comes from, is an end.
            let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
        }
        Ok(Err(error)) => say!("a connection to port {port} is closed: {error}"),
        Err(_) => say!(
            "a connection to port {port} is closed: the scheduler of {} was not ready within {} seconds",
            cluster.name,
            PATIENCE.as_secs()
        ),
    }
}

/// A stream to the scheduler's pod; waits while there is none that is ready.
async fn scheduler_stream(
    cluster: &Cluster,
    port: u16,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, KubeError> {
    loop {
        if let Ok(pod) = cluster.scheduler().await? {
            match open(cluster, &pod, port).await {
                Ok(stream) => return Ok(stream),
                // It may have gone this moment.
                Err(KubeError::Api { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn open(
    cluster: &Cluster,
    pod: &str,
    port: u16,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, KubeError> {
    let create = Request::new("create", "pods/portforward", &cluster.namespace);
    let mut forwarder = cluster
        .pod_api()
        .portforward(pod, &[port])
        .await
        .map_err(|e| create.failed(e))?;
    forwarder.take_stream(port).ok_or(KubeError::Api {
        verb: "create",
        resource: "pods/portforward",
        why: "the API server opened no stream".to_owned(),
    })
}
