//! As much HTTP as a test needs.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// How long a server on this machine may take for one answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, for example 200.
    pub status: u16,
    /// Names, in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The content as it was sent, compressed if asked for so.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).context("the answer is no UTF-8")
    }

    fn parse(answer: &[u8]) -> Result<Self> {
        let end =
            answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("the answer has no end of headers")?;
        let head = std::str::from_utf8(&answer[..end]).context("the answer's headers are no text")?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("the answer has no status")?;
        Ok(Self {
            status: status.parse().with_context(|| format!("{status} is no status"))?,
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: answer[end + 4..].to_vec(),
        })
    }
}

/// Asks for a path, with more headers if need be. The request is of HTTP 1.0: the content comes in one piece and ends
/// with the connection.
///
/// # Errors
/// When nobody answers there within 10 s, or not in HTTP.
pub fn get(server: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let connection = TcpStream::connect_timeout(&server, LIMIT).with_context(|| format!("nobody at {server}"))?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.set_write_timeout(Some(LIMIT))?;
    ask(connection, server, path, headers)
}

/// Asks over a connection.
pub(crate) fn ask(
    mut connection: impl io::Read + io::Write,
    server: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response> {
    let mut request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    connection.write_all(request.as_bytes()).with_context(|| format!("{server} takes no request"))?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).with_context(|| format!("no full answer from {server}{path}"))?;
    Response::parse(&answer)
}

/// A connection that stays between requests.
#[derive(Debug)]
pub struct KeptAlive(BufReader<TcpStream>);

impl KeptAlive {
    /// Connects to a server on this machine.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(server: SocketAddr) -> Result<Self> {
        let connection = TcpStream::connect_timeout(&server, LIMIT).with_context(|| format!("nobody at {server}"))?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_nodelay(true)?;
        Ok(Self(BufReader::new(connection)))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.get_mut().write_all(bytes).context("the server takes nothing")
    }

    /// Asks for a path and takes the whole answer.
    ///
    /// # Errors
    /// As for [`Self::take_answer`].
    pub fn ask(&mut self, path: &str) -> Result<Vec<u8>> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.take_answer()
    }

    /// Takes an answer that says how long it is; its content.
    ///
    /// # Errors
    /// When none comes within 10 s, or it is none of status 200.
    pub fn take_answer(&mut self) -> Result<Vec<u8>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(self.0.read_line(&mut head).context("no answer")? > 0, "the connection is closed");
        }
        ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).context("no length")?;
        let mut body = vec![0; length.parse()?];
        self.0.read_exact(&mut body).context("the answer is cut")?;
        Ok(body)
    }

    /// Takes all that comes until the server closes the connection.
    ///
    /// # Errors
    /// When it does not within 10 s.
    pub fn take_rest(mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).context("the connection stays open")?;
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn asks_and_reads_the_answer() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let asked = thread::spawn(move || {
            let (mut connection, _) = server.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nup 1\r\n\r\n").unwrap();
            String::from_utf8(request).unwrap()
        });
        let answer = get(address, "/metrics", &[("Accept-Encoding", "gzip")]).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")));
        assert_eq!(answer.text().unwrap(), "up 1\r\n\r\n");
        let request = asked.join().unwrap();
        assert!(request.starts_with("GET /metrics HTTP/1.0\r\n"), "{request}");
        assert!(request.contains("\r\nAccept-Encoding: gzip\r\n"), "{request}");
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        assert!(Response::parse(b"hello\r\n\r\n").is_err());
        assert!(Response::parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
