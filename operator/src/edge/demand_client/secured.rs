//! TLS on one socket, for one who asks once and then listens for days. The usual stream would keep 4 kB for each
//! connection to read into; here a buffer is there only while something comes.

use bytes::{Buf, BytesMut};
use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Room for what one read brings. The longest flight of a handshake is some 1,500 bytes, a message tens of bytes a
/// worker.
const ROOM: usize = 2 << 10;

/// A connection to a server whose certificate is the right one.
pub(super) struct Secured {
    socket: TcpStream,
    tls: UnbufferedClientConnection,
    /// Records, the last of them perhaps not whole.
    incoming: BytesMut,
    /// Records to be sent.
    outgoing: BytesMut,
    /// What was said in the records that came.
    heard: BytesMut,
}

/// How far it is, once all that came is taken in.
enum State {
    /// Hands are not shaken yet: the server has to say more.
    Shaking,
    /// Both may speak.
    Open,
    /// The server said that it will say no more.
    Ended,
}

impl Secured {
    /// Shakes hands. That the server does not want our certificate, TLS 1.3 says only when the first answer is read.
    pub(super) async fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        socket: TcpStream,
    ) -> io::Result<Secured> {
        let tls = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut secured = Secured {
            socket,
            tls,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            heard: BytesMut::new(),
        };
        poll_fn(|cx| secured.poll_open(cx)).await?;
        Ok(secured)
    }

    /// Says something and waits until all of it is sent.
    pub(super) async fn say(&mut self, words: &[u8]) -> io::Result<()> {
        self.encrypt(words)?;
        poll_fn(|cx| self.poll_send(cx)).await
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let state = self.take_in()?;
            ready!(self.poll_send(cx))?;
            match state {
                State::Open => return Poll::Ready(Ok(())),
                State::Shaking => ready!(self.poll_receive(cx))?,
                State::Ended => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Takes in what came: what was said gets into `heard`, what TLS itself has to answer into `outgoing`.
    fn take_in(&mut self) -> io::Result<State> {
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut self.incoming);
            let reached = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        self.heard.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, &mut self.outgoing)?;
                    None
                }
                // It is in `outgoing`, which nobody forgets.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(State::Shaking),
                Ok(ConnectionState::WriteTraffic(_)) => Some(State::Open),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(State::Ended),
                // Early data, which only servers get.
                Ok(_) => return Err(io::ErrorKind::Unsupported.into()),
                Err(error) => {
                    self.alert();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            self.incoming.advance(discard);
            if let Some(state) = reached {
                if self.incoming.is_empty() {
                    self.incoming = BytesMut::new();
                }
                return Ok(state);
            }
        }
    }

    fn encrypt(&mut self, words: &[u8]) -> io::Result<()> {
        let status = self.tls.process_tls_records(&mut self.incoming);
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let Err(EncryptError::InsufficientSize(short)) = traffic.encrypt(words, &mut []) else {
            return Ok(());
        };
        let begin = self.outgoing.len();
        self.outgoing.resize(begin + short.required_size, 0);
        let encrypted = traffic.encrypt(words, &mut self.outgoing[begin..]);
        encrypted.map(drop).map_err(io::Error::other)
    }

    /// Tells the server what is wrong with it, if that can be sent at once.
    fn alert(&mut self) {
        let status = self.tls.process_tls_records(&mut []);
        if let Ok(ConnectionState::EncodeTlsData(data)) = status.state
            && encode(data, &mut self.outgoing).is_ok()
        {
            // The connection has failed, whatever becomes of this.
            let _ = self.socket.try_write(&self.outgoing);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(sent);
        }
        self.outgoing = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Waits for bytes, and makes room for them when they are there.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            self.incoming.reserve(ROOM);
            match self.socket.try_read_buf(&mut self.incoming) {
                // The server went without a word.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.incoming.is_empty() {
                        self.incoming = BytesMut::new();
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.heard.is_empty() {
            let state = self.take_in()?;
            ready!(self.poll_send(cx))?;
            match state {
                _ if !self.heard.is_empty() => {}
                State::Ended => return Poll::Ready(Ok(())),
                State::Open | State::Shaking => ready!(self.poll_receive(cx))?,
            }
        }
        let length = self.heard.len().min(buffer.remaining());
        buffer.put_slice(&self.heard.split_to(length));
        if self.heard.is_empty() {
            self.heard = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

/// Asks how many bytes there are, and then for them.
fn encode(
    mut data: EncodeTlsData<'_, ClientConnectionData>,
    outgoing: &mut BytesMut,
) -> io::Result<()> {
    let Err(EncodeError::InsufficientSize(short)) = data.encode(&mut []) else {
        return Ok(());
    };
    let begin = outgoing.len();
    outgoing.resize(begin + short.required_size, 0);
    let encoded = data.encode(&mut outgoing[begin..]);
    encoded.map(drop).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Credentials, Pem};
    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;

    const NAME: &str = "demo-scheduler.lab.svc";

    /// A connection, from both sides.
    async fn connected() -> (Secured, TlsStream<TcpStream>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pem = Pem {
            ca: certificate.pem().into_bytes().leak(),
            certificate: certificate.pem().into_bytes().leak(),
            key: key.serialize_pem().into_bytes().leak(),
        };
        let config = Credentials::read(pem, &provider).config().unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap());
        let accepted = async {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(server));
            acceptor.accept(socket).await.unwrap()
        };
        let connected = async {
            let name = ServerName::try_from(NAME).unwrap();
            Secured::connect(config, name, socket.await.unwrap()).await
        };
        let (secured, server) = tokio::join!(connected, accepted);
        (secured.unwrap(), server)
    }

    fn words(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i % 251) as u8).collect()
    }

    #[tokio::test]
    async fn both_sides_hear_each_other_however_much_is_said_and_nothing_is_kept() {
        let (mut secured, mut server) = connected().await;
        secured.say(b"what do you need?").await.unwrap();
        let mut asked = [0; 17];
        server.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"what do you need?");
        for length in [1, 5, 3_000, 100_000] {
            let said = words(length);
            let mut heard = vec![0; length];
            let (said, read) = tokio::join!(
                async {
                    server.write_all(&said).await.unwrap();
                    server.flush().await.unwrap();
                    said
                },
                secured.read_exact(&mut heard)
            );
            read.unwrap();
            assert_eq!(said, heard);
            assert_eq!(secured.incoming.capacity() + secured.heard.capacity(), 0);
        }
    }

    #[tokio::test]
    async fn new_keys_are_taken_and_the_server_gets_new_ones_too() {
        let (mut secured, mut server) = connected().await;
        server.get_mut().1.refresh_traffic_keys().unwrap();
        server.write_all(b"fresh").await.unwrap();
        server.flush().await.unwrap();
        let mut heard = [0; 5];
        secured.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"fresh");
        secured.say(b"and mine").await.unwrap();
        let mut said = [0; 8];
        server.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"and mine");
    }

    #[tokio::test]
    async fn an_end_that_is_said_is_one_and_a_cut_is_an_error() {
        let (mut secured, mut server) = connected().await;
        server.shutdown().await.unwrap();
        assert_eq!(secured.read(&mut [0; 8]).await.unwrap(), 0);
        let (mut secured, server) = connected().await;
        drop(server.into_inner().0);
        let error = secured.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_no_tls_is_an_error() {
        let (mut secured, server) = connected().await;
        let mut bare = server.into_inner().0;
        bare.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let error = secured.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut alert = [0; 64];
        assert!(bare.read(&mut alert).await.unwrap() > 0, "no alert came");
    }
}
