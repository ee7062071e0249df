//! How programs reach a scheduler: over TCP, plain or with mutual TLS, or within one process over in-memory
//! streams. The services and everything above the byte stream are the same, but for results within one process
//! ([`LocalResults`]).

mod accept;
mod address;
mod credentials;
mod dial;
mod in_process;
mod refusal;
mod role;
mod socket;

pub use accept::{Incoming, TlsConnection, TlsServer};
pub use address::{Address, DEFAULT_PORT, Scheme};
pub use credentials::{ClientTls, Credentials, Pem, TlsError};
pub use in_process::{InProcess, JobEvents, LocalResults};
pub use role::{Peer, Role};
pub use socket::settle;

use dial::Dial;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint, Server};

/// Bytes that one stream may carry ahead of its reader: two pieces of a block.
const STREAM_WINDOW: u32 = 2 << 20;
/// Bytes that one connection may carry ahead of its readers.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Bytes of one HTTP/2 frame; the default of 16 KiB costs a system call or a copy each.
const HTTP2_FRAME: u32 = 256 << 10;
/// Bytes that a TLS connection may have encrypted ahead of the socket: one HTTP/2 frame in one system call.
const TLS_BUFFER: usize = HTTP2_FRAME as usize + (16 << 10);
/// Bytes in flight in an in-memory stream.
const MEMORY_BUFFER: usize = 1 << 20;
/// After so long without a sign of life, the other side is asked for one.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A connection that takes longer to open has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a scheduler cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// What was given is no address.
    #[error(
        "{0:?} is no scheduler's address: expected something like tcp://127.0.0.1:{DEFAULT_PORT}, or tls:// with \
         a TLS folder"
    )]
    Address(String),
    /// Nobody answers.
    #[error("no scheduler answers at {url} ({why}): is it running, and is the address right?")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the system says.
        why: String,
    },
    /// TLS without a certificate to show and an authority to trust.
    #[error(
        "{url} needs a certificate: give --tls-dir a folder with ca.crt, tls.crt and tls.key, or use a context"
    )]
    NoCredentials {
        /// The address.
        url: String,
    },
    /// A certificate for a connection that would not use it.
    #[error(
        "{url} is a plain address, and there are TLS credentials: write tls:// instead of tcp://, or leave the \
         credentials out"
    )]
    NeedlessCredentials {
        /// The address.
        url: String,
    },
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] TlsError),
    /// The other side answers, and one of the two does not want the other.
    #[error("no connection to {url}: {why}")]
    Refused {
        /// The address.
        url: String,
        /// Who refuses whom and what to look at.
        why: String,
    },
    /// The scheduler of this process has ended.
    #[error("the scheduler in this process has ended")]
    Ended,
}

/// A way to a scheduler. Cheap to clone; each call of [`Connector::connect`] opens a connection.
#[derive(Clone, Debug)]
pub enum Connector {
    /// Over the network.
    Network {
        /// How to open a byte stream.
        dial: Arc<Dial>,
        /// Settings of what runs on it.
        endpoint: Box<Endpoint>,
    },
    /// To a scheduler of this process.
    Memory(InProcess),
}

impl Connector {
    /// The plain way to `tcp://host:port`; scheme and port may be left out.
    pub fn tcp(url: &str) -> Result<Connector, ConnectError> {
        Connector::to(url, None)
    }

    /// The way to `tcp://host:port` without, or to `tls://host:port` with credentials. Credentials in a folder are
    /// read at each connect, so they may be renewed while this lives.
    pub fn to(url: &str, tls: Option<ClientTls>) -> Result<Connector, ConnectError> {
        let address: Address = url.parse()?;
        let endpoint = Endpoint::from_shared(format!("http://{}:{}", address.host, address.port))
            .map_err(|_| ConnectError::Address(url.to_owned()))?;
        let dial = Dial::new(url, address, tls)?;
        Ok(Connector::Network {
            dial: Arc::new(dial),
            endpoint: Box::new(tuned(endpoint)),
        })
    }

    /// A way to a scheduler of this process that hands on `results`, and the connections that arrive by it.
    pub fn memory(results: Arc<dyn LocalResults>) -> (Connector, mpsc::Receiver<DuplexStream>) {
        let (streams, incoming) = mpsc::channel(16);
        (Connector::Memory(InProcess { streams, results }), incoming)
    }

    /// Where results go without messages, if the scheduler is of this process.
    pub fn results(&self) -> Option<Arc<dyn LocalResults>> {
        match self {
            Connector::Network { .. } => None,
            Connector::Memory(scheduler) => Some(scheduler.results.clone()),
        }
    }

    /// The address, for messages to people.
    pub fn url(&self) -> &str {
        match self {
            Connector::Network { dial, .. } => dial.url(),
            Connector::Memory(_) => "this process",
        }
    }

    /// Opens a connection, within a few seconds or not at all.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        match self {
            Connector::Network { dial, endpoint } => {
                let again = dial.clone();
                // The channel asks once now, and again whenever it has lost its connection.
                let connect = tower::service_fn(move |_| {
                    let dial = again.clone();
                    async move { dial.open().await.map(TokioIo::new) }
                });
                let connected = endpoint.connect_with_connector(connect).await;
                connected.map_err(|e| {
                    connect_error(&e).unwrap_or_else(|| dial.unreachable(&root_cause(&e)))
                })
            }
            Connector::Memory(scheduler) => {
                let (ours, theirs) = tokio::io::duplex(MEMORY_BUFFER);
                let sent = scheduler.streams.send(theirs).await;
                sent.map_err(|_| ConnectError::Ended)?;
                let mut ours = Some(ours);
                // The channel asks once; if it ever asks again the connection is lost, as with a cut cable.
                let connect = tower::service_fn(move |_| {
                    let stream = ours.take().map(TokioIo::new);
                    async move {
                        stream.ok_or(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                    }
                });
                let endpoint = tuned(Endpoint::from_static("http://memory"));
                endpoint
                    .connect_with_connector(connect)
                    .await
                    .map_err(|_| ConnectError::Ended)
            }
        }
    }
}

fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
}

/// A server with the same settings as the connections.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
}

/// What lies at the bottom of an error: tonic's own text is "transport error" whatever happened.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// The error of [`Dial::open`] that tonic has wrapped.
fn connect_error(error: &(dyn std::error::Error + 'static)) -> Option<ConnectError> {
    std::iter::successors(Some(error), |e| e.source())
        .find_map(|e| e.downcast_ref::<ConnectError>().cloned())
}
