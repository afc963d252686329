//! Requests to the public API, one after the other on one connection with its own thread.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mio::Waker;

/// Timeout of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const BODY_MAX: usize = 1 << 20;
const LINE_MAX: u64 = 16_384;
const HEADERS_MAX: usize = 100;
/// Far more than the concurrent requests of all agents of a run, so that neither side ever blocks.
const WAITING_MAX: usize = 65_536;

/// A request of an agent.
struct Request {
    agent: usize,
    reference: Option<u64>,
    frame: String,
}

/// The answer to a request.
pub struct Answered {
    /// Index of the agent.
    pub agent: usize,
    /// Its number, if it is about a call.
    pub reference: Option<u64>,
    /// The reason if it was refused.
    pub outcome: Result<(), String>,
}

/// The client of the public API.
pub struct Requests {
    send: Option<SyncSender<Request>>,
    answers: Receiver<Answered>,
    thread: Option<JoinHandle<()>>,
    under_way: VecDeque<usize>,
}

impl Requests {
    /// Starts a thread that sends to `POST /api/voice/v1/{tenant}/requests`.
    pub fn start(edge: (SocketAddr, String), tenant: &str, token: &str, waker: Arc<Waker>) -> Result<Self> {
        let (send, receive) = sync_channel::<Request>(WAITING_MAX);
        let (tell, answers) = sync_channel(WAITING_MAX);
        let mut door = ApiConnection {
            edge: edge.0,
            head: format!(
                "POST /api/voice/v1/{tenant}/requests HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\n",
                edge.1
            ),
            connection: None,
        };
        let work = move || {
            while let Ok(request) = receive.recv() {
                let outcome = door.ask(&request.frame).map_err(|error| format!("{error:#}"));
                if tell.send(Answered { agent: request.agent, reference: request.reference, outcome }).is_err() {
                    return;
                }
                let _ = waker.wake();
            }
        };
        let thread = std::thread::Builder::new().name("requests".to_owned()).spawn(work)?;
        Ok(Self { send: Some(send), answers, thread: Some(thread), under_way: VecDeque::new() })
    }

    /// Sends a request. The answer comes by [`Self::next_answer`], in order.
    pub fn ask(&mut self, agent: usize, frame: &serde_json::Value) {
        self.under_way.push_back(agent);
        if let Some(send) = &self.send {
            let reference = frame["ReferenceID"].as_u64();
            // The thread ends only together with this client.
            let _ = send.send(Request { agent, reference, frame: frame.to_string() });
        }
    }

    pub fn next_answer(&mut self) -> Option<Answered> {
        let answer = self.answers.try_recv().ok()?;
        self.under_way.pop_front();
        Some(answer)
    }

    /// Number of requests without an answer.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.send = None;
        if self.under_way.is_empty()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

struct ApiConnection {
    edge: SocketAddr,
    head: String,
    connection: Option<BufReader<TcpStream>>,
}

impl ApiConnection {
    /// One exchange; a kept connection that the peer has closed is reopened.
    fn ask(&mut self, frame: &str) -> Result<()> {
        let kept = self.connection.is_some();
        let first = self.exchange(frame);
        let (status, body) = match first {
            Err(_) if kept => {
                self.connection = None;
                self.exchange(frame)?
            }
            other => other?,
        };
        ensure!(status == 202, "answered {status}: {body}");
        Ok(())
    }

    fn exchange(&mut self, frame: &str) -> Result<(u16, String)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect_timeout(&self.edge, ANSWER_WITHIN)
                    .with_context(|| format!("connecting to {}", self.edge))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                stream.set_write_timeout(Some(ANSWER_WITHIN))?;
                BufReader::new(stream)
            }
        };
        let request = format!("{}Content-Length: {}\r\n\r\n{frame}", self.head, frame.len());
        connection.get_mut().write_all(request.as_bytes())?;
        let (status, body, keep) = read_answer(&mut connection)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok((status, body))
    }
}

fn read_answer(from: &mut impl BufRead) -> Result<(u16, String, bool)> {
    let status =
        line(from, LINE_MAX)?.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
    let (mut length, mut keep) = (0, true);
    for _ in 0..HEADERS_MAX {
        let header = line(from, LINE_MAX)?;
        if header.is_empty() {
            ensure!(length <= BODY_MAX, "an answer of {length} bytes");
            let mut body = vec![0; length];
            from.read_exact(&mut body)?;
            return Ok((status, String::from_utf8_lossy(&body).into_owned(), keep));
        }
        let (name, value) = header.split_once(':').context("a malformed header")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "connection" => keep = !value.trim().eq_ignore_ascii_case("close"),
            "transfer-encoding" => bail!("an answer in chunks"),
            _ => {}
        }
    }
    bail!("too many headers")
}

/// A line of an HTTP answer, of at most `most` bytes.
pub(crate) fn line(from: &mut impl BufRead, most: u64) -> Result<String> {
    let mut text = String::new();
    from.take(most).read_line(&mut text)?;
    ensure!(text.ends_with('\n'), "the connection was closed");
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_body() {
        let mut text = &b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}HTTP"[..];
        assert_eq!(read_answer(&mut text).unwrap(), (202, "{}".to_owned(), true));
        assert_eq!(text, b"HTTP");
        let mut closing = &b"HTTP/1.1 503 X\r\nConnection: close\r\n\r\n"[..];
        assert_eq!(read_answer(&mut closing).unwrap(), (503, String::new(), false));
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        for text in ["", "HTTP/1.1 202 Accepted\r\n", "HTTP/1.1 202 A\r\nContent-Length: 5\r\n\r\nab", "junk\r\n\r\n"] {
            assert!(read_answer(&mut text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
