//! Connects to where a stranger's URL leads, and to no address that is not let in.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::Service;

use crate::lookups::Lookups;
use crate::public_address::{Reach, literal};

/// How long an address may take before the next one is tried beside it (RFC 8305 section 8).
const HEAD_START: Duration = Duration::from_millis(250);
/// The most addresses of a host that are tried: who names many makes us knock at no more doors.
const ADDRESSES_MAX: usize = 8;

/// The host is looked up here, and what was checked is what is connected to. Sets no deadline. Cheap to clone.
#[derive(Clone)]
pub struct Guarded {
    reach: Reach,
    lookups: Lookups,
}

impl Guarded {
    /// Connects to addresses within `reach`, which these lookups find.
    pub const fn new(reach: Reach, lookups: Lookups) -> Self {
        Self { reach, lookups }
    }

    async fn connect(&self, url: &Uri) -> io::Result<TcpStream> {
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
        let mut addresses = self.addresses(host, port).await?;
        addresses.retain(|address| self.reach.allows(address.ip()));
        let stream = first_to_answer(&by_turns(&addresses), TcpStream::connect::<SocketAddr>, unknown(host)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = literal(host) {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = self.lookups.find(host, port).await;
        found.map_err(|error| if self.reach == Reach::Public { unknown(host) } else { error })
    }
}

/// The addresses that are tried, the families by turns, the first one's first (RFC 8305 section 4): one that leads nowhere holds the other up
/// only once.
fn by_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let begins_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == begins_with_v6);
    let turns = (0..addresses.len()).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().copied().take(ADDRESSES_MAX).collect()
}

/// Connects to the first address that answers. Each gets a head start before the next one (RFC 8305 section 5), and none is waited for once it
/// has failed. Fails as the last one does, and as `failure` says if there is none.
async fn first_to_answer<S, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
    mut failure: io::Error,
) -> io::Result<S>
where
    S: Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    let mut addresses = addresses.iter();
    let mut attempts = JoinSet::new();
    loop {
        let has_begun = addresses.next().map(|address| attempts.spawn(connect(*address))).is_some();
        tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => failure = error,
                Some(Err(error)) => failure = io::Error::other(error),
                None => return Err(failure),
            },
            () = tokio::time::sleep(HEAD_START), if has_begun => {}
        }
    }
}

/// The same words for a host that is not known and one inside: a stranger reads them, and must not learn names of this network.
fn unknown(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address of the public Internet"))
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move { guarded.connect(&url).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let found = addresses(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "[2001:db8::3]:1", "192.0.2.2:1"]);
        let tried = addresses(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"]);
        assert_eq!(by_turns(&found), tried);
        assert_eq!(by_turns(&[found[0]; 50]).len(), ADDRESSES_MAX);
        assert!(by_turns(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_does_not_hold_up_the_next_one() {
        let tried = addresses(&["192.0.2.1:9", "192.0.2.2:9", "192.0.2.3:9"]);
        let (says_nothing, refuses) = (tried[0], tried[1]);
        let connect = move |address: SocketAddr| async move {
            match address {
                _ if address == says_nothing => std::future::pending().await,
                _ if address == refuses => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                _ => Ok(address),
            }
        };
        let connected = tokio::time::timeout(HEAD_START * 20, first_to_answer(&tried, connect, unknown("host"))).await;
        assert_eq!(connected.unwrap().unwrap(), tried[2]);
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
        let guarded = |reach| Guarded::new(reach, Lookups::new(1));
        let refused = guarded(Reach::Public).connect(&url).await.unwrap_err();
        let elsewhere = "http://no-such-host.invalid/".parse().unwrap();
        let unknown = guarded(Reach::Public).connect(&elsewhere).await.unwrap_err();
        let words = |error: &io::Error| error.to_string().replace("localhost", "").replace("no-such-host.invalid", "");
        assert_eq!(words(&refused), words(&unknown), "who asks does not learn which names there are inside");
        assert!(guarded(Reach::Everywhere).connect(&url).await.is_ok());
    }
}
