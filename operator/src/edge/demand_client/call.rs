//! One call on a connection of its own: gRPC-Web, over HTTP/1.0.
//!
//! An operator holds one to each scheduler for days, and each says little. HTTP/2's first buffers would be 28 kB a
//! connection, more than all else that it takes; here a buffer is there only while something comes. In HTTP/1.0 an answer ends with its
//! connection, so that there is no chunking to be undone either.

use super::frames::{Frame, FrameError, refusal, take};
use bytes::{Buf, BufMut, BytesMut};
use dasklike_proto_admin::WATCH_DEMAND;
use dasklike_proto_admin::pb::{Demand, WatchDemandRequest};
use prost::Message;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Room for what one read brings: a message is tens of bytes a worker.
const ROOM: usize = 512;
/// The head of an answer is some 100 bytes.
const LONGEST_HEAD: usize = 8 << 10;
const MOST_HEADERS: usize = 32;

/// Why a call does not begin, or ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The connection breaks, or TLS refuses one of the two.
    #[error("the connection broke: {0}")]
    Broke(#[from] io::Error),
    /// The scheduler ended it.
    #[error("the stream ended")]
    Ended,
    /// What answers does not speak HTTP/1.
    #[error("no HTTP/1 answer: {0}")]
    Head(httparse::Error),
    /// The head has no end.
    #[error("the head of the answer is longer than {LONGEST_HEAD} bytes")]
    LongHead,
    /// It knows no such call.
    #[error("the answer is HTTP status {0}: is the scheduler as new as the operator?")]
    Status(u16),
    /// It does not want to.
    #[error("the scheduler refuses to tell its demand: {0}")]
    Refused(String),
    /// What came is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The message is none of ours.
    #[error("a message cannot be decoded: {0}")]
    Message(#[from] prost::DecodeError),
}

/// What a scheduler says, as it comes.
pub(super) struct Messages {
    socket: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
}

impl Messages {
    /// Waits for the head of the answer to what was [`asked`] on this socket.
    pub(super) async fn begin(
        socket: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<Messages, CallError> {
        let mut messages = Messages {
            socket: Box::new(socket),
            buffer: BytesMut::new(),
        };
        while !messages.skip_head()? {
            messages.more().await?;
        }
        Ok(messages)
    }

    /// The next message. Can be dropped before it is there and asked anew.
    pub(super) async fn next(&mut self) -> Result<Demand, CallError> {
        loop {
            match take(&mut self.buffer)? {
                Some(Frame::Message(bytes)) => return Ok(Demand::decode(bytes)?),
                Some(Frame::Trailers(status)) => {
                    return Err(match status {
                        None => CallError::Ended,
                        Some(why) => CallError::Refused(why),
                    });
                }
                None => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Result<(), CallError> {
        let Messages { socket, buffer } = self;
        let read = poll_fn(|cx| {
            buffer.reserve(ROOM);
            let read = poll_read_buf(Pin::new(&mut **socket), cx, buffer);
            if read.is_pending() && buffer.is_empty() {
                *buffer = BytesMut::new();
            }
            read
        });
        match read.await? {
            0 => Err(CallError::Ended),
            _ => Ok(()),
        }
    }

    /// Whether the head was there as a whole, which is then taken off.
    fn skip_head(&mut self) -> Result<bool, CallError> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        match answer.parse(&self.buffer).map_err(CallError::Head)? {
            httparse::Status::Partial if self.buffer.len() > LONGEST_HEAD => {
                Err(CallError::LongHead)
            }
            httparse::Status::Partial => Ok(false),
            httparse::Status::Complete(length) => {
                accept(&answer)?;
                self.buffer.advance(length);
                Ok(true)
            }
        }
    }
}

/// The bytes of a call, whose answer is read by [`Messages::begin`].
pub(super) fn asked(address: SocketAddr, request: &WatchDemandRequest) -> Vec<u8> {
    let message = request.encode_to_vec();
    // A frame: no flags, the length of what follows.
    let length = message.len() as u32;
    let mut asked = format!(
        "POST {WATCH_DEMAND} HTTP/1.0\r\n\
         host: {address}\r\n\
         content-type: application/grpc-web+proto\r\n\
         content-length: {}\r\n\r\n",
        message.len() + 5
    )
    .into_bytes();
    asked.put_u8(0);
    asked.put_u32(length);
    asked.put_slice(&message);
    asked
}

/// A call that fails at once says so in the head.
fn accept(answer: &httparse::Response<'_, '_>) -> Result<(), CallError> {
    let status = answer.code.unwrap_or_default();
    if status != 200 {
        return Err(CallError::Status(status));
    }
    let refused = refusal(|name| {
        let mut headers = answer.headers.iter();
        let found = headers.find(|h| h.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(found.value).into_owned())
    });
    refused.map_or(Ok(()), |why| Err(CallError::Refused(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// What becomes of a call that is answered so, a byte at a time.
    async fn answered(answer: &[u8]) -> Result<Vec<u64>, (Vec<u64>, CallError)> {
        let (mut ours, mut theirs) = duplex(1 << 10);
        let answer = answer.to_vec();
        let peer = tokio::spawn(async move {
            let mut asked = vec![0; 512];
            let length = theirs.read(&mut asked).await.unwrap();
            for byte in answer {
                // The other side may have heard enough.
                let _ = theirs.write_all(&[byte]).await;
                tokio::task::yield_now().await;
            }
            asked.truncate(length);
            asked
        });
        let address = "[fd00::1]:8786".parse().unwrap();
        let request = asked(address, &WatchDemandRequest::default());
        ours.write_all(&request).await.unwrap();
        let begun = Messages::begin(ours).await;
        let mut epochs = Vec::new();
        let error = match begun {
            Err(error) => error,
            Ok(mut messages) => loop {
                match messages.next().await {
                    Ok(demand) => epochs.push(demand.epoch),
                    Err(error) => break error,
                }
            },
        };
        let asked = String::from_utf8(peer.await.unwrap()).unwrap();
        assert!(asked.starts_with("POST /dasklike.admin.v1.Admin/WatchDemand HTTP/1.0\r\n"));
        assert!(asked.contains("\r\nhost: [fd00::1]:8786\r\n"));
        assert!(asked.ends_with("\r\n\r\n\0\0\0\0\0"));
        match error {
            CallError::Ended => Ok(epochs),
            error => Err((epochs, error)),
        }
    }

    fn message(epoch: u64) -> Vec<u8> {
        let demand = Demand {
            epoch,
            ..Demand::default()
        };
        let bytes = demand.encode_to_vec();
        [&[0, 0, 0, 0, bytes.len() as u8], bytes.as_slice()].concat()
    }

    const HEAD: &[u8] = b"HTTP/1.0 200 OK\r\ncontent-type: application/grpc-web+proto\r\n\r\n";

    #[tokio::test]
    async fn messages_come_however_they_are_cut() {
        let answer = [HEAD, &message(7), &message(0), &message(9)].concat();
        assert_eq!(answered(&answer).await.unwrap(), [7, 0, 9]);
    }

    #[tokio::test]
    async fn an_end_that_is_said_is_no_error_and_a_refusal_says_why() {
        let end = [HEAD, &message(7), b"\x80\0\0\0\x0fgrpc-status:0\r\n"].concat();
        assert_eq!(answered(&end).await.unwrap(), [7]);
        let late = b"\x80\0\0\0\x25grpc-status: 14\r\ngrpc-message: ending\r\n".as_slice();
        let (before, error) = answered(&[HEAD, &message(7), late].concat())
            .await
            .unwrap_err();
        assert_eq!(before, [7]);
        assert!(error.to_string().ends_with("status 14: ending"), "{error}");
        let at_once = b"HTTP/1.0 200 OK\r\nGrpc-Status: 3\r\ngrpc-message: no%20pool\r\n\r\n";
        let (_, error) = answered(at_once).await.unwrap_err();
        assert!(error.to_string().ends_with("status 3: no pool"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_such_answer_is_said_to_be_none() {
        let cases: [(&[u8], &str); 5] = [
            (b"\0\0\x12\x04\0\0\0\0\0", "no HTTP/1 answer"),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404"),
            (&[HEAD, b"\0\xff\0\0\0"].concat(), "4278190080 bytes"),
            (&[HEAD, b"\x01\0\0\0\0"].concat(), "flags 1"),
            (&[HEAD, b"\0\0\0\0\x01\xff"].concat(), "cannot be decoded"),
        ];
        for (answer, expected) in cases {
            let (_, error) = answered(answer).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let endless = [HEAD, &[b'a'; 20_000]].concat();
        let endless = [&endless[..HEAD.len() - 2], b"x: ", &endless[HEAD.len()..]].concat();
        let (_, error) = answered(&endless).await.unwrap_err();
        assert!(matches!(error, CallError::LongHead), "{error}");
    }
}
