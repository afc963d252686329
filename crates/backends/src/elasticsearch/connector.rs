//! Connections to the server: from the role's own address if that reaches it, reported to the client's watch.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use infra::{Client, Line};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

/// Time to connect, including the look-up and all addresses of the name.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct SearchConnector {
    client: Client,
    standing: Arc<AtomicUsize>,
}

/// One that is reported as standing until it is dropped.
pub(super) struct WatchedStream {
    stream: TcpStream,
    client: Client,
    standing: Arc<AtomicUsize>,
}

impl SearchConnector {
    pub fn new(client: Client) -> Self {
        Self { client, standing: Arc::default() }
    }

    async fn connect(self, uri: http::Uri) -> io::Result<TokioIo<WatchedStream>> {
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(io::Error::other("the server's address has no host or no port"));
        };
        // A URI has an IPv6 address in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.client.watch.attempted(Line::Commands);
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {host}:{port} within 2 s"));
        let connected = tokio::time::timeout(CONNECT_WITHIN, self.open(host, port)).await;
        match connected.unwrap_or_else(|_| Err(late())) {
            Ok(stream) => {
                let count = self.standing.fetch_add(1, SeqCst) + 1;
                self.client.watch.standing(Line::Commands, count);
                Ok(TokioIo::new(WatchedStream { stream, client: self.client, standing: self.standing }))
            }
            Err(error) => {
                self.client.watch.failed(Line::Commands);
                Err(error)
            }
        }
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the server's name has no address");
        for to in tokio::net::lookup_host((host, port)).await? {
            match self.open_at(to).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open_at(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A loopback address reaches only loopback addresses.
        let reaches = |source: &std::net::IpAddr| {
            to.is_ipv4() == source.is_ipv4() && (to.ip().is_loopback() || !source.is_loopback())
        };
        if let Some(source) = self.client.source.filter(reaches) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl tower::Service<http::Uri> for SearchConnector {
    type Response = TokioIo<WatchedStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        let count = self.standing.fetch_sub(1, SeqCst).saturating_sub(1);
        self.client.watch.standing(Line::Commands, count);
    }
}

impl Connection for WatchedStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
