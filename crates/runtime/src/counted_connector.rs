//! Connections by TCP to other roles and to servers of others, as a collector or a store: from the role's own address if that reaches them,
//! counted on their row.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::counted::{Counted, Tally};
use crate::meter::PeerMeter;

/// Timeout of an attempt, including the look-up and all addresses of the name.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// An address that has not answered after this time is tried on, and the next one beside it (RFC 8305 section 5).
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// Opens connections to one peer.
#[derive(Clone)]
pub struct CountedConnector {
    /// The role's own address.
    pub source: IpAddr,
    /// Counts them.
    pub meter: PeerMeter,
}

impl CountedConnector {
    async fn connect(self, uri: http::Uri) -> io::Result<TokioIo<Counted>> {
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(io::Error::other("the server's address has no host or no port"));
        };
        // A URI has an IPv6 address in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.counted(self.open(host, port), format!("{host}:{port}")).await.map(TokioIo::new)
    }

    /// Connects to one address.
    ///
    /// # Errors
    /// Those of the connection; [`io::ErrorKind::TimedOut`] if there is no answer within 3 s.
    pub async fn connect_to(&self, to: SocketAddr) -> io::Result<Counted> {
        self.counted(self.open_at(to), to).await
    }

    /// The connection that an attempt makes, counted with its bytes.
    async fn counted(
        &self,
        attempt: impl Future<Output = io::Result<TcpStream>>,
        to: impl std::fmt::Display,
    ) -> io::Result<Counted> {
        self.meter.attempted();
        let connected = tokio::time::timeout(CONNECT_WITHIN, attempt).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {to} within 3 s"));
        match connected.unwrap_or_else(|_| Err(late())) {
            Ok(stream) => {
                let tally = Tally::default();
                tally.assign_meter(&self.meter);
                Ok(Counted::new(stream, tally))
            }
            Err(error) => {
                self.meter.error();
                Err(error)
            }
        }
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        self.open_any(addresses).await
    }

    /// The first connection that is made to one of these addresses.
    async fn open_any(&self, addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the server's name has no address");
        let (mut addresses, mut opening) = (addresses.into_iter(), FuturesUnordered::new());
        loop {
            match addresses.next() {
                Some(to) => opening.push(self.open_at(to)),
                None if opening.is_empty() => return Err(last),
                None => {}
            }
            match tokio::time::timeout(NEXT_AFTER, opening.next()).await {
                Ok(Some(Ok(stream))) => return Ok(stream),
                Ok(Some(Err(error))) => last = error,
                Ok(None) | Err(_) => {}
            }
        }
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

impl tower::Service<http::Uri> for CountedConnector {
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::*;
    use crate::meter::{Meters, Side};

    fn connector() -> CountedConnector {
        let meters = Meters::new(Arc::new(infra::SystemClock::start()));
        let meter = meters.meter("own-14", Side::Opens).peer("collector");
        CountedConnector { source: Ipv4Addr::LOCALHOST.into(), meter }
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A listener that answers nobody any more, as its queue is full; with what fills it.
    async fn silent() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = tokio::time::timeout(NEXT_AFTER, TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
        }
        (listener, address, filling)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_and_one_that_refuses_hide_no_other() {
        let (_silent, first, _filling) = silent().await;
        let (gone, second) = listening().await;
        drop(gone);
        let (_listener, third) = listening().await;
        let connector = connector();
        let opened = tokio::time::timeout(CONNECT_WITHIN, connector.open_any(vec![first, second, third])).await;
        assert_eq!(opened.unwrap().unwrap().peer_addr().unwrap(), third);
    }

    #[tokio::test]
    async fn a_connection_to_one_address_begins_at_the_own_one() {
        let (connector, (listener, address)) = (connector(), listening().await);
        let (opened, accepted) = tokio::join!(connector.connect_to(address), listener.accept());
        opened.unwrap();
        assert_eq!(accepted.unwrap().1.ip(), Ipv4Addr::LOCALHOST);
        drop(listener);
        let refused = connector.connect_to(address).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn where_no_address_answers_the_reason_is_told() {
        let (gone, address) = listening().await;
        drop(gone);
        let refused = connector().open_any(vec![address]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connector().open_any(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
