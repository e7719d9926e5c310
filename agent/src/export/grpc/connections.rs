//! Connections that cannot hold the listener up: so many at once, and a time limit on how they begin. Later on, who does not
//! answer pings is dropped.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

use crate::export::access::{Gate, Wire};

use super::server::LISTENER;

/// How many connections are served at once; further ones wait in the kernel's queue.
pub(super) const MAX_CONNECTIONS: usize = 256;
/// How long it may take from the connection until HTTP/2 is spoken, with shaking hands.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// What a client of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

/// The connections of a listener.
pub(super) fn limited(
    mut incoming: TcpIncoming,
    gate: Gate,
) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    async_stream::stream! {
        // The semaphore is never closed; were it, connections would go without a place.
        loop {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            let stream = match incoming.next().await {
                None => return,
                Some(Ok(stream)) => stream,
                // Whoever serves what is yielded here would ask again at once, and again.
                Some(Err(error)) => {
                    LISTENER.not_taken(&error).await;
                    continue;
                }
            };
            yield Ok(Connection {
                peer: stream.connect_info(),
                wire: gate.take(stream),
                beginning: Some(Beginning { awaited: PREFACE_BYTES, deadline: Box::pin(sleep(BEGINS_WITHIN)) }),
                _place: place,
            });
        }
    }
}

/// A connection that fails with `TimedOut` when it does not begin in time.
pub(super) struct Connection {
    wire: Wire,
    peer: TcpConnectInfo,
    beginning: Option<Beginning>,
    _place: Option<OwnedSemaphorePermit>,
}

/// What is still to come, and by when.
struct Beginning {
    awaited: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(beginning) = &mut this.beginning
            && beginning.deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.wire).poll_read(context, buffer);
        if let Some(beginning) = &mut this.beginning {
            beginning.awaited = beginning.awaited.saturating_sub(buffer.filled().len() - before);
            if beginning.awaited == 0 {
                this.beginning = None;
            }
        }
        outcome
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write_vectored(context, buffers)
    }
}
