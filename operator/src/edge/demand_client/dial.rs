//! One connection to one scheduler: a socket, TLS if the cluster has it, and the call.

use super::call::{CallError, Messages, asked};
use super::secured::Secured;
use crate::core::names::GRPC_PORT;
use crate::credentials::CredentialsError;
use crate::demand::Endpoint;
use dasklike_proto_admin::pb::{WatchDemandRequest, WorkerShape};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A connection that is silent for so long is asked whether it holds,
const ASK_AFTER: Duration = Duration::from_secs(30);
/// and without an answer three times again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Why a scheduler's stream does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// No certificate.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server's name is no name.
    #[error("{0:?} is no server name")]
    ServerName(String),
    /// Nobody answers.
    #[error("no scheduler answers at {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The two do not trust each other.
    #[error("the scheduler at {address} and the operator do not trust each other: {source}")]
    Handshake {
        /// Where.
        address: SocketAddr,
        /// What TLS says.
        source: io::Error,
    },
    /// The call fails. In TLS 1.3 this is where a scheduler says that it does not want this certificate.
    #[error("the scheduler at {address} does not tell its demand: {source}")]
    Call {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: CallError,
    },
}

/// Opens the stream.
pub(super) async fn dial(endpoint: &Endpoint) -> Result<Messages, DialError> {
    let address = SocketAddr::new(endpoint.ip, GRPC_PORT);
    let request = asked(address, &request(endpoint));
    let socket = async {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        // A scheduler without work is silent, so the kernels tell each other that both machines are there.
        let asked = TcpKeepalive::new()
            .with_time(ASK_AFTER)
            .with_interval(ASK_AGAIN)
            .with_retries(3);
        SockRef::from(&socket).set_tcp_keepalive(&asked)?;
        Ok(socket)
    };
    let socket = socket.await;
    let mut socket = socket.map_err(|source| DialError::Connect { address, source })?;
    let failed = |source| DialError::Call { address, source };
    let broke = |source| failed(CallError::Broke(source));
    let Some(tls) = &endpoint.tls else {
        socket.write_all(&request).await.map_err(broke)?;
        return Messages::begin(socket).await.map_err(failed);
    };
    let config = tls.credentials.config()?;
    let name = ServerName::try_from(tls.server_name.clone())
        .map_err(|_| DialError::ServerName(tls.server_name.clone()))?;
    let secured = Secured::connect(config, name, socket).await;
    let mut secured = secured.map_err(|source| DialError::Handshake { address, source })?;
    secured.say(&request).await.map_err(broke)?;
    Messages::begin(secured).await.map_err(failed)
}

fn request(endpoint: &Endpoint) -> WatchDemandRequest {
    let shapes = endpoint.shapes.iter().map(|shape| WorkerShape {
        pool: shape.pool.clone(),
        slots: shape.slots,
        memory_limit: shape.memory_limit,
    });
    WatchDemandRequest {
        shapes: shapes.collect(),
    }
}
