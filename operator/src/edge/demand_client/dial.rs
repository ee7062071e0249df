//! One connection to one scheduler: a socket, TLS if the cluster has it, HTTP/2, the gRPC call.

use super::Shared;
use super::call::Caller;
use super::credentials::{CredentialsError, config};
use crate::core::names::GRPC_PORT;
use crate::demand::Endpoint;
use dasklike_proto_admin::pb::admin_client::AdminClient;
use dasklike_proto_admin::pb::{Demand, WatchDemandRequest, WorkerShape};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Streaming;

/// Bytes that a scheduler may send ahead. A message is tens of bytes a worker, so a big cluster's needs a few turns.
const WINDOW: u32 = 16 << 10;

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
    /// HTTP/2 fails.
    #[error("the scheduler does not speak HTTP/2: {0}")]
    Http(#[from] h2::Error),
    /// The call is refused.
    #[error("the scheduler refuses to tell its demand: {0}")]
    Call(Box<tonic::Status>),
}

/// An open stream. Whoever reads `messages` has to drive the connection.
pub(super) struct Stream {
    pub(super) messages: Streaming<Demand>,
    pub(super) connection: Driver,
}

/// What moves the bytes of a connection.
pub(super) type Driver = futures::future::BoxFuture<'static, Result<(), h2::Error>>;

/// Opens the stream.
pub(super) async fn dial(shared: &Shared, endpoint: &Endpoint) -> Result<Stream, DialError> {
    let address = SocketAddr::new(endpoint.ip, GRPC_PORT);
    let request = request(endpoint);
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
    let socket = socket.map_err(|source| DialError::Connect { address, source })?;
    let Some(tls) = &endpoint.tls else {
        return call(socket, address, request).await;
    };
    let config = Arc::new(config(&shared.provider, &tls.files)?);
    let name = ServerName::try_from(tls.server_name.clone())
        .map_err(|_| DialError::ServerName(tls.server_name.clone()))?;
    let secured = TlsConnector::from(config).connect(name, socket);
    let secured = secured
        .await
        .map_err(|source| DialError::Handshake { address, source })?;
    call(secured, address, request).await
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

async fn call<S>(
    socket: S,
    address: SocketAddr,
    request: WatchDemandRequest,
) -> Result<Stream, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .max_frame_size(WINDOW)
        .max_send_buffer_size(WINDOW as usize)
        .header_table_size(512)
        .max_concurrent_streams(1)
        .enable_push(false)
        .handshake(socket);
    let (sender, connection) = handshake.await?;
    let mut connection: Driver = Box::pin(connection);
    // The host in a URL's brackets is what `SocketAddr` prints; the name that counts was verified by TLS.
    let origin = format!("http://{address}").parse();
    let origin = origin.map_err(|_| DialError::ServerName(address.to_string()))?;
    let mut client = AdminClient::with_origin(Caller(sender), origin);
    let answer = tokio::select! {
        biased;
        answer = client.watch_demand(request) => answer,
        // The connection ends before the call does, which then says why.
        ended = &mut connection => {
            ended?;
            Err(tonic::Status::unavailable("the connection ended"))
        }
    };
    let messages = answer
        .map_err(|s| DialError::Call(Box::new(s)))?
        .into_inner();
    Ok(Stream {
        messages,
        connection,
    })
}
