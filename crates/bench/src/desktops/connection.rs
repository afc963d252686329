//! A desktop's connection, which it opens again where it was closed: HTTP/1.1, one request after the other.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpSocket;

/// Longer than a poll is parked.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);

/// A connection of one desktop.
pub struct DesktopConnection {
    from: IpAddr,
    to: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read whole.
pub struct DesktopAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Bytes,
}

/// What is asked for.
pub struct DesktopRequest<'a> {
    /// The path with its query.
    pub path: &'a str,
    /// Headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// The body.
    pub body: String,
    /// Whether it may be sent again where the connection broke before its answer.
    pub may_repeat: bool,
}

impl DesktopConnection {
    /// One from that address, opened with the first request.
    pub const fn new(from: IpAddr, to: SocketAddr) -> Self {
        Self { from, to, sender: None }
    }

    /// Sends a POST, and waits for the answer.
    pub async fn post(&mut self, asked: &DesktopRequest<'_>) -> Result<DesktopAnswer> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.answered(asked)).await;
        answer
            .map_err(|_| anyhow::anyhow!("no answer within {ANSWER_WITHIN:?}"))?
            .with_context(|| asked.path.to_owned())
    }

    async fn answered(&mut self, asked: &DesktopRequest<'_>) -> Result<DesktopAnswer> {
        match self.sent(asked).await {
            Err(_) if asked.may_repeat => {
                self.sender = None;
                self.sent(asked).await
            }
            answer => answer,
        }
    }

    async fn sent(&mut self, asked: &DesktopRequest<'_>) -> Result<DesktopAnswer> {
        let mut request = Request::post(asked.path).header(HOST, self.to.to_string());
        for (name, value) in asked.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(asked.body.clone())))?;
        let (head, body) = self.ready().await?.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(DesktopAnswer { status: head.status, headers: head.headers, body })
    }

    /// The connection, opened again if it was closed meanwhile.
    async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_err()
        {
            self.sender = None;
        }
        if self.sender.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(self.from, 0))?;
            let stream = socket.connect(self.to).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // How it ends, the next request says.
            tokio::spawn(async move { drop(connection.await) });
            sender.ready().await?;
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("no connection")
    }
}

impl DesktopAnswer {
    /// Its body, of an answer that says 200.
    pub fn read(&self) -> Result<Value> {
        anyhow::ensure!(self.status == StatusCode::OK, "{} {}", self.status, String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}
