//! Docker's engine as far as the agent talks to it: a list of containers and the events of those that come later.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How often the connections look for new containers.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running engine. Its threads end with the test's process.
#[derive(Debug)]
pub struct DockerEngine {
    directory: TempDir,
    containers: Arc<Mutex<Vec<Value>>>,
}

impl DockerEngine {
    /// One without containers.
    ///
    /// # Errors
    /// When its socket cannot be made.
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let listener = UnixListener::bind(directory.path().join("docker.sock"))?;
        let containers = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&containers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let containers = Arc::clone(&shared);
                // A client that goes away ends its connection only.
                thread::spawn(move || drop(answer(stream, &containers)));
            }
        });
        Ok(Self { directory, containers })
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// The agent's configuration for it.
    pub fn config(&self) -> String {
        format!("[identity]\nmetadata = 'docker'\ndocker_socket = '{}'\n", self.socket().display())
    }

    /// A container is there from now on, with a label that makes it one of this `OpenFaaS` function.
    pub fn add(&self, id: &str, function: &str) {
        self.add_labelled(id, &json!({"faas_function": function}));
    }

    /// A container with these labels is there from now on.
    pub fn add_labelled(&self, id: &str, labels: &Value) {
        let container = json!({"Id": id, "Names": [format!("/{id}")], "Labels": labels});
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).push(container);
    }
}

fn answer(stream: UnixStream, containers: &Mutex<Vec<Value>>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        request.push_str(&std::mem::take(&mut line));
    }
    let there = |from: usize| containers.lock().unwrap_or_else(PoisonError::into_inner)[from..].to_vec();
    let mut stream = stream;
    if !request.starts_with("GET /events") {
        let list = Value::from(there(0)).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{list}", list.len())?;
        return Ok(());
    }
    write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut told = there(0).len();
    loop {
        for container in there(told) {
            told += 1;
            let mut attributes = container["Labels"].clone();
            attributes["name"] = container["Names"][0].clone();
            let actor = json!({"ID": container["Id"], "Attributes": attributes});
            let event = format!("{}\n", json!({"Type": "container", "Action": "start", "Actor": actor}));
            write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
        }
        thread::sleep(LOOK_EVERY);
    }
}
