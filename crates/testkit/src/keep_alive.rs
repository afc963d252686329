//! An HTTP connection that stays open between requests, from a chosen address: a browser, or Prometheus.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::observe::Answer;

const ANSWER_LIMIT: Duration = Duration::from_secs(45);

/// The connection.
pub struct KeepAlive {
    stream: BufReader<TcpStream>,
    to: SocketAddr,
    token: String,
}

impl KeepAlive {
    /// Connects from this address; every request carries the token.
    pub fn connect(from: Ipv4Addr, to: SocketAddr, token: &str) -> Result<Self> {
        let stream = connect_from(from, to)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { stream: BufReader::new(stream), to, token: token.to_owned() })
    }

    /// Sends a GET.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        let (to, token) = (self.to, &self.token);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no HTTP answer")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                Some(_) => {}
                None => break,
            }
        }
        let bytes = if chunked { self.chunks()? } else { self.bytes(length)? };
        Ok(Answer { status, body: String::from_utf8_lossy(&bytes).into_owned() })
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let length = usize::from_str_radix(self.line()?.trim(), 16)?;
            whole.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Ok(whole);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// The standard library cannot choose the local address of a connection, so a socket of the executor is bound to it.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = executor.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(to).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}
