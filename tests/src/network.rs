//! Addresses for servers of a test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// A loopback address on which nobody listens at the moment.
///
/// # Errors
/// When there is no loopback interface or no free port.
pub fn free_tcp_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A loopback address to which nobody has bound a UDP socket at the moment.
///
/// # Errors
/// When there is no loopback interface or no free port.
pub fn free_udp_address() -> io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
