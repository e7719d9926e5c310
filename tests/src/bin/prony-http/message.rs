//! Requests and their answers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// What has come of a connection's requests.
#[derive(Debug, Default)]
pub(crate) struct Reading(Vec<u8>);

impl Reading {
    /// Reads once; false at the connection's end.
    pub(crate) fn more(&mut self, connection: &mut TcpStream) -> Result<bool> {
        let mut bytes = [0; 4096];
        let length = connection.read(&mut bytes)?;
        self.0.extend(&bytes[..length]);
        Ok(length > 0)
    }

    /// The next whole request's head; requests have no body here.
    pub(crate) fn request(&mut self) -> Option<String> {
        let end = self.0.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.0.drain(..end).collect();
        Some(String::from_utf8_lossy(&head).into_owned())
    }
}

/// Does what a request asks for and answers it with when it began and ended, and the CPU time that its thread has used for
/// it, nanoseconds; false where the connection is to be closed.
pub(crate) fn answer(connection: &mut TcpStream, request: &str) -> Result<bool> {
    let (began, thread_began) = (unix_nanoseconds()?, thread_cpu_time());
    let path = request.split(' ').nth(1).unwrap_or("/");
    let kind = path.split('/').nth(1).unwrap_or("");
    burn(Duration::from_millis(match kind {
        "short" => 2,
        "long" => 10,
        _ => 0,
    }));
    let used = thread_cpu_time().saturating_sub(thread_began).as_nanos();
    let span = || -> Result<_> { Ok(format!("{began} {} {used}", unix_nanoseconds()?).into_bytes()) };
    let body = if kind == "big" { vec![b'x'; 1 << 20] } else { span()? };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write_all(&[head.as_bytes(), &body].concat())?;
    Ok(!request.contains("Connection: close"))
}

fn unix_nanoseconds() -> Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())
}

/// Uses so much CPU time of this thread, however often it is interrupted.
fn burn(length: Duration) {
    let until = thread_cpu_time() + length;
    while thread_cpu_time() < until {
        std::hint::spin_loop();
    }
}

fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
