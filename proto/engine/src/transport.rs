//! How programs reach a scheduler: over TCP, or within one process over in-memory streams. The services and
//! everything above the byte stream are the same.

use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint, Server};

/// The port of a scheduler's gRPC, if none is said.
pub const DEFAULT_PORT: u16 = 8786;

/// Bytes that one stream may carry ahead of its reader: two pieces of a block.
const STREAM_WINDOW: u32 = 2 << 20;
/// Bytes that one connection may carry ahead of its readers.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Bytes of one HTTP/2 frame; the default of 16 KiB costs a system call or a copy each.
const HTTP2_FRAME: u32 = 256 << 10;
/// Bytes in flight in an in-memory stream.
const MEMORY_BUFFER: usize = 1 << 20;
/// After so long without a sign of life, the other side is asked for one.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A connection that takes longer to open has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a scheduler cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What was given is no address.
    #[error(
        "{0:?} is no scheduler's address: expected something like tcp://127.0.0.1:{DEFAULT_PORT}"
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
    /// The scheduler of this process has ended.
    #[error("the scheduler in this process has ended")]
    Ended,
}

/// A way to a scheduler. Cheap to clone; each call of [`Connector::connect`] opens a connection.
#[derive(Clone, Debug)]
pub enum Connector {
    /// Over TCP.
    Tcp {
        /// The address as the user gave it.
        url: String,
        /// How to open a connection.
        endpoint: Box<Endpoint>,
    },
    /// To a scheduler of this process.
    Memory(mpsc::Sender<DuplexStream>),
}

impl Connector {
    /// The way to `tcp://host:port`; scheme and port may be left out.
    pub fn tcp(url: &str) -> Result<Connector, ConnectError> {
        let bad = || ConnectError::Address(url.to_owned());
        let host = match url.split_once("://") {
            None => url,
            Some(("tcp" | "http" | "grpc", host)) => host,
            Some(_) => return Err(bad()),
        };
        let host = host.trim_end_matches('/');
        let authority: tonic::codegen::http::uri::Authority = host.parse().map_err(|_| bad())?;
        let port = match host.strip_prefix(authority.host()) {
            Some("") => DEFAULT_PORT,
            Some(port) => port
                .strip_prefix(':')
                .and_then(|p| p.parse::<u16>().ok())
                .ok_or_else(bad)?,
            None => return Err(bad()),
        };
        if authority.host().is_empty() {
            return Err(bad());
        }
        let endpoint = Endpoint::from_shared(format!("http://{}:{port}", authority.host()))
            .map_err(|_| bad())?;
        Ok(Connector::Tcp {
            url: url.to_owned(),
            endpoint: Box::new(tuned(endpoint)),
        })
    }

    /// A way to a scheduler of this process, and the connections that arrive by it.
    pub fn memory() -> (Connector, mpsc::Receiver<DuplexStream>) {
        let (sender, incoming) = mpsc::channel(16);
        (Connector::Memory(sender), incoming)
    }

    /// The address, for messages to people.
    pub fn url(&self) -> &str {
        match self {
            Connector::Tcp { url, .. } => url,
            Connector::Memory(_) => "this process",
        }
    }

    /// Opens a connection, within a few seconds or not at all.
    pub async fn connect(&self) -> Result<Channel, ConnectError> {
        match self {
            Connector::Tcp { url, endpoint } => {
                endpoint
                    .connect()
                    .await
                    .map_err(|e| ConnectError::Unreachable {
                        url: url.clone(),
                        why: root_cause(&e),
                    })
            }
            Connector::Memory(sender) => {
                let (ours, theirs) = tokio::io::duplex(MEMORY_BUFFER);
                sender.send(theirs).await.map_err(|_| ConnectError::Ended)?;
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
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
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
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "tcp://127.0.0.1:8786",
            "http://host:1",
            "host",
            "tcp://[::1]:99",
            "grpc://a.b.c/",
        ] {
            assert!(Connector::tcp(good).is_ok(), "{good}");
        }
        for bad in ["", "tcp://", "ftp://host", "host:", "host:99999", "a b"] {
            assert!(
                matches!(Connector::tcp(bad), Err(ConnectError::Address(_))),
                "{bad}"
            );
        }
    }
}
