//! A wallboard as a program: it reads the stream through the web edge and applies the messages, like a page.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Installation, wait};

/// The stream sends a message at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// A connected wallboard; it disconnects when dropped.
pub struct Wallboard {
    shown: Arc<Mutex<Shown>>,
    connection: TcpStream,
}

/// The displayed state.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The id of the last message that had one.
    pub last_id: String,
    /// The names of the messages in order of arrival, without `reached`.
    pub messages: Vec<String>,
    /// The fields of every message: position, totals, states and others.
    pub head: Value,
    /// Queues by id.
    pub queues: BTreeMap<String, Value>,
    /// Agents by id.
    pub agents: BTreeMap<String, Value>,
    /// Why the stream ended.
    pub ended: Option<String>,
}

impl Wallboard {
    /// Connects with the wallboard's token, after the message with this id if given.
    pub fn listen(site: &Installation, last_id: Option<&str>) -> Result<Self> {
        let token = site.demo.tokens.get("wallboard").context("no wallboard token")?;
        let place = site.demo.web.trim_start_matches("http://");
        let mut connection = TcpStream::connect(place)?;
        connection.set_read_timeout(Some(SILENCE_MAX))?;
        let last = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /pulse/api/v1/example/wallboard/stream HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\n{last}\r\n"
        );
        connection.write_all(request.as_bytes())?;
        let mut lines = BufReader::new(connection.try_clone()?);
        let head = head(&mut lines)?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        ensure!(head.to_ascii_lowercase().contains("content-type: text/event-stream"), "{head}");
        let shown: Arc<Mutex<Shown>> = Arc::default();
        let told = Arc::clone(&shown);
        std::thread::spawn(move || {
            let ended =
                read(&mut lines, &told).err().map_or_else(|| "it ended".to_owned(), |error| format!("{error:#}"));
            told.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
        });
        Ok(Self { shown, connection })
    }

    /// The current display.
    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the display satisfies `wanted`.
    pub fn becomes<T>(&self, what: &str, limit: Duration, mut wanted: impl FnMut(&Shown) -> Option<T>) -> Result<T> {
        let come = wait::until(limit, || {
            let shown = self.shown();
            let found = wanted(&shown);
            match (&found, &shown.ended) {
                (None, Some(ended)) => bail!("the stream is over: {ended}"),
                _ => Ok(found),
            }
        });
        come.with_context(|| {
            let shown = self.shown();
            format!("never {what}; shown: {} {:?}", shown.head, shown.queues.values().collect::<Vec<_>>())
        })
    }
}

impl Drop for Wallboard {
    fn drop(&mut self) {
        // The reader ends with the connection; an error means that it is closed already.
        let _ = self.connection.shutdown(std::net::Shutdown::Both);
    }
}

fn head(lines: &mut impl BufRead) -> Result<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        ensure!(lines.read_line(&mut head)? > 0, "no answer: {head}");
        if head[before..].trim().is_empty() {
            return Ok(head);
        }
    }
}

/// Reads chunks and the messages in them.
fn read(lines: &mut impl BufRead, told: &Mutex<Shown>) -> Result<()> {
    let mut text = String::new();
    loop {
        let mut length = String::new();
        lines.read_line(&mut length)?;
        let length = usize::from_str_radix(length.trim(), 16).with_context(|| format!("chunk of {length:?}"))?;
        let mut chunk = vec![0; length + 2];
        lines.read_exact(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        text.push_str(std::str::from_utf8(&chunk[..length])?);
        while let Some((message, rest)) = text.split_once("\n\n") {
            told.lock().unwrap_or_else(PoisonError::into_inner).take(message)?;
            text = rest.to_owned();
        }
    }
}

impl Shown {
    fn take(&mut self, message: &str) -> Result<()> {
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let event = field("event").context("a message without a name")?;
        let data: Value = serde_json::from_str(field("data").context("a message without data")?)?;
        if let Some(id) = field("id") {
            id.clone_into(&mut self.last_id);
        }
        match event {
            "reached" => return Ok(()),
            "snapshot" => {
                self.queues.clear();
                self.agents.clear();
            }
            "change" => {}
            other => bail!("a message {other}"),
        }
        self.messages.push(event.to_owned());
        fold(&mut self.queues, &data["queues"]);
        fold(&mut self.agents, &data["agents"]);
        self.head = data;
        for rows in ["queues", "agents"] {
            if let Some(head) = self.head.as_object_mut() {
                head.remove(rows);
            }
        }
        Ok(())
    }
}

fn fold(rows: &mut BTreeMap<String, Value>, changed: &Value) {
    for row in changed.as_array().into_iter().flatten() {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        if row["removed"] == true {
            rows.remove(&id);
        } else {
            rows.insert(id, row.clone());
        }
    }
}
