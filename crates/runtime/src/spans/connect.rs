//! The connection to the collector: from the role's own address if that can reach it, counted on its row.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::counted::{Counted, Tally};
use crate::meter::PeerMeter;

/// Timeout of an attempt, including all addresses of the name.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Opens connections to a collector.
#[derive(Clone)]
pub struct CollectorConnector {
    /// The role's own address.
    pub source: IpAddr,
    /// Counts them.
    pub meter: PeerMeter,
}

impl CollectorConnector {
    async fn connect(self, uri: http::Uri) -> io::Result<TokioIo<Counted>> {
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(io::Error::other("the collector's address has no host or no port"));
        };
        self.meter.attempted();
        // A URI has an IPv6 address in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let connected = tokio::time::timeout(CONNECT_WITHIN, self.open(host, port)).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {host}:{port} within 3 s"));
        match connected.unwrap_or_else(|_| Err(late())) {
            Ok(stream) => {
                let tally = Tally::default();
                tally.assign_meter(&self.meter);
                Ok(TokioIo::new(Counted::new(stream, tally)))
            }
            Err(error) => {
                self.meter.error();
                Err(error)
            }
        }
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
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
        if to.is_ipv4() == self.source.is_ipv4() && (to.ip().is_loopback() || !self.source.is_loopback()) {
            socket.bind(SocketAddr::new(self.source, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl tower::Service<http::Uri> for CollectorConnector {
    type Response = TokioIo<Counted>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
