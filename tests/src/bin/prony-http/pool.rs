//! One thread that reads, others that answer.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use anyhow::{Context as _, Result};

use crate::event_loop;
use crate::message::answer;

const WORKERS: usize = 4;

pub(crate) fn serve(listener: &TcpListener) -> Result<()> {
    let (sender, jobs) = mpsc::channel::<(TcpStream, String)>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..WORKERS {
        let jobs = Arc::clone(&jobs);
        std::thread::spawn(move || -> Result<()> {
            loop {
                let job = jobs.lock().map_err(|_| anyhow::anyhow!("another worker has failed"))?.recv();
                let (mut connection, request) = job.context("the server has ended")?;
                answer(&mut connection, &request)?;
            }
        });
    }
    event_loop::serve(listener, |connection, request| {
        sender.send((connection.try_clone()?, request.to_owned()))?;
        Ok(true)
    })
}
