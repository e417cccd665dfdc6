//! How much and how long the server puts up with, and what it does with a body that nobody read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

/// A body, bytes.
pub const BODY: usize = 1024 * 1024;
/// All headers of a request together, bytes.
pub const HEADERS: usize = 64 * 1024;
/// From the first byte waited for to the end of the headers.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// From the headers to the end of the body.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// From the last byte that the client took to the end of waiting for it to take more.
pub const WRITE_TIME: Duration = Duration::from_secs(30);
/// Connections at a time; further ones wait to be accepted. Files and calls to providers get the rest of the usual 1024
/// descriptors of a process.
pub const CONNECTIONS: usize = 768;
/// How long requests under way may take once the server is told to stop; less than what Docker waits before it kills.
pub const STOP_TIME: Duration = Duration::from_secs(8);
/// Between two signs of life on a stream of events.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Texts longer than this, bytes, are checked and written on a thread that may block.
pub const INLINE: usize = 32 * 1024;

/// How much of an unread body is thrown away after the answer, bytes, and for how long.
const DRAIN: (usize, Duration) = (32 * 1024 * 1024, Duration::from_secs(2));

/// A request's body which, dropped unread, is still taken from the wire for a little while.
///
/// A client that is sending reads our answer only afterwards; closing on it meanwhile would reset the connection and
/// lose the answer.
#[derive(Debug)]
pub struct Drained(Option<Body>);

impl Drained {
    /// Wraps a body.
    pub fn new(body: Body) -> Drained {
        Drained(Some(body))
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(ctx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| !body.is_end_stream()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Ends by itself: the connection's end is the body's end, and both limits are short.
        runtime.spawn(tokio::time::timeout(DRAIN.1, async move {
            let mut left = DRAIN.0;
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        }));
    }
}
