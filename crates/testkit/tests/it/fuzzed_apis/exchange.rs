//! One exchange, byte by byte: a client library would not send what is wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::wait;

use super::cases::Case;
use super::operations::EVENTS;

const PATIENCE: Duration = Duration::from_secs(45);
/// For how long a role or a place may be missing.
const MOMENT: Duration = Duration::from_secs(15);
/// What is said then; for longer it is a fault of ours, as all else from 500 on.
const OF_MOMENTS: [u16; 2] = [503, 504];

/// What came.
pub struct ShownAnswer {
    pub status: u16,
    /// Without parameters; empty if there is none.
    pub media_type: String,
    /// Empty for a stream, which has no end.
    pub body: String,
}

/// Sends a case with this token, or with none if it is empty, and again while something is missing for a moment.
pub fn ask(web: SocketAddr, method: &str, case: &Case, token: &str) -> Result<ShownAnswer> {
    let mut last = ask_once(web, method, case, token)?;
    // What comes in the end is judged.
    let _ = wait::until(MOMENT, || {
        if OF_MOMENTS.contains(&last.status) {
            last = ask_once(web, method, case, token)?;
        }
        Ok((!OF_MOMENTS.contains(&last.status)).then_some(()))
    });
    Ok(last)
}

fn ask_once(web: SocketAddr, method: &str, case: &Case, token: &str) -> Result<ShownAnswer> {
    let mut stream = TcpStream::connect(web)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = case.body.as_deref().unwrap_or_default();
    let length = case.declared_length.unwrap_or(body.len());
    let media_type = case.media_type.as_ref().map(|named| format!("Content-Type: {named}\r\n")).unwrap_or_default();
    let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let header = case.header.as_ref().map(|header| format!("{header}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {} HTTP/1.1\r\nHost: {web}\r\n{bearer}Connection: close\r\n{media_type}{header}\
         Content-Length: {length}\r\n\r\n",
        case.path
    );
    // A refusal may come before everything is sent.
    let sent = stream.write_all(&[head.as_bytes(), body].concat());
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    if first.is_empty() {
        sent?;
    }
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no answer: {first:?}"))?;
    let mut media_type = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-type") {
            value.split(';').next().unwrap_or_default().trim().clone_into(&mut media_type);
        }
    }
    let mut body = Vec::new();
    if media_type != EVENTS {
        reader.read_to_end(&mut body)?;
    }
    Ok(ShownAnswer { status, media_type, body: String::from_utf8_lossy(&body).into_owned() })
}
