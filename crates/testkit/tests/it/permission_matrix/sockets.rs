//! WebSockets (RFC 6455) that are open at the gate and ask for a token themselves: it comes in the request or, as browsers send it, in the
//! first message. How they refuse is told as of other paths.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::rest::{EdgeAnswer, PATIENCE};

/// Where a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// In the request that opens the socket.
    Request,
    /// In the first message.
    FirstMessage,
}

/// Opcodes of frames.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
/// Why a socket is closed that has refused (RFC 6455 section 7.4.1).
const POLICY: [u8; 2] = 1_008_u16.to_be_bytes();
/// The longest message that says its length in one byte.
const SHORT_MAX: usize = 125;

/// Opens a socket with a token: 101 if it says something, or the status and the problem with which it refuses.
pub fn ask(at: SocketAddr, path: &str, token: &str, place: TokenPlace) -> Result<EdgeAnswer> {
    let authorization = match place {
        TokenPlace::Request => format!("Authorization: Bearer {token}\r\n"),
        TokenPlace::FirstMessage => String::new(),
    };
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let opening = format!(
        "GET {path} HTTP/1.1\r\nHost: {at}\r\n{authorization}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(opening.as_bytes())?;
    let mut from = BufReader::new(stream.try_clone()?);
    let (status, length) = head(&mut from)?;
    if status != 101 {
        let mut body = String::new();
        from.take(length).read_to_string(&mut body)?;
        ensure!(!body.is_empty(), "{path}: {status} without a problem");
        return Ok((status, body));
    }
    if place == TokenPlace::FirstMessage {
        stream.write_all(&message(&json!({ "token": token }).to_string())?)?;
    }
    told(&mut from).with_context(|| path.to_owned())
}

/// The status of an answer, and the bytes of its body.
fn head(from: &mut impl BufRead) -> Result<(u16, u64)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        ensure!(from.read_line(&mut line)? > 0, "no answer: {lines:?}");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    Ok((status.with_context(|| format!("no status: {lines:?}"))?, length.unwrap_or_default()))
}

/// What the socket says first.
fn told(from: &mut impl Read) -> Result<EdgeAnswer> {
    let first: Value = loop {
        match frame(from)? {
            (TEXT, text) => break serde_json::from_slice(&text)?,
            (CLOSE, reason) => bail!("it is closed without a word: {reason:?}"),
            // Signs of life.
            _ => {}
        }
    };
    if first["type"] != "refused" {
        return Ok((101, String::new()));
    }
    let problem = &first["data"];
    let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let (opcode, reason) = frame(from)?;
    ensure!(opcode == CLOSE && reason.starts_with(&POLICY), "it goes on after {problem}: {opcode} {reason:?}");
    Ok((status.with_context(|| format!("no status: {problem}"))?, problem.to_string()))
}

/// A frame of the server: its opcode and what is in it (RFC 6455 section 5.2).
fn frame(from: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    from.read_exact(&mut head).context("the socket has ended")?;
    let length = match head[1] {
        126 => {
            let mut bytes = [0; 2];
            from.read_exact(&mut bytes)?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes)
        }
        short => u64::from(short),
    };
    let mut content = Vec::new();
    from.take(length).read_to_end(&mut content)?;
    Ok((head[0] & 0x0f, content))
}

/// A text as one message of a client, whose mask changes nothing.
fn message(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0x80 | TEXT];
    if text.len() <= SHORT_MAX {
        bytes.push(0x80 | u8::try_from(text.len())?);
    } else {
        bytes.push(0x80 | 126);
        bytes.extend(u16::try_from(text.len())?.to_be_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

#[test]
fn messages_and_frames_are_as_the_rfc_says() -> Result<()> {
    // RFC 6455 section 5.7, but for the mask.
    assert_eq!(message("Hello")?, [&[0x81, 0x85, 0, 0, 0, 0][..], b"Hello"].concat());
    assert_eq!(message(&"x".repeat(300))?[..4], [0x81, 0xfe, 1, 44]);
    assert_eq!(frame(&mut &b"\x81\x05Hello"[..])?, (TEXT, b"Hello".to_vec()));
    let (opcode, content) = frame(&mut [&[0x82, 126, 1, 0][..], &[7; 256]].concat().as_slice())?;
    assert_eq!((opcode, content.len()), (2, 256));
    let refused = b"\x81\x28{\"type\":\"refused\",\"data\":{\"status\":401}}\x88\x02\x03\xf0";
    assert_eq!(told(&mut &refused[..])?, (401, r#"{"status":401}"#.to_owned()));
    assert_eq!(told(&mut &b"\x89\x00\x81\x13{\"type\":\"snapshot\"}"[..])?.0, 101);
    Ok(())
}
