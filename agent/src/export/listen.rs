//! Why a listener cannot be opened or takes no connections, and what to do.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::notice::Notice;

/// How long a connection waits in the kernel's queue that could not be taken.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);

static NOT_TAKEN: Notice = Notice::new("connections_not_taken");

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

    /// A connection could not be taken: says so, and returns when it is time to try again.
    pub(super) async fn not_taken(self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            // The client has gone away.
            return;
        }
        NOT_TAKEN.warn(format_args!(
            "connections to {} cannot be taken ({error}); they wait in the kernel's queue: too many are open, or the limit on \
             open files is too low (`LimitNOFILE=` of the service, `ulimit -n`)",
            self.purpose
        ));
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

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

    #[tokio::test]
    async fn only_what_lasts_is_waited_for() {
        let listener = Listener { purpose: "gRPC", flag: "--grpc-listen", key: "grpc.listen" };
        let returns_at_once =
            async |error: io::Error| timeout(Duration::ZERO, listener.not_taken(&error)).await.is_ok();
        assert!(returns_at_once(io::ErrorKind::ConnectionAborted.into()).await, "the next client need not wait");
        assert!(!returns_at_once(rustix::io::Errno::MFILE.into()).await);
    }
}
