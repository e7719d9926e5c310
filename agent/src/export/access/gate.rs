//! What stands at one listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::telemetry;

use super::files::Access;
use super::wire::Wire;

/// How long shaking hands may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum Door {
    /// That for Prometheus.
    Http,
    /// That for gRPC.
    Grpc,
}

impl Door {
    /// What is spoken there, as TLS names it. HTTP/2 would keep a connection beyond the one request that limits are for.
    pub(super) fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http => vec![b"http/1.1".to_vec()],
            Self::Grpc => vec![b"h2".to_vec()],
        }
    }

    /// Counts somebody who was not let in.
    pub(super) fn count(self, reason: Reason) {
        self.counter(reason).increment(1);
    }

    fn counter(self, reason: Reason) -> metrics::Counter {
        let listener = match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        };
        metrics::counter!(telemetry::ACCESS_REFUSED.name, "listener" => listener, "reason" => reason.label())
    }
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Handshake,
    HandshakeTimeout,
    NoToken,
    WrongToken,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Handshake, Self::HandshakeTimeout, Self::NoToken, Self::WrongToken];

    fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
        }
    }
}

/// A request that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::export) enum Refusal {
    /// It bears no token.
    #[error(
        "this agent asks for a token: send 'Authorization: Bearer TOKEN' with one of those in its access.token_file"
    )]
    NoToken,
    /// It bears another one.
    #[error("this is none of the agent's tokens: send one of those in its access.token_file")]
    WrongToken,
}

/// What a listener asks of who comes.
#[derive(Clone, Debug)]
pub(in crate::export) struct Gate {
    access: Access,
    door: Door,
    is_open: bool,
}

impl Gate {
    /// That of the listener at `address`.
    pub(in crate::export) fn new(access: &Access, door: Door, address: SocketAddr) -> Self {
        let is_open = !address.ip().is_loopback() && !access.authenticates();
        for reason in Reason::ALL {
            door.counter(reason).increment(0);
        }
        Self { access: access.clone(), door, is_open }
    }

    /// Whether anybody on other machines may come in, so that fine resolution and names are withheld.
    pub(in crate::export) fn is_open(&self) -> bool {
        self.is_open
    }

    /// `http` or `https`.
    pub(in crate::export) fn scheme(&self) -> &'static str {
        if self.access.now().tls(self.door).is_some() { "https" } else { "http" }
    }

    /// The connection as it is to be read and written.
    pub(in crate::export) fn take(&self, stream: TcpStream) -> Wire {
        Wire::new(stream, self.access.now().tls(self.door), self.door, HANDSHAKE_WITHIN)
    }

    /// Whether a request with this header `Authorization` is answered.
    pub(in crate::export) fn check(&self, authorization: Option<&[u8]>) -> Result<(), Refusal> {
        let now = self.access.now();
        let Some(tokens) = &now.tokens else { return Ok(()) };
        match authorization.and_then(bearer) {
            None => {
                self.door.count(Reason::NoToken);
                Err(Refusal::NoToken)
            }
            Some(token) if tokens.have(token) => Ok(()),
            Some(_) => {
                self.door.count(Reason::WrongToken);
                Err(Refusal::WrongToken)
            }
        }
    }
}

fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_told_from_other_schemes() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b"Basic abc"[..], b"Bearer", b"Bearerabc", b""] {
            assert_eq!(bearer(other), None, "{}", other.escape_ascii());
        }
    }
}
