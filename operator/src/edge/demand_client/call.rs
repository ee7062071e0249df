//! One call on a connection of its own, as tonic wants it.
//!
//! Straight on h2: hyper's client can hand many calls to one connection, and the queue for them would be a seventh
//! of all that a connection takes.

use bytes::Bytes;
use futures::future::BoxFuture;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower::{BoxError, Service};

/// What sends the call.
pub(super) struct Caller(pub(super) SendRequest<Bytes>);

impl Service<Request<tonic::body::Body>> for Caller {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Answer>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(ready!(self.0.poll_ready(cx))?))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let mut sender = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // One message, which is small.
            let message = body.collect().await?.to_bytes();
            let (answer, mut stream) = sender.send_request(Request::from_parts(head, ()), false)?;
            stream.send_data(message, true)?;
            Ok(answer.await?.map(Answer))
        })
    }
}

/// What comes back: data, then trailers.
pub(super) struct Answer(RecvStream);

impl Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let stream = &mut self.0;
        Poll::Ready(match ready!(stream.poll_data(cx)) {
            Some(Ok(bytes)) => {
                let released = stream.flow_control().release_capacity(bytes.len());
                Some(released.map(|()| Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => ready!(stream.poll_trailers(cx))
                .transpose()
                .map(|trailers| trailers.map(Frame::trailers)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
