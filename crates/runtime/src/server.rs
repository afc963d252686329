//! The one HTTP server of a process's listeners: HTTP/1.1 and HTTP/2 without TLS, counted and bounded.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::counted::{Counted, Tally};
use crate::drain::Drain;
use crate::meter::PeerMeter;

/// The most connections of one listener; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a peer may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The greatest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// The most requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 512;
/// Silence on an HTTP/2 connection after which it is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An accepted connection; stands in the extensions of its requests.
#[derive(Clone)]
pub struct Accepted {
    /// The other end.
    pub peer: SocketAddr,
    tally: Tally,
}

impl Accepted {
    /// Says which caller's meter the connection belongs to.
    pub fn belongs_to(&self, meter: &PeerMeter) {
        self.tally.belongs_to(meter);
    }
}

/// Serves `router` until the role has ended; then lets requests in progress finish.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = drain.ended() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let (router, drain) = (router.clone(), drain.clone());
                connections.spawn(async move {
                    serve_connection(stream, peer, router, drain).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, drain: Drain) {
    let accepted = Accepted { peer, tally: Tally::default() };
    let io = TokioIo::new(Counted::new(stream, accepted.tally.clone()));
    let service = router.map_request(move |mut request: axum::http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(accepted.clone());
        request.map(axum::body::Body::new)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(KEEP_ALIVE);
    let connection = builder.serve_connection(io, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.ended() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended with an error");
    }
}
