//! One thread that waits for all connections at once.

use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, poll};

use crate::message::Reading;

/// Serves for ever; `handle` is given each request with its connection and says whether the connection stays.
pub(crate) fn serve(
    listener: &TcpListener,
    mut handle: impl FnMut(&mut TcpStream, &str) -> Result<bool>,
) -> Result<()> {
    let mut connections: Vec<(TcpStream, Reading)> = Vec::new();
    loop {
        let ready: Vec<bool> = {
            let all = connections.iter().map(|(connection, _)| PollFd::new(connection, PollFlags::IN));
            let mut all: Vec<PollFd<'_>> = std::iter::once(PollFd::new(listener, PollFlags::IN)).chain(all).collect();
            poll(&mut all, None)?;
            all.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        let mut which = ready[1..].iter();
        connections.retain_mut(|(connection, reading)| {
            // One that breaks is closed; its client has seen it.
            which.next() != Some(&true) || one(connection, reading, &mut handle).unwrap_or(false)
        });
        if ready[0] {
            let (connection, _) = listener.accept()?;
            connection.set_nodelay(true)?;
            connections.push((connection, Reading::default()));
        }
    }
}

fn one(
    connection: &mut TcpStream,
    reading: &mut Reading,
    handle: &mut impl FnMut(&mut TcpStream, &str) -> Result<bool>,
) -> Result<bool> {
    if !reading.more(connection)? {
        return Ok(false);
    }
    while let Some(request) = reading.request() {
        if !handle(connection, &request)? {
            return Ok(false);
        }
    }
    Ok(true)
}
