//! Answers that their client does not take, at the web edge: HTTP/2 with windows of no bytes (RFC 9113 section 6.9.2).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::Installation;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const STREAM: &str = "/pulse/api/v1/example/wallboard/stream";
/// More wallboards than one caller may have, and how many that are.
const ASKED: u32 = 40;
const HAD: f64 = 32.0;

/// Types of frames (RFC 9113 section 6).
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// Flags of frames.
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;
/// `SETTINGS_INITIAL_WINDOW_SIZE`: 0.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// A client that asks, answers pings, and takes nothing of what is answered.
struct DeafClient {
    writes: Arc<Mutex<TcpStream>>,
    reads: JoinHandle<Result<()>>,
    asked: u32,
}

impl DeafClient {
    fn connect(place: &str) -> Result<Self> {
        let mut connection = TcpStream::connect(place)?;
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        connection.write_all(&frame(SETTINGS, 0, 0, &NO_WINDOW))?;
        let from = connection.try_clone()?;
        let writes = Arc::new(Mutex::new(connection));
        let acknowledges = writes.clone();
        let reads = std::thread::spawn(move || acknowledge(from, &acknowledges));
        Ok(Self { writes, reads, asked: 0 })
    }

    /// Asks for a path, with fields of static names of HPACK (RFC 7541 appendix A), none of which is kept or compressed.
    fn ask(&mut self, place: &str, path: &str, token: &str) -> Result<()> {
        // :method GET, :scheme http.
        let mut fields: Vec<u8> = vec![0x82, 0x86];
        let bearer = format!("Bearer {token}");
        // :path, :authority, authorization.
        let named: [(&[u8], &str); 3] = [(&[0x04], path), (&[0x01], place), (&[0x0f, 0x08], &bearer)];
        for (name, value) in named {
            fields.extend(name);
            put_text(&mut fields, value)?;
        }
        let stream = 2 * self.asked + 1;
        self.asked += 1;
        send(&self.writes, &frame(HEADERS, END_STREAM_AND_HEADERS, stream, &fields))
    }
}

fn send(connection: &Mutex<TcpStream>, frame: &[u8]) -> Result<()> {
    Ok(connection.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame)?)
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A text with its length (RFC 7541 sections 5.1 and 5.2).
fn put_text(fields: &mut Vec<u8>, text: &str) -> Result<()> {
    match text.len().checked_sub(127) {
        None => fields.push(u8::try_from(text.len())?),
        Some(mut left) => {
            fields.push(127);
            while left >= 128 {
                fields.push(u8::try_from(left % 128)? | 128);
                left /= 128;
            }
            fields.push(u8::try_from(left)?);
        }
    }
    fields.extend(text.as_bytes());
    Ok(())
}

/// Reads frames until the connection ends, and acknowledges what has to be.
fn acknowledge(mut from: TcpStream, writes: &Mutex<TcpStream>) -> Result<()> {
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let [high, middle, low, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        from.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => send(writes, &frame(SETTINGS, ACK, 0, &[]))?,
            PING if flags & ACK == 0 => send(writes, &frame(PING, ACK, 0, &payload))?,
            _ => {}
        }
    }
}

#[test]
fn a_viewer_that_takes_nothing_has_its_share_of_the_wallboards_and_not_for_long() -> Result<()> {
    let site = Installation::start()?;
    let token = site.demo.tokens.get("wallboard").context("no wallboard token")?;
    let place = site.demo.web.trim_start_matches("http://");
    let mut viewer = DeafClient::connect(place)?;
    for _ in 0..ASKED {
        viewer.ask(place, STREAM, token)?;
    }
    site.metric_becomes("pulse", "pulse_subscribers", HAD, SOON)?;
    site.metric_becomes("pulse", "pulse_subscribers_refused_total", f64::from(ASKED) - HAD, SOON)?;
    // Nobody takes anything, and nobody leaves.
    site.metric_becomes("ingress", "ingress_streams", 0.0, LATER)?;
    site.metric_becomes("pulse", "pulse_subscribers", 0.0, SOON)?;
    ensure!(!viewer.reads.is_finished(), "the viewer has lost its connection");
    Ok(())
}
