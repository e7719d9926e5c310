//! A connection that may be TLS. Hands are shaken when it is first read or written, so that who does not go on with it
//! keeps nobody else waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::gate::{Door, Reason};

/// A client's connection.
pub(in crate::export) struct Wire(State);

enum State {
    Plain(TcpStream),
    ShakingHands(Box<Handshake>),
    Tls(Box<TlsStream<TcpStream>>),
    /// No hands were shaken.
    Closed,
}

struct Handshake {
    accept: Accept<TcpStream>,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    door: Door,
}

impl Wire {
    /// With TLS where there is a configuration for it; shaking hands may take `limit`.
    pub(super) fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>, door: Door, limit: Duration) -> Self {
        Self(match tls {
            None => State::Plain(stream),
            Some(tls) => {
                let accept = TlsAcceptor::from(tls).accept(stream);
                State::ShakingHands(Box::new(Handshake { accept, limit, deadline: Box::pin(sleep(limit)), door }))
            }
        })
    }

    /// How long shaking hands may still take, at most.
    pub(in crate::export) fn handshake_limit(&self) -> Duration {
        match &self.0 {
            State::ShakingHands(handshake) => handshake.limit,
            State::Plain(_) | State::Tls(_) | State::Closed => Duration::ZERO,
        }
    }

    /// Shakes hands, if that is still to be done.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Ready<'_>>> {
        if let State::ShakingHands(handshake) = &mut self.0 {
            match ready!(handshake.poll(context)) {
                Ok(stream) => self.0 = State::Tls(Box::new(stream)),
                Err(error) => {
                    self.0 = State::Closed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.0 {
            State::Plain(stream) => Ok(Ready::Plain(Pin::new(stream))),
            State::Tls(stream) => Ok(Ready::Tls(Pin::new(stream.as_mut()))),
            State::ShakingHands(_) | State::Closed => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Handshake {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<TlsStream<TcpStream>>> {
        let outcome = match Pin::new(&mut self.accept).poll(context) {
            Poll::Ready(outcome) => outcome.inspect_err(|_| self.door.count(Reason::Handshake)),
            Poll::Pending => {
                ready!(self.deadline.as_mut().poll(context));
                self.door.count(Reason::HandshakeTimeout);
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        Poll::Ready(outcome)
    }
}

/// What can be read and written.
enum Ready<'a> {
    Plain(Pin<&'a mut TcpStream>),
    Tls(Pin<&'a mut TlsStream<TcpStream>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(self.get_mut().poll_ready(context))? {
            Ready::Plain(stream) => stream.poll_read(context, buffer),
            Ready::Tls(stream) => stream.poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.get_mut().poll_ready(context))? {
            Ready::Plain(stream) => stream.poll_write(context, bytes),
            Ready::Tls(stream) => stream.poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.get_mut().poll_ready(context))? {
            Ready::Plain(stream) => stream.poll_flush(context),
            Ready::Tls(stream) => stream.poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.0 {
            State::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            State::ShakingHands(_) | State::Closed => {
                this.0 = State::Closed;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.get_mut().poll_ready(context))? {
            Ready::Plain(stream) => stream.poll_write_vectored(context, buffers),
            Ready::Tls(stream) => stream.poll_write_vectored(context, buffers),
        }
    }
}
