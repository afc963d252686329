//! Connects to where a stranger's URL leads, and to no address that is not let in.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use crate::lookups::Lookups;
use crate::public_address::{Reach, literal};

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
        let mut failure = unknown(host);
        for address in self.addresses(host, port).await?.into_iter().filter(|address| self.reach.allows(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = literal(host) {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = self.lookups.find(host, port).await;
        found.map_err(|error| if self.reach == Reach::Public { unknown(host) } else { error })
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
