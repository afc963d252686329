//! Opens TCP connections to other roles and counts them on their row of the connection table, each on the node that it leads to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use runtime::counted::Counted;
use runtime::counted_connector::CountedConnector;
use runtime::{Directory, Meter, RoleContext};

/// A connector of one role for one connection of the table.
#[derive(Clone)]
pub struct Connector {
    source: IpAddr,
    meter: Meter,
    directory: Directory,
}

impl Connector {
    /// A connector for the connection `id`, which the role must have declared in `opens`.
    pub fn new(ctx: &RoleContext, id: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(ctx.spec.opens.contains(&id), "{} does not declare that it opens {id}", ctx.spec.name);
        Ok(Self { source: ctx.address, meter: ctx.meter(id), directory: ctx.directory.clone() })
    }

    /// The meter for traffic to that address.
    pub fn peer(&self, to: SocketAddr) -> runtime::PeerMeter {
        self.meter.peer(&self.directory.node_at(to.ip()))
    }

    /// Connects; the stream counts its bytes.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<Counted> {
        CountedConnector { source: self.source, meter: self.peer(to) }.connect_to(to).await
    }
}

impl tower::Service<http::Uri> for Connector {
    type Response = TokioIo<Counted>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The URI's authority is always an address and a port, since the directory has resolved the role.
    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
            let to = authority.parse().map_err(|_| io::Error::other(format!("{authority:?} is not an address")))?;
            connector.connect(to).await.map(TokioIo::new)
        })
    }
}

/// The port of a connection of the table, with the same mapping as for listeners: 80 → 8080, 443 → 8443.
pub fn port_of(id: &str) -> anyhow::Result<u16> {
    let row = runtime::connections::find(id).ok_or_else(|| anyhow::anyhow!("no connection {id} in the table"))?;
    let port = row.port.parse().map_err(|_| anyhow::anyhow!("connection {id} does not have one port: {}", row.port))?;
    Ok(match port {
        80 => 8080,
        443 => 8443,
        port => port,
    })
}
