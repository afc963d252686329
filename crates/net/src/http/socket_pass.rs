//! Passes WebSockets on to another role: their opening, with whom it comes from, then every byte both ways.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use runtime::server::Accepted;
use runtime::{Directory, Problem, RoleContext};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use super::client::Client;
use super::known_replicas::ReplicasKnown;
use super::ranked_replicas::ranked;
use super::trusted_proxies::WebClient;
use crate::connector::{Connector, port_of};
use crate::forwarded_for::FORWARDED_FOR;

/// How long the other role may take to answer the opening.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The same while there is a replica that has not been asked.
const SILENT_MAX: Duration = Duration::from_secs(2);
/// The longest reason of a refusal that is passed back, in bytes.
const REASON_BYTES_MAX: usize = 4 << 10;
/// What is read of either direction of a socket at once, in bytes: there may be thousands, each with a message now and then.
const BUFFER_BYTES: usize = 4 << 10;
/// A side that takes nothing for this time is cut off.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// What one side still has to say once the other one has ended: the close of a WebSocket.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The most replicas that are tried for one socket.
const REPLICAS_TRIED_MAX: usize = 4;
/// What names, in the query, which sockets belong to one replica: those with the same value come to the same one as long as it is there.
const REPLICA_KEY: &str = "flow";
/// What belongs to the opening.
const OF_OPENING: [HeaderName; 5] = [
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
];
/// What is told beside it of a socket for whose client the address counts alone.
static PASSED_ON: [HeaderName; 3] = [header::ORIGIN, HeaderName::from_static("x-request-id"), FORWARDED_FOR];
/// What belongs to its answer.
const PASSED_BACK: [HeaderName; 10] = [
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    header::SET_COOKIE,
];
/// The protocol of sockets (RFC 6455).
const WEB_SOCKET: &[u8] = b"websocket";

/// Passes sockets on to one role, by one connection of the table.
#[derive(Clone)]
pub struct SocketPass {
    connector: Connector,
    directory: Directory,
    role: &'static str,
    port: u16,
    known: ReplicasKnown,
    /// The log has said that the role cannot be reached.
    is_away: Arc<AtomicBool>,
}

/// A socket as it is passed on: to whom, and with what.
pub struct PassedSocket {
    /// The replicas that may take it, in the order in which they are asked.
    pub replicas: Vec<SocketAddr>,
    /// What they are told beside the opening.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// By which answers a replica says that the next one is to be asked: it has done nothing.
    pub is_for_next: fn(StatusCode, &HeaderMap) -> bool,
    /// What is kept for as long as the socket lives: its places.
    pub keeps: Box<dyn Any + Send>,
    /// When it is cut off, unless either side has ended it before.
    pub until: BoxFuture<'static, ()>,
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
        Self::to(ctx, id, row.to)
    }

    /// The same to a role of the group that the table names.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn to(ctx: &RoleContext, id: &str, role: &'static str) -> anyhow::Result<Self> {
        let (connector, directory) = (Connector::new(ctx, id)?, ctx.directory.clone());
        let (known, is_away) = (ReplicasKnown::default(), Arc::default());
        Ok(Self { connector, directory, role, port: port_of(id)?, known, is_away })
    }

    /// The same with what a client of that role knows of its replicas: one that fails is asked last, and sockets of one that turns out to
    /// hang ([`Client::watch_replicas`]) are cut off, so that whoever has opened them opens others.
    #[must_use]
    pub fn knowing(self, client: &Client) -> Self {
        Self { known: client.known().clone(), ..self }
    }

    /// Passes a request on, with its path, and returns the answer. Whoever is let in talks with the other role from then on.
    pub async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let from = whom(&request);
        let headers = PASSED_ON.iter().flat_map(|name| {
            let values = request.headers().get_all(name).iter();
            values.map(move |value| (name.clone(), value.clone()))
        });
        let own = from.and_then(|from| HeaderValue::from_str(&from.to_canonical().to_string()).ok());
        let socket = PassedSocket {
            replicas: self.replicas(&replica_key(request.uri().query(), from)),
            headers: headers.chain(own.map(|own| (FORWARDED_FOR, own))).collect(),
            // One that is draining refuses connections, or has closed what it took last.
            is_for_next: |_, _| false,
            keeps: Box::new(()),
            until: Box::pin(std::future::pending()),
        };
        self.pass_to(request, socket).await.unwrap_or_else(axum::response::IntoResponse::into_response)
    }

    /// Passes a request on as it is said there, and returns the answer.
    ///
    /// # Errors
    /// A 503 if no replica has answered.
    pub async fn pass_to(&self, request: Request<Body>, socket: PassedSocket) -> Result<Response<Body>, Problem> {
        match self.try_pass(request, socket).await {
            Ok(answer) => {
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!(role = self.role, "WebSockets are passed on again");
                }
                Ok(answer)
            }
            Err(error) => {
                // Strangers may ask often.
                if !self.is_away.swap(true, Relaxed) {
                    tracing::warn!(role = self.role, %error, "WebSockets cannot be passed on: look at that role");
                }
                Err(Problem::unavailable(format!("{} cannot be reached", self.role)))
            }
        }
    }

    /// The replicas in the order in which they are asked for this key.
    pub fn replicas(&self, key: &str) -> Vec<SocketAddr> {
        ranked(self.directory.addresses(self.role, self.port), key.as_bytes())
    }

    async fn try_pass(&self, mut request: Request<Body>, socket: PassedSocket) -> Result<Response<Body>, NotPassed> {
        let accepted = request.extensions().get::<Accepted>().cloned();
        let of_client = hyper::upgrade::on(&mut request);
        let (head, _body) = request.into_parts();
        let PassedSocket { replicas, headers, is_for_next, keeps, until } = socket;
        let (mut answer, replica) = self.ask(&head, replicas, &headers, is_for_next).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(refusal(answer).await);
        }
        // The other role has limits of its own for who stays: here the connection counts as a stranger's no longer.
        accepted.iter().for_each(Accepted::mark_authenticated);
        let of_role = hyper::upgrade::on(&mut answer);
        let known = self.known.clone();
        tokio::spawn(async move {
            let _kept = keeps;
            // Either side may have left.
            if let (Ok(client), Ok(role)) = (of_client.await, of_role.await) {
                tokio::select! {
                    () = join(TokioIo::new(client), TokioIo::new(role)) => {}
                    () = until => {}
                    () = known.comes_to_hang(replica) => {}
                }
            }
        });
        Ok(with_headers(answer.status(), answer.headers(), Body::empty()))
    }
}

impl SocketPass {
    /// The answer of the first replica that takes the opening, and which one that is; of those that are for the next one, the last. Nobody
    /// has a socket of one that was silent: it is the next one's, too.
    async fn ask(
        &self,
        head: &Parts,
        replicas: Vec<SocketAddr>,
        headers: &[(HeaderName, HeaderValue)],
        is_for_next: fn(StatusCode, &HeaderMap) -> bool,
    ) -> Result<(Response<Incoming>, SocketAddr), NotPassed> {
        let mut last = Err(NotPassed::Nowhere(self.role));
        let mut replicas = self.known.failing_last(replicas).into_iter().take(REPLICAS_TRIED_MAX).peekable();
        while let Some(to) = replicas.next() {
            let within = if replicas.peek().is_some() { SILENT_MAX } else { ANSWER_WITHIN };
            match self.ask_at(to, opening(head, headers, to)?, within).await {
                Ok(answer) if is_for_next(answer.status(), answer.headers()) => last = Ok((answer, to)),
                Err(error @ (NotPassed::Connect(_) | NotPassed::Broken(_) | NotPassed::Late)) => last = Err(error),
                answered => return answered.map(|answer| (answer, to)),
            }
        }
        last
    }

    async fn ask_at(
        &self,
        to: SocketAddr,
        opening: Request<Empty<Bytes>>,
        within: Duration,
    ) -> Result<Response<Incoming>, NotPassed> {
        let stream = self.connector.connect(to).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let answer = tokio::time::timeout(within, sender.send_request(opening)).await;
        let answer = answer.map_err(|_| NotPassed::Late)??;
        Ok(answer)
    }
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.1).
pub fn opens_socket<B>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).map(HeaderValue::as_bytes);
    let is_socket = upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(WEB_SOCKET));
    is_socket && request.method() == Method::GET && request.version() == Version::HTTP_11
}

/// The address that a request comes from.
fn whom(request: &Request<Body>) -> Option<IpAddr> {
    let client = request.extensions().get::<WebClient>().map(|client| client.address);
    client.or_else(|| request.extensions().get::<Accepted>().map(|accepted| accepted.peer.ip()))
}

/// What stands for the sockets that belong to one replica: the value in the query, else the client.
fn replica_key(query: Option<&str>, from: Option<IpAddr>) -> String {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.find(|(name, _)| *name == REPLICA_KEY).map(|(_, value)| value.to_owned());
    named.or_else(|| from.map(|from| from.to_string())).unwrap_or_default()
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
    head: &Parts,
    headers: &[(HeaderName, HeaderValue)],
    to: SocketAddr,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut opening = Request::builder().method(&head.method).uri(path).header(header::HOST, to.to_string());
    for name in &OF_OPENING {
        for value in head.headers.get_all(name) {
            opening = opening.header(name, value.clone());
        }
    }
    for (name, value) in headers {
        opening = opening.header(name, value.clone());
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
        for value in headers.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
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

    #[test]
    fn sockets_of_one_flow_belong_together_and_others_by_their_client() {
        let of = |query, from| replica_key(Some(query), from);
        let client = Some(IpAddr::from([192, 0, 2, 7]));
        assert_eq!(of("ticket=abc&flow=7", client), "7");
        assert_eq!((of("ticket=abc", client), of("", None)), ("192.0.2.7".to_owned(), String::new()));
    }

    #[test]
    fn what_is_told_beside_an_opening_is_all_that_goes_on_with_it() {
        let asked = Request::get("/notifications?x=1")
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-key", "a")
            .header("cookie", "own=1; other=2")
            .header("x-forwarded-for", "203.0.113.9");
        let (head, ()) = asked.body(()).unwrap().into_parts();
        let told = [(header::COOKIE, HeaderValue::from_static("own=1"))];
        let opening = opening(&head, &told, "127.0.0.1:80".parse().unwrap()).unwrap();
        assert_eq!(opening.uri(), "/notifications?x=1");
        let mut names: Vec<&str> = opening.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["connection", "cookie", "host", "sec-websocket-key", "upgrade"]);
        assert_eq!(opening.headers()[header::COOKIE], "own=1");
    }

    #[test]
    fn each_cookie_of_an_answer_comes_back_and_nothing_of_its_hop() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-internal", "1"), ("retry-after", "1")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let passed = with_headers(StatusCode::SERVICE_UNAVAILABLE, &headers, Body::empty());
        let cookies: Vec<&HeaderValue> = passed.headers().get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(passed.headers().contains_key(header::RETRY_AFTER) && !passed.headers().contains_key("x-internal"));
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
