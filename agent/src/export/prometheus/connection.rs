//! Connections that cannot hold anything up: few at once, one request each, and a time limit on every phase.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::export::access::{Gate, Wire};

use super::server::LISTENER;

/// What a connection may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many connections are served at once; further ones wait in the kernel's queue.
    pub(super) connections: usize,
    /// How long it may take from the connection to the first byte of the answer; where hands are shaken, they have their own time beside.
    pub(super) request: Duration,
    /// How long the client may take to receive the answer.
    pub(super) answer: Duration,
}

impl Default for Limits {
    /// A client that asks for nothing holds its place for 10 s (Prometheus gives up a scrape after that time by
    /// default), and one that does not read for 30 s.
    fn default() -> Self {
        Self { connections: 32, request: Duration::from_secs(10), answer: Duration::from_secs(30) }
    }
}

/// A listener whose connections keep to the limits.
#[derive(Debug)]
pub(super) struct LimitedListener {
    listener: TcpListener,
    gate: Gate,
    places: Arc<Semaphore>,
    limits: Limits,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener, gate: Gate, limits: Limits) -> Self {
        Self { listener, gate, places: Arc::new(Semaphore::new(limits.connections)), limits }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        // The semaphore is never closed; were it, connections would go without a place.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = loop {
            match self.listener.accept().await {
                Ok(taken) => break taken,
                Err(error) => LISTENER.not_taken(&error).await,
            }
        };
        let stream = self.gate.take(stream);
        let deadline = Box::pin(sleep(stream.handshake_limit() + self.limits.request));
        (LimitedStream { stream, deadline, answer: Some(self.limits.answer), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails with `TimedOut` when its time is up.
pub(super) struct LimitedStream {
    stream: Wire,
    deadline: Pin<Box<Sleep>>,
    /// How long the answer may take, until it begins.
    answer: Option<Duration>,
    _place: Option<OwnedSemaphorePermit>,
}

impl LimitedStream {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn begin_answer(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.deadline.as_mut().reset(Instant::now() + answer);
        }
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_answer();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_answer();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write_vectored(context, buffers)
    }
}
