//! Why a listener cannot be opened, and what to do.

use std::io;
use std::net::SocketAddr;

/// What a listener is for, and where its address is configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    /// For example `gRPC`.
    pub(super) purpose: &'static str,
    /// For example `--grpc-listen`.
    pub(super) flag: &'static str,
    /// For example `grpc.listen`.
    pub(super) key: &'static str,
}

impl Listener {
    /// The message for an address that was refused.
    pub(super) fn refused(self, address: SocketAddr, error: &io::Error) -> String {
        let Self { purpose, flag, key } = self;
        let elsewhere = format!("choose another address with {flag} or {key}");
        let fix = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program, or another agent, has this port: stop it (`ss -ltnp 'sport = :{}'` names it) or \
                 {elsewhere}",
                address.port()
            ),
            io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 need CAP_NET_BIND_SERVICE: grant it or {elsewhere}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("this machine has no address {} (`ip address` lists them): {elsewhere}", address.ip())
            }
            _ => elsewhere,
        };
        format!("cannot serve {purpose} on {address} ({error}); {fix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let listener = Listener { purpose: "gRPC", flag: "--grpc-listen", key: "grpc.listen" };
        let message = |kind: io::ErrorKind| listener.refused(([127, 0, 0, 1], 80).into(), &kind.into());
        assert!(message(io::ErrorKind::AddrInUse).contains("ss -ltnp 'sport = :80'"));
        assert!(message(io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(message(io::ErrorKind::AddrNotAvailable).contains("no address 127.0.0.1"));
        assert!(message(io::ErrorKind::Other).contains("--grpc-listen or grpc.listen"));
    }
}
