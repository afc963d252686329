//! The HTTP server of a process's listeners: HTTP/1.1 and HTTP/2, counted and bounded. TLS is done elsewhere ([`Handshake`]).

mod gathered;
#[cfg(target_os = "linux")]
mod slow_readers;

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{Method, Version, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::around::{Answering, Entrance, answered, around};
use crate::counted::{Counted, Tally};
use crate::drain::Drain;
use crate::meter::PeerMeter;
use crate::metrics::{ConnectionFault, OfEveryRole};
use crate::problem::Problem;
use crate::sources::{CarriesMany, Sources};
use crate::unread_body::read_out;
use gathered::GatheredStream;

/// Maximum of connections of one listener; further ones wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 4_096;
/// How long a peer may take to send the head of a request. A connection by HTTP/1.1 on which none comes is closed after that, so clients
/// must not take it up again that late.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a valid token, and from no role of ours, is closed after this time, once its requests are answered: a page is loaded
/// long before.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that a request keeps such a connection open beyond that. The limits of each listener end it earlier.
const REQUEST_WITHIN: Duration = Duration::from_secs(300);
/// Length of the HTTP/2 preface (RFC 9113 section 3.4): a peer that has sent less within [`HEAD_TIMEOUT`] is silent.
const PREFACE_BYTES: u64 = 24;
/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// Maximum of concurrent requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 512;
/// What of an answer by HTTP/2 waits for its reader, in bytes: the limits of a listener count what has not got that far.
const STREAM_BYTES_MAX: usize = 64 << 10;
/// Silence on an HTTP/2 connection after which it is pinged.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pause after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An accepted connection; it is in the extensions of its requests.
#[derive(Clone)]
pub struct Accepted {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether it is encrypted.
    pub is_secure: bool,
    shared: Arc<AcceptedShared>,
}

/// What all requests of a connection share.
#[derive(Default)]
struct AcceptedShared {
    tally: Tally,
    place: OnceLock<Box<dyn Any + Send + Sync>>,
    is_of_role: AtomicBool,
    is_to_end: CancellationToken,
}

impl Accepted {
    /// A connection that `peer` has opened.
    pub fn new(peer: SocketAddr) -> Self {
        Self { peer, is_secure: false, shared: Arc::default() }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self) -> Self {
        Self { is_secure: true, ..self }
    }

    /// Sets the meter that the connection belongs to.
    pub fn assign_meter(&self, meter: &PeerMeter) {
        self.shared.tally.assign_meter(meter);
    }

    /// Records that it is known who the peer is: by a valid token on it, or by its address.
    pub fn mark_authenticated(&self) {
        self.shared.tally.mark_authenticated();
    }

    /// Records that the peer has the address of a role that comes by a connection of the table: so it is known who it is.
    pub fn mark_role(&self) {
        self.shared.is_of_role.store(true, Relaxed);
        self.mark_authenticated();
    }

    /// Whether the peer is a role, by its address.
    pub fn is_of_role(&self) -> bool {
        self.shared.is_of_role.load(Relaxed)
    }

    /// Whether it is known who the peer is: else it is a stranger's.
    pub fn is_authenticated(&self) -> bool {
        self.shared.tally.is_trusted()
    }

    /// Whether it has a place in the limit of connections.
    pub fn has_place(&self) -> bool {
        self.shared.place.get().is_some()
    }

    /// Gives it a place, which is freed when the connection ends. Only the first call counts.
    pub fn takes(&self, place: impl Any + Send + Sync) {
        let _ = self.shared.place.set(Box::new(place));
    }

    /// Ends it once its present requests are answered.
    pub fn ends(&self) {
        self.shared.is_to_end.cancel();
    }
}

/// A stream of bytes under HTTP.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A handshake under way: it gives the stream for HTTP, or why there is none.
pub type HandshakeUnderWay = BoxFuture<'static, Result<Box<dyn ByteStream>, (ConnectionFault, io::Error)>>;

/// What a connection begins with before HTTP: the handshake of TLS.
pub trait Handshake: Send + Sync {
    /// Begins it, in a task of this connection. It ends within a time of its own, whatever the peer does.
    fn begin(&self, stream: Counted, peer: SocketAddr) -> HandshakeUnderWay;
}

/// A listener, and from where it takes more connections than from elsewhere.
pub struct BoundListener {
    tcp: TcpListener,
    carries_many: Option<CarriesMany>,
}

impl From<TcpListener> for BoundListener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, carries_many: None }
    }
}

impl BoundListener {
    /// The same, which takes more connections of these addresses: they are web servers, whose connections carry requests of many. Those that
    /// have brought one are not counted, see [`Accepted::mark_authenticated`].
    #[must_use]
    pub fn with_wider_limits_for(self, carries_many: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { carries_many: Some(Arc::new(carries_many)), ..self }
    }
}

/// Serves what is behind `entrance` until the role has ended, then lets requests in progress finish. `own` counts misbehaving peers.
pub async fn serve(listener: impl Into<BoundListener>, entrance: impl Into<Entrance>, drain: Drain, own: OfEveryRole) {
    serve_after(None, listener.into(), entrance.into(), drain, own).await;
}

/// [`serve`] for connections that begin with a handshake.
pub async fn serve_secure(
    handshake: Arc<dyn Handshake>,
    listener: impl Into<BoundListener>,
    entrance: impl Into<Entrance>,
    drain: Drain,
    own: OfEveryRole,
) {
    serve_after(Some(handshake), listener.into(), entrance.into(), drain, own).await;
}

async fn serve_after(
    handshake: Option<Arc<dyn Handshake>>,
    listener: BoundListener,
    entrance: Entrance,
    drain: Drain,
    own: OfEveryRole,
) {
    let entrance = around(around(entrance, names_its_host), without_body_for_head);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    let BoundListener { tcp: listener, carries_many } = listener;
    let mut sources = Sources::with_wider_limits_for(carries_many);
    loop {
        let accepted = tokio::select! {
            () = drain.ended() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let accepted = Accepted::new(peer);
                let accepted = if handshake.is_some() { accepted.over_tls() } else { accepted };
                if !sources.admit(peer.ip(), &accepted.shared.tally) {
                    own.connections_failed.inc(ConnectionFault::Crowded);
                    continue;
                }
                let (entrance, drain, own, handshake) =
                    (entrance.clone(), drain.clone(), own.clone(), handshake.clone());
                connections.spawn(async move {
                    if let Err((fault, error)) = serve_connection(stream, accepted, entrance, drain, handshake).await {
                        own.connections_failed.inc(fault);
                        tracing::debug!(%peer, %error, ?fault, "a connection ended with an error");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever comes now is refused, and asks another replica at once: the kernel would take the connection and a request, and reset both.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    slow_readers::show(&stream);
    Ok((stream, peer, permit))
}

/// Serves a connection from its first byte to its end.
async fn serve_connection(
    stream: TcpStream,
    accepted: Accepted,
    entrance: Entrance,
    drain: Drain,
    handshake: Option<Arc<dyn Handshake>>,
) -> Result<(), (ConnectionFault, Failure)> {
    let counted = Counted::new(stream, accepted.shared.tally.clone());
    let Some(handshake) = handshake else { return speak_http(counted, accepted, entrance, drain).await };
    match handshake.begin(counted, accepted.peer).await {
        Ok(stream) => {
            let stream = GatheredStream::new(stream);
            let connection = speak_http(stream.clone(), accepted, entrance, drain);
            stream.sending_after_each_turn(connection).await
        }
        Err((fault, error)) => Err((fault, Failure::from(error))),
    }
}

/// Serves the requests of a connection.
async fn speak_http<S: ByteStream + 'static>(
    stream: S,
    accepted: Accepted,
    entrance: Entrance,
    drain: Drain,
) -> Result<(), (ConnectionFault, Failure)> {
    let before_http = accepted.shared.tally.unclaimed_bytes_in();
    let ends = reason_to_end(accepted.clone(), before_http, drain);
    // In there it is looked at when it is woken, and not with each request.
    let mut ends: FuturesUnordered<_> = std::iter::once(ends).collect();
    let under_way = TaskTracker::new();
    let served = under_way.clone();
    let service = service_fn(move |request: axum::http::Request<Incoming>| {
        let until_answered = served.token();
        let (entrance, request) = (entrance.clone(), received(request, &accepted));
        // It enters in the task of its own that a request of HTTP/2 has: a panic there costs this request alone.
        async move {
            let _until_answered = until_answered;
            Ok::<_, Infallible>(entrance.enter(request).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(STREAM_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(KEEP_ALIVE);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        Some(reason) = ends.next() => match reason {
            ReasonToEnd::Silent => return Err((ConnectionFault::Slow, "no request came".into())),
            ReasonToEnd::Drained => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            ReasonToEnd::Unwanted => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = answered_and_read(&under_way) => Ok(()),
                }
            }
        },
    };
    ended.map_err(|error| (fault_of(&*error), error))
}

/// A request as it is let in.
fn received(request: axum::http::Request<Incoming>, accepted: &Accepted) -> Request {
    let is_stream = request.version() == Version::HTTP_2;
    let mut request = request.map(|body| match body.is_end_stream() {
        true => Body::empty(),
        false if is_stream => read_out(Body::new(body)),
        false => Body::new(body),
    });
    request.extensions_mut().insert(accepted.clone());
    request
}

/// Why a connection is ended that would go on.
enum ReasonToEnd {
    /// The peer says nothing.
    Silent,
    /// The role has ended.
    Drained,
    /// The peer is a stranger for too long, or its last request has said so.
    Unwanted,
}

async fn reason_to_end(accepted: Accepted, before_http: u64, drain: Drain) -> ReasonToEnd {
    let AcceptedShared { tally, is_to_end, .. } = &*accepted.shared;
    tokio::select! {
        () = silent(tally, before_http) => ReasonToEnd::Silent,
        () = drain.ended() => ReasonToEnd::Drained,
        () = unauthenticated_too_long(&accepted) => ReasonToEnd::Unwanted,
        () = is_to_end.cancelled() => ReasonToEnd::Unwanted,
    }
}

/// Refuses an HTTP/1.1 request without Host, or with several (RFC 9112 section 3.2).
fn names_its_host(request: Request, behind: &Entrance) -> Answering {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let fault = if hosts == 0 { "there is no Host header" } else { "there are several Host headers" };
        return answered(Problem::bad_request(fault).into_response());
    }
    behind.enter(request)
}

/// An answer to HEAD has the head of that to GET and no body (RFC 9110 section 9.3.2): by HTTP/2 one would be sent all the same.
fn without_body_for_head(request: Request, behind: &Entrance) -> Answering {
    let is_head = request.method() == Method::HEAD;
    let answer = behind.enter(request);
    if !is_head {
        return answer;
    }
    Box::pin(async move {
        let (mut head, body) = answer.await.into_parts();
        if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
            head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        Response::from_parts(head, Body::empty())
    })
}

/// The error that ended a connection.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Ends if the peer has not shown within [`HEAD_TIMEOUT`] which version of HTTP it speaks. After that, the HTTP server
/// of that version has its own timeouts. What came with a handshake, `before_http`, says nothing about that.
async fn silent(tally: &Tally, before_http: u64) {
    tokio::time::sleep(HEAD_TIMEOUT).await;
    if tally.is_claimed() || tally.unclaimed_bytes_in().saturating_sub(before_http) >= PREFACE_BYTES {
        std::future::pending::<()>().await;
    }
}

/// Ends if no token was shown within [`STRANGER_TIMEOUT`]: a peer that answers pings and sends no request would keep
/// the connection for ever.
async fn unauthenticated_too_long(accepted: &Accepted) {
    tokio::time::sleep(STRANGER_TIMEOUT).await;
    if accepted.is_authenticated() {
        std::future::pending::<()>().await;
    }
}

/// Ends once the requests under way are answered, and their answers have had [`HEAD_TIMEOUT`] to be read: a peer that does not read one
/// would keep the connection for ever.
async fn answered_and_read(under_way: &TaskTracker) {
    under_way.close();
    // Those that take longer have had their time.
    let _ = tokio::time::timeout(REQUEST_WITHIN, under_way.wait()).await;
    tokio::time::sleep(HEAD_TIMEOUT).await;
}

fn fault_of(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ConnectionFault {
    let Some(error) = error.downcast_ref::<hyper::Error>() else { return ConnectionFault::Broken };
    if error.is_parse_too_large() {
        ConnectionFault::HeadTooLarge
    } else if error.is_timeout() {
        ConnectionFault::Slow
    } else if error.is_parse() || !(error.is_incomplete_message() || is_from_network(error)) {
        ConnectionFault::Malformed
    } else {
        ConnectionFault::Broken
    }
}

/// Whether a network failure is the cause.
fn is_from_network(error: &hyper::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.is::<io::Error>())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use infra::SystemClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    use super::*;
    use crate::meter::{Meters, Side};

    /// What somebody without a token reads on a connection of their own, who asks once for that path. Its clock is that of the test.
    async fn read_by_stranger(path: &str, router: Router) -> String {
        let (mut client, stream) = tokio::io::duplex(1 << 10);
        let accepted = Accepted::new("192.0.2.1:1024".parse().unwrap());
        // It has shown that it speaks HTTP.
        let meters = Meters::new(Arc::new(SystemClock::start()));
        accepted.assign_meter(&meters.meter("own-11", Side::Accepts).peer("stranger"));
        let served = tokio::spawn(speak_http(stream, accepted, router.into(), Drain::new(Duration::ZERO)));
        client.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let ends = tokio::time::timeout(REQUEST_WITHIN, client.read_to_end(&mut read));
        ends.await.expect("the connection ends").unwrap();
        assert!(served.await.unwrap().is_ok());
        String::from_utf8(read).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_answered_though_nobody_knows_who_asks() {
        let slow = get(async || {
            tokio::time::sleep(STRANGER_TIMEOUT + 3 * HEAD_TIMEOUT).await;
            "answered"
        });
        let read = read_by_stranger("/slow", Router::new().route("/slow", slow)).await;
        assert!(read.ends_with("answered"), "{read}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_end_keeps_no_connection_of_a_stranger() {
        let endless = get(async || {
            let begun = futures::stream::iter([Ok::<_, io::Error>("begun")]);
            Body::from_stream(futures::StreamExt::chain(begun, futures::stream::pending()))
        });
        let read = read_by_stranger("/endless", Router::new().route("/endless", endless)).await;
        assert!(read.contains("begun"), "{read}");
    }

    #[tokio::test]
    async fn an_answer_to_head_has_no_body_whoever_gives_it() {
        let refuse = |_: Request, _: &Entrance| answered(Problem::not_found("no such path").into_response());
        let entrance = around(around(Router::new(), refuse), without_body_for_head);
        let mut lengths = Vec::new();
        for (method, is_empty) in [(Method::GET, false), (Method::HEAD, true)] {
            let answer = entrance.enter(Request::builder().method(method).body(Body::empty()).unwrap()).await;
            lengths.push(answer.headers().get(header::CONTENT_LENGTH).cloned());
            let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
            assert_eq!(body.is_empty(), is_empty);
            if !is_empty {
                lengths.push(Some(body.len().into()));
            }
        }
        assert_eq!(lengths.last(), lengths.get(1), "HEAD tells the length of the body that GET has: {lengths:?}");
    }

    #[tokio::test]
    async fn a_connection_that_is_to_end_ends_when_its_request_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stays = get(|| async { "stays" });
        let ends = get(|axum::Extension(accepted): axum::Extension<Accepted>| async move {
            accepted.ends();
            "ends"
        });
        let router = Router::new().route("/stays", stays).route("/ends", ends);
        let server = tokio::spawn(serve(listener, router, Drain::new(Duration::ZERO), OfEveryRole::default()));
        let mut client = TcpStream::connect(address).await.unwrap();
        for path in ["/stays", "/ends"] {
            client.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        }
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
        assert!(answers.ends_with("ends"), "{answers}");
        server.abort();
    }

    #[tokio::test]
    async fn who_comes_after_the_end_is_refused_while_earlier_requests_are_still_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let begun = Arc::new(Notify::new());
        let begins = begun.clone();
        let slow = get(move || {
            begins.notify_one();
            std::future::pending::<()>()
        });
        let drain = Drain::new(Duration::ZERO);
        let router = Router::new().route("/slow", slow);
        let server = tokio::spawn(serve(listener, router, drain.clone(), OfEveryRole::default()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        begun.notified().await;
        drain.end();
        let mut is_refused = false;
        for _ in 0..100 {
            // One that comes just then may be reset instead.
            let connected = TcpStream::connect(address).await;
            is_refused = connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if is_refused {
                break;
            }
            // The server takes its turn.
            tokio::task::yield_now().await;
        }
        assert!(is_refused);
        assert!(!server.is_finished(), "the earlier request is under way");
        server.abort();
    }
}
