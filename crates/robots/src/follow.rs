//! The events that the robots follow, as an agent's screen does: they name the calls, and say what came of requests.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mio::Waker;
use serde_json::Value;

use crate::requests::line;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Something comes at least every 5 s; after three times that, the connection is lost.
const SILENCE_MAX: Duration = Duration::from_secs(15);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
/// Events that the robots have not looked at yet: they look many times a second.
const WAITING_MAX: usize = 65_536;
const LINE_MAX: u64 = 16_384;
/// The most bytes of a chunk, and of an event.
const EVENT_MAX: usize = 16 << 20;
/// The events that matter.
const NAMES: [&str; 6] =
    ["EventEstablished", "EventDialing", "EventRetrieved", "EventReleased", "EventPartyAdded", "EventError"];

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowedEvent {
    pub name: String,
    /// The call.
    pub conn_id: String,
    pub call_type: String,
    /// The caller's number.
    pub ani: String,
    /// The number of our request that it answers; 0 if none.
    pub reference: u64,
    /// Of an error: its number and words.
    pub error: Option<(u64, String)>,
}

/// Follows the tenant's events by the web edge.
pub struct Follow {
    events: Receiver<FollowedEvent>,
    ended: Arc<AtomicBool>,
}

impl Follow {
    /// Begins to follow, from now on.
    ///
    /// # Errors
    /// If the web edge does not let it.
    pub fn start(edge: (SocketAddr, String), tenant: &str, token: &str, waker: Arc<Waker>) -> Result<Self> {
        let (tell, events) = sync_channel(WAITING_MAX);
        let ended = Arc::new(AtomicBool::new(false));
        let names = NAMES.map(|name| format!("event={name}")).join("&");
        let head = format!(
            "GET /api/voice/v1/{tenant}/events?{names} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\n",
            edge.1
        );
        let reader = StreamReader { edge: edge.0, head, position: String::new(), ended: ended.clone(), tell, waker };
        let first = reader.connect().context("the events of the tenant")?;
        std::thread::Builder::new().name("events".to_owned()).spawn(move || reader.run(first))?;
        Ok(Self { events, ended })
    }

    pub fn next_event(&self) -> Option<FollowedEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        // The thread sees it with what comes next.
        self.ended.store(true, Ordering::Relaxed);
    }
}

type Connection = BufReader<TcpStream>;

struct StreamReader {
    edge: SocketAddr,
    head: String,
    /// Of the last event: a lost connection continues there.
    position: String,
    ended: Arc<AtomicBool>,
    tell: SyncSender<FollowedEvent>,
    waker: Arc<Waker>,
}

impl StreamReader {
    fn run(mut self, first: Connection) {
        let mut connection = Some(first);
        while !self.ended.load(Ordering::Relaxed) {
            if let Some(mut open) = connection.take() {
                // It continues after the last position, whatever ended it.
                let _ = self.read(&mut open);
            }
            std::thread::sleep(BETWEEN_ATTEMPTS);
            connection = self.connect().ok();
        }
    }

    fn connect(&self) -> Result<Connection> {
        let mut stream = TcpStream::connect_timeout(&self.edge, CONNECT_WITHIN)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let last =
            if self.position.is_empty() { String::new() } else { format!("Last-Event-ID: {}\r\n", self.position) };
        stream.write_all(format!("{}{last}\r\n", self.head).as_bytes())?;
        let mut connection = BufReader::new(stream);
        let status = line(&mut connection, LINE_MAX)?;
        ensure!(status.split(' ').nth(1) == Some("200"), "answered {status}");
        while !line(&mut connection, LINE_MAX)?.is_empty() {}
        Ok(connection)
    }

    /// Reads chunks until the connection ends or the robots do.
    fn read(&mut self, connection: &mut Connection) -> Result<()> {
        let (mut text, mut chunk) = (String::new(), Vec::new());
        loop {
            let length = usize::from_str_radix(&line(connection, LINE_MAX)?, 16).context("the length of a chunk")?;
            ensure!(length > 0, "the stream is over");
            ensure!(length + text.len() < EVENT_MAX, "an event of more than {EVENT_MAX} bytes");
            chunk.resize(length + 2, 0);
            connection.read_exact(&mut chunk)?;
            text.push_str(&String::from_utf8_lossy(chunk.get(..length).unwrap_or_default()));
            while let Some((frame, rest)) = text.split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned())) {
                text = rest;
                self.frame(&frame)?;
            }
        }
    }

    fn frame(&mut self, frame: &str) -> Result<()> {
        if self.ended.load(Ordering::Relaxed) {
            bail!("the robots have ended");
        }
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let Some(position) = field("id") {
            position.clone_into(&mut self.position);
        }
        if field("event") == Some("event")
            && let Some(told) = field("data").and_then(told)
        {
            self.tell.send(told)?;
            let _ = self.waker.wake();
        }
        Ok(())
    }
}

fn told(data: &str) -> Option<FollowedEvent> {
    let frame: Value = serde_json::from_str(data).ok()?;
    let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
    let error = frame["ErrorCode"].as_u64().map(|code| (code, text("ErrorMessage")));
    Some(FollowedEvent {
        name: frame["id"].as_str()?.to_owned(),
        conn_id: text("ConnID"),
        call_type: text("CallType"),
        ani: text("ANI"),
        reference: frame["ReferenceID"].as_u64().unwrap_or_default(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_and_an_error_with_its_words() {
        let data = r#"{"id":"EventDialing","ConnID":"01","CallType":"Consult","ANI":"7001","ReferenceID":7}"#;
        let dialing = told(data).unwrap();
        assert_eq!((dialing.name.as_str(), dialing.conn_id.as_str(), dialing.reference), ("EventDialing", "01", 7));
        let refused = told(r#"{"id":"EventError","ReferenceID":8,"ErrorCode":93,"ErrorMessage":"not connected"}"#);
        assert_eq!(refused.unwrap().error, Some((93, "not connected".to_owned())));
        assert_eq!((told("{}"), told("junk")), (None, None));
    }
}
