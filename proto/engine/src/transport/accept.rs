//! The server's side of mutual TLS: configuration that follows its files, and handshakes beside one another.

use super::credentials::{Credentials, Stamp, TlsError, provider, stamp, unusable};
use super::{Peer, TLS_BUFFER, refusal, settle};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// A client that takes longer to say who it is has given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at once. Beyond that a new connection is closed: those who dally must not take all memory.
const HANDSHAKES: usize = 1024;
/// After an error of the listener (no more file handles, say), this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What TLS calls HTTP/1.1.
const HTTP1: &[u8] = b"http/1.1";

/// Connections by the protocol that the two sides agreed on in the handshake. They are not told apart by what comes
/// first: on HTTP/2 the server speaks first, by which a client knows that it was not refused.
#[derive(Debug)]
pub struct Incoming {
    /// HTTP/2, also of those who asked for nothing.
    pub http2: ReceiverStream<io::Result<TlsConnection>>,
    /// HTTP/1.
    pub http1: ReceiverStream<io::Result<TlsConnection>>,
}

/// Where connections go.
#[derive(Clone)]
struct Ready {
    http2: mpsc::Sender<io::Result<TlsConnection>>,
    http1: mpsc::Sender<io::Result<TlsConnection>>,
}

/// A server's credentials, read anew when their files change.
#[derive(Debug)]
pub struct TlsServer {
    folder: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// Of the files when they were last read, usable or not.
    stamp: Stamp,
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Reads `ca.crt`, `tls.crt` and `tls.key` in a folder.
    pub fn open(folder: &Path) -> Result<TlsServer, TlsError> {
        // Looked at before they are read: a change in between is then seen as one.
        let stamp = stamp(folder);
        let config = server_config(folder)?;
        Ok(TlsServer {
            folder: folder.to_owned(),
            current: Mutex::new(Current { stamp, config }),
        })
    }

    /// The configuration of the files as they are now. Files that cannot be used leave the one before in force.
    /// Blocks on files.
    fn config(&self) -> Arc<ServerConfig> {
        // Nothing under the lock stops half-way.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.folder);
        if now != current.stamp {
            current.stamp = now;
            match server_config(&self.folder) {
                Ok(config) => {
                    tracing::info!(folder = %self.folder.display(), "new TLS certificates are in use");
                    current.config = config;
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the new TLS files cannot be used: those before stay in force"
                ),
            }
        }
        current.config.clone()
    }

    /// Connections of clients whose certificates were accepted.
    pub fn incoming(self: Arc<TlsServer>, listener: TcpListener) -> Incoming {
        let (http2, incoming_http2) = mpsc::channel(16);
        let (http1, incoming_http1) = mpsc::channel(16);
        tokio::spawn(accept(self, listener, Ready { http2, http1 }));
        Incoming {
            http2: ReceiverStream::new(incoming_http2),
            http1: ReceiverStream::new(incoming_http1),
        }
    }

    async fn shake_hands(self: Arc<TlsServer>, tcp: TcpStream) -> io::Result<TlsConnection> {
        settle(&tcp);
        let config = tokio::task::spawn_blocking(move || self.config())
            .await
            .map_err(io::Error::other)?;
        let shaking = TlsAcceptor::from(config).accept_with(tcp, |session| {
            session.set_buffer_limit(Some(TLS_BUFFER));
        });
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaking).await {
            Ok(stream) => Ok(TlsConnection::new(stream?)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

fn server_config(folder: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let credentials = Credentials::Folder(folder.to_owned());
    let material = credentials.load()?;
    let name = credentials.certificate_name();
    let clients = WebPkiClientVerifier::builder_with_provider(material.roots, provider())
        .build()
        .map_err(|e| unusable(&name, e))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| unusable("the cipher list", e))?
        .with_client_cert_verifier(clients)
        .with_single_cert(material.chain, material.key)
        .map_err(|e| unusable(&name, e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), HTTP1.to_vec()];
    // Connections live long, and are not resumed.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Accepts until nobody takes the connections any more. Each handshake is a task of its own.
async fn accept(server: Arc<TlsServer>, listener: TcpListener, ready: Ready) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.http2.closed() => return,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "{HANDSHAKES} TLS handshakes are under way: this one is turned away");
            continue;
        };
        let (server, ready) = (server.clone(), ready.clone());
        tokio::spawn(async move {
            let shaken = server.shake_hands(tcp).await;
            drop(place);
            match shaken {
                Ok(connection) => {
                    let to = match connection.is_http1() {
                        true => ready.http1,
                        false => ready.http2,
                    };
                    // An error means that the server is ending.
                    drop(to.send(Ok(connection)).await);
                }
                Err(error) => {
                    let why = refusal::seen_by_server(&error);
                    tracing::warn!(%peer, why, "a connection was refused");
                }
            }
        });
    }
}

/// A connection of a client whose certificate was accepted.
#[derive(Debug)]
pub struct TlsConnection {
    stream: Box<TlsStream<TcpStream>>,
    peer: Peer,
}

impl TlsConnection {
    fn new(stream: TlsStream<TcpStream>) -> TlsConnection {
        TlsConnection {
            peer: Peer::of(stream.get_ref().1.peer_certificates()),
            stream: Box::new(stream),
        }
    }

    fn is_http1(&self) -> bool {
        self.stream.get_ref().1.alpn_protocol() == Some(HTTP1)
    }
}

/// Each request knows who makes it.
impl Connected for TlsConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
