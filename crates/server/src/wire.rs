//! A client's connection as bytes, with an end to waiting for a client that does not read. What is too slow in the other
//! direction is known elsewhere: the parser times headers, and [`crate::body`] bodies.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::limits;

/// A stream whose writes fail once the other side has taken nothing for [`limits::WRITE_TIME`].
#[derive(Debug)]
pub struct Wire<T> {
    stream: T,
    /// Runs while something waits to be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<T> Wire<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> Wire<T> {
        Wire { stream, stuck: None }
    }

    fn bounded<R>(&mut self, ctx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limits::WRITE_TIME)));
        stuck.as_mut().poll(ctx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(ctx, bytes);
        self.bounded(ctx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(ctx, slices);
        self.bounded(ctx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(ctx);
        self.bounded(ctx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(ctx);
        self.bounded(ctx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Duration, Instant, advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_fails_once_nothing_was_taken_for_long() {
        let (client, server) = duplex(8);
        let mut wire = Wire::new(server);
        let begin = Instant::now();
        let failed = wire.write_all(&[0; 9]).await.map_err(|error| error.kind());
        assert_eq!((failed, begin.elapsed()), (Err(io::ErrorKind::TimedOut), limits::WRITE_TIME));
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_a_little_now_and_then_is_waited_for() {
        let (mut client, server) = duplex(8);
        let mut wire = Wire::new(server);
        let begin = Instant::now();
        let writes = async {
            wire.write_all(&[0; 40]).await?;
            wire.shutdown().await
        };
        let reads = async {
            let mut taken = 0;
            while taken < 40 {
                advance(limits::WRITE_TIME - Duration::from_secs(1)).await;
                let mut some = [0; 8];
                taken += timeout(limits::WRITE_TIME, client.read(&mut some)).await??;
            }
            Ok::<_, io::Error>(taken)
        };
        let (written, taken) = tokio::join!(writes, reads);
        assert_eq!((written.is_ok(), taken.ok()), (true, Some(40)));
        assert!(begin.elapsed() > limits::WRITE_TIME * 3);
    }
}
