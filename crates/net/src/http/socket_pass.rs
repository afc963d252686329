//! Passes WebSockets on to another role: its opening, with the address it comes from, then every byte both ways.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use runtime::server::Accepted;
use runtime::{Directory, Problem, RoleContext};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use super::trusted_proxies::WebClient;
use crate::connector::{Connector, port_of};
use crate::forwarded_for::FORWARDED_FOR;

/// How long the other role may take to answer the opening.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest reason of a refusal that is passed back, in bytes.
const REASON_BYTES_MAX: usize = 4 << 10;
/// What is read of either direction of a socket at once, in bytes: there may be thousands, each with a message now and then.
const BUFFER_BYTES: usize = 4 << 10;
/// A side that takes nothing for this time is cut off.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// What one side still has to say once the other one has ended: the close of a WebSocket.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What belongs to the opening.
const PASSED_ON: [HeaderName; 7] = [
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::ORIGIN,
    HeaderName::from_static("x-request-id"),
];
/// What belongs to its answer.
const PASSED_BACK: [HeaderName; 6] = [
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
    header::CONTENT_TYPE,
];

/// Passes sockets on to one role, by one connection of the table.
#[derive(Clone)]
pub struct SocketPass {
    connector: Connector,
    directory: Directory,
    role: &'static str,
    port: u16,
    /// The log has said that the role cannot be reached.
    is_away: Arc<AtomicBool>,
}

/// Why a socket was not passed on.
#[derive(Debug, thiserror::Error)]
enum NotPassed {
    #[error("no replica of {0} is known")]
    Nowhere(&'static str),
    #[error(transparent)]
    Connect(#[from] std::io::Error),
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("no answer in time")]
    Late,
    #[error(transparent)]
    Request(#[from] http::Error),
}

impl SocketPass {
    /// For the connection `id`, which the role declares in `opens`; the other role and its port are in the table.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, id: &str) -> anyhow::Result<Self> {
        let row = runtime::connections::find(id).ok_or_else(|| anyhow::anyhow!("no connection {id} in the table"))?;
        let connector = Connector::new(ctx, id)?;
        Ok(Self {
            connector,
            directory: ctx.directory.clone(),
            role: row.to,
            port: port_of(id)?,
            is_away: Arc::default(),
        })
    }

    /// Passes a request on, with its path, and returns the answer. Whoever is let in talks with the other role from then on.
    pub async fn pass(&self, request: Request<Body>) -> Response<Body> {
        match self.try_pass(request).await {
            Ok(answer) => {
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!(role = self.role, "WebSockets are passed on again");
                }
                answer
            }
            Err(error) => {
                // Strangers may ask often.
                if !self.is_away.swap(true, Relaxed) {
                    tracing::warn!(role = self.role, %error, "WebSockets cannot be passed on: look at that role");
                }
                let text = format!("{} cannot be reached", self.role);
                axum::response::IntoResponse::into_response(Problem::unavailable(text))
            }
        }
    }

    async fn try_pass(&self, mut request: Request<Body>) -> Result<Response<Body>, NotPassed> {
        let to = self.directory.addresses(self.role, self.port).into_iter().next();
        let to = to.ok_or(NotPassed::Nowhere(self.role))?;
        let accepted = request.extensions().get::<Accepted>().cloned();
        let client = request.extensions().get::<WebClient>().map(|client| client.address);
        let from = client.or_else(|| accepted.as_ref().map(|accepted| accepted.peer.ip()));
        let opening = opening(&request, from, to)?;
        let of_client = hyper::upgrade::on(&mut request);
        let stream = TokioIo::new(self.connector.connect(to).await?);
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection.with_upgrades());
        let answer = tokio::time::timeout(ANSWER_WITHIN, sender.send_request(opening)).await;
        let mut answer = answer.map_err(|_| NotPassed::Late)??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(refusal(answer).await);
        }
        // The other role has limits of its own for who stays: here the connection counts as a stranger's no longer.
        accepted.iter().for_each(Accepted::mark_authenticated);
        let of_role = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            // Either side may have left.
            if let (Ok(client), Ok(role)) = (of_client.await, of_role.await) {
                join(TokioIo::new(client), TokioIo::new(role)).await;
            }
        });
        Ok(with_headers(answer.status(), answer.headers(), Body::empty()))
    }
}

/// Passes every byte both ways until one side has ended; nothing of it lasts longer, whatever the other one does.
pub(super) async fn join(client: impl AsyncRead + AsyncWrite, role: impl AsyncRead + AsyncWrite) {
    let ((from_client, to_client), (from_role, to_role)) = (split(client), split(role));
    let (mut in_, mut out) = (std::pin::pin!(pump(from_client, to_role)), std::pin::pin!(pump(from_role, to_client)));
    tokio::select! {
        () = &mut in_ => drop(tokio::time::timeout(LAST_WORDS, out).await),
        () = &mut out => drop(tokio::time::timeout(LAST_WORDS, in_).await),
    }
}

/// Passes one direction until its end, or until nobody takes it.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let written = async {
            to.write_all(buffer.get(..length).unwrap_or_default()).await?;
            // TLS may hold some of it back until the socket takes more: nothing else may follow that would push it on.
            to.flush().await
        };
        if !matches!(tokio::time::timeout(TAKES_WITHIN, written).await, Ok(Ok(()))) {
            return;
        }
    }
    // The other side may be gone.
    let _ = tokio::time::timeout(TAKES_WITHIN, to.shutdown()).await;
}

/// The request as it goes to the other role.
fn opening(
    request: &Request<Body>,
    from: Option<IpAddr>,
    to: SocketAddr,
) -> Result<Request<Empty<bytes::Bytes>>, http::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut opening = Request::builder().method(request.method()).uri(path).header(header::HOST, to.to_string());
    for name in &PASSED_ON {
        for value in request.headers().get_all(name) {
            opening = opening.header(name, value.clone());
        }
    }
    for value in request.headers().get_all(&FORWARDED_FOR) {
        opening = opening.header(&FORWARDED_FOR, value.clone());
    }
    if let Some(from) = from {
        opening = opening.header(&FORWARDED_FOR, from.to_canonical().to_string());
    }
    opening.body(Empty::new())
}

/// The other role has not taken the socket: whoever asked learns why.
async fn refusal(answer: Response<Incoming>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let reason = Limited::new(body, REASON_BYTES_MAX).collect().await;
    let reason = reason.map(|reason| reason.to_bytes()).unwrap_or_default();
    with_headers(head.status, &head.headers, Body::from(reason))
}

fn with_headers(status: StatusCode, headers: &HeaderMap<HeaderValue>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for name in PASSED_BACK {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_side_that_ends_takes_the_other_one_with_it() {
        let ((mut client, of_client), (mut role, of_role)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let joined = tokio::spawn(join(of_client, of_role));
        client.write_all(b"asks").await.unwrap();
        role.write_all(b"says").await.unwrap();
        let (mut asked, mut said) = ([0; 4], [0; 4]);
        role.read_exact(&mut asked).await.unwrap();
        client.read_exact(&mut said).await.unwrap();
        assert_eq!((&asked, &said), (b"asks", b"says"));
        // The client stays silent and closes nothing.
        role.shutdown().await.unwrap();
        assert_eq!(client.read(&mut said).await.unwrap(), 0, "the client is told");
        tokio::time::timeout(LAST_WORDS * 2, joined).await.expect("it ends").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_side_says_arrives_before_it_says_more() {
        // It holds back what was written until it is flushed.
        let holding = tokio::io::BufStream::new;
        let ((mut client, of_client), (mut role, of_role)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let joined = tokio::spawn(join(holding(of_client), holding(of_role)));
        client.write_all(b"asks").await.unwrap();
        let mut asked = [0; 4];
        let read = tokio::time::timeout(TAKES_WITHIN, role.read_exact(&mut asked)).await;
        assert!(read.is_ok() && &asked == b"asks", "it is held back");
        drop((client, role));
        joined.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_nothing_is_cut_off() {
        let ((_client, of_client), (mut role, of_role)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let joined = tokio::spawn(join(of_client, of_role));
        let said = tokio::spawn(async move { while role.write_all(&[7; 64]).await.is_ok() {} });
        tokio::time::timeout((TAKES_WITHIN + LAST_WORDS) * 2, joined).await.expect("it ends").unwrap();
        said.await.unwrap();
    }
}
