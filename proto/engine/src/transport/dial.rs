//! Opening a byte stream to a scheduler.

use super::address::{Address, Scheme};
use super::credentials::{ClientTls, TlsError, provider, unusable};
use super::{CONNECT_TIMEOUT, ConnectError, TLS_BUFFER, refusal, settle};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The way to one address.
#[derive(Debug)]
pub struct Dial {
    url: String,
    address: Address,
    tls: Option<(ClientTls, ServerName<'static>)>,
}

impl Dial {
    pub(super) fn new(
        url: &str,
        address: Address,
        tls: Option<ClientTls>,
    ) -> Result<Dial, ConnectError> {
        let url = url.to_owned();
        let tls = match (address.scheme, tls) {
            (Scheme::Plain, None) => None,
            (Scheme::Plain, Some(_)) => return Err(ConnectError::NeedlessCredentials { url }),
            (Scheme::Tls, None) => return Err(ConnectError::NoCredentials { url }),
            (Scheme::Tls, Some(tls)) => {
                let name = tls.server_name.as_deref().unwrap_or(address.bare_host());
                let name = ServerName::try_from(name)
                    .map_err(|_| TlsError::ServerName(name.to_owned()))?
                    .to_owned();
                Some((tls, name))
            }
        };
        Ok(Dial { url, address, tls })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn unreachable(&self, why: &str) -> ConnectError {
        ConnectError::Unreachable {
            url: self.url.clone(),
            why: why.to_owned(),
        }
    }

    /// Opens a stream on which both sides have accepted each other.
    pub(super) async fn open(&self) -> Result<Stream, ConnectError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.dial()).await {
            Ok(opened) => opened,
            Err(_) => {
                let seconds = CONNECT_TIMEOUT.as_secs();
                Err(self.unreachable(&format!("no answer within {seconds} seconds")))
            }
        }
    }

    async fn dial(&self) -> Result<Stream, ConnectError> {
        let to = (self.address.bare_host(), self.address.port);
        let tcp = TcpStream::connect(to)
            .await
            .map_err(|e| self.unreachable(&e.to_string()))?;
        settle(&tcp);
        let Some((tls, name)) = &self.tls else {
            return Ok(Stream::Plain { tcp, heard: false });
        };
        let refused = |e: io::Error| ConnectError::Refused {
            url: self.url.clone(),
            why: refusal::seen_by_client(&e),
        };
        let connector = TlsConnector::from(client_config(tls.clone()).await?);
        let connecting = connector.connect_with(name.clone(), tcp, |session| {
            session.set_buffer_limit(Some(TLS_BUFFER));
        });
        let mut stream = connecting.await.map_err(refused)?;
        // In TLS 1.3 the client is through before the server has looked at its certificate. A scheduler speaks
        // first (HTTP/2's settings), so that what comes now is either that or the refusal.
        if stream.fill_buf().await.map_err(refused)?.is_empty() {
            return Err(refused(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// Reads the credentials, on a thread that may block.
async fn client_config(tls: ClientTls) -> Result<Arc<ClientConfig>, ConnectError> {
    let read = tokio::task::spawn_blocking(move || {
        let material = tls.credentials.load()?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| unusable("the cipher list", e))?
            .with_root_certificates(material.roots)
            .with_client_auth_cert(material.chain, material.key)
            .map_err(|e| unusable(&tls.credentials.certificate_name(), e))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Connections live long; a resumed one would also outlive a certificate.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    });
    match read.await {
        Ok(config) => config.map_err(ConnectError::Credentials),
        Err(e) => Err(ConnectError::Credentials(unusable("the TLS folder", e))),
    }
}

/// An open stream.
#[derive(Debug)]
pub(super) enum Stream {
    Plain {
        tcp: TcpStream,
        /// Whether anything has arrived.
        heard: bool,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

/// The first byte of a TLS alert; HTTP/2 begins with the length of a small frame, whose first byte is 0.
const TLS_ALERT: u8 = 21;

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
            Stream::Plain { tcp, heard: true } => Pin::new(tcp).poll_read(context, buffer),
            Stream::Plain { tcp, heard } => {
                let before = buffer.filled().len();
                let read = Pin::new(tcp).poll_read(context, buffer);
                let first = buffer.filled().get(before);
                *heard = first.is_some();
                if first == Some(&TLS_ALERT) {
                    return Poll::Ready(Err(io::Error::other(refusal::SPEAKS_TLS)));
                }
                read
            }
        }
    }
}

/// A side that speaks TLS says so and closes; a write may notice the end before the alert is read.
fn explained(
    tcp: &TcpStream,
    heard: bool,
    written: Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut first = [0];
    match written {
        Poll::Ready(Err(_))
            if !heard && matches!(tcp.try_read(&mut first), Ok(1)) && first[0] == TLS_ALERT =>
        {
            Poll::Ready(Err(io::Error::other(refusal::SPEAKS_TLS)))
        }
        written => written,
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain { tcp, heard } => {
                let written = Pin::new(&mut *tcp).poll_write(context, bytes);
                explained(tcp, *heard, written)
            }
            Stream::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain { tcp, .. } => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain { tcp, heard } => {
                let written = Pin::new(&mut *tcp).poll_write_vectored(context, slices);
                explained(tcp, *heard, written)
            }
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain { tcp, .. } => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }
}
