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

/// What a client of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many are served at once; further ones wait in the kernel's queue.
    connections: usize,
    /// How long it may take until HTTP/2 is spoken; where hands are shaken, they have their own time beside.
    beginning: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 256, beginning: Duration::from_secs(10) }
    }
}

/// The connections of a listener.
pub(super) fn limited(
    mut incoming: TcpIncoming,
    gate: Gate,
    limits: Limits,
) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
    let places = Arc::new(Semaphore::new(limits.connections));
    async_stream::stream! {
        loop {
            // The semaphore is never closed; were it, connections would go without a place.
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
            let peer = stream.connect_info();
            let wire = gate.take(stream);
            let deadline = Box::pin(sleep(wire.handshake_limit() + limits.beginning));
            yield Ok(Connection {
                wire,
                peer,
                beginning: Some(Beginning { awaited: PREFACE_BYTES, deadline }),
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::AccessConfig;
    use crate::export::access::{Access, Door};

    #[tokio::test]
    async fn who_says_nothing_loses_the_place_and_who_has_begun_keeps_it() {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = incoming.local_addr().expect("an address");
        let access = Access::open(&AccessConfig::default()).expect("no files");
        let limits = Limits { connections: 1, beginning: Duration::from_millis(100) };
        let mut connections = std::pin::pin!(limited(incoming, Gate::new(&access, Door::Grpc, address), limits));

        let _silent = TcpStream::connect(address).await.expect("it listens");
        let mut first = connections.next().await.expect("one").expect("no error");
        let mut speaker = TcpStream::connect(address).await.expect("it listens");
        let early = tokio::time::timeout(Duration::from_millis(20), connections.next()).await;
        assert!(early.is_err(), "there is one place");
        assert_eq!(first.read(&mut [0]).await.expect_err("too late").kind(), io::ErrorKind::TimedOut);
        drop(first);

        let mut second = connections.next().await.expect("one").expect("no error");
        speaker.write_all(&[b'x'; PREFACE_BYTES]).await.expect("it is open");
        second.read_exact(&mut [0; PREFACE_BYTES]).await.expect("in time");
        tokio::time::sleep(limits.beginning * 2).await;
        speaker.write_all(b"y").await.expect("it is open");
        second.read_exact(&mut [0]).await.expect("it may be silent now");
    }
}
