//! Passes whole requests on to one server by HTTPS, with whom they are from: what an edge does that stands before another one.
//!
//! The server's certificate is verified for the name by which it is reached. An answer goes back as it comes, so that a stream stays one.
//! Of a WebSocket every byte after its opening is passed on.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use runtime::counted_connector::CountedConnector;
use runtime::server::{Accepted, CONNECTIONS_MAX};
use runtime::{Drain, PeerMeter, Problem, RoleContext};
use rustls::{ClientConfig, RootCertStore};
use tower::{BoxError, Service};

use super::answer_body::{AnswerReader, passed_back};
use super::client::IDLE_TIMEOUT;
use super::limits::Turn;
use super::request_body::BodyFault;
use super::shares::{Capacity, NoCapacity, Place, ShareHolder, Shares};
use super::socket_pass::{join, opens_socket};
use super::trusted_proxies::WebClient;
use crate::document::with_causes;
use crate::forwarded_for::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};

/// Requests whose answers have not ended, and sockets, at once. All are of addresses, not of tokens, which have three quarters of them at
/// most, and one of them half: so the server, of whose connections each may take one, has some left.
const PASSED_ON_MAX: Capacity = Capacity { all: CONNECTIONS_MAX };
/// How long a connection may take to be made, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Connections of clients whom the server knows. All are of addresses, not of tokens, which have three quarters of them at most, and one of
/// them half: so there is room for others.
const KNOWN_MAX: Capacity = Capacity { all: CONNECTIONS_MAX };
/// The most idle connections to the server.
const IDLE_MAX: usize = 128;
/// Headers that concern one hop (RFC 9110 sections 7.6.1 and 10.1.1), and the length, which is written anew.
const OF_THE_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
];
/// What a client may have written of whom a request is from: here it is known better.
const OF_THE_CLIENT: [HeaderName; 5] =
    [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, header::FORWARDED, header::CONTENT_LENGTH];
/// The protocol of sockets (RFC 6455).
const WEB_SOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What is known beforehand of the server's answers, by method and path of a request.
#[derive(Clone, Copy)]
pub struct ServerAnswers {
    /// The longest that one may take to begin: less than the limits of the listener, which would end the request without a word about the
    /// server.
    pub begin_within: fn(&Method, &str) -> Duration,
    /// Whether a success is for those alone whose token, or session, the server knows.
    pub are_for_known: fn(&Method, &str) -> bool,
}

/// Passes requests on to one server, by one connection of the table.
pub struct HttpsPass {
    authority: Authority,
    pool: legacy::Client<ShakenInTime, Body>,
    meter: PeerMeter,
    answers: ServerAnswers,
    places: Shares,
    /// The connections of clients whom the server knows.
    known: Shares,
    drain: Drain,
    /// The log has said that the server cannot be reached.
    is_away: AtomicBool,
}

/// Why a request was not passed on.
#[derive(Debug, thiserror::Error)]
enum RequestNotPassed {
    #[error("too many answers are under way")]
    Crowded(NoCapacity),
    #[error(transparent)]
    Body(BodyFault),
    #[error("its target is none that is passed on")]
    Target,
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Unreached(String),
    /// The server may have carried it out.
    #[error("{0}")]
    Unanswered(String),
}

impl RequestNotPassed {
    fn of(error: &legacy::Error) -> Self {
        if let Some(fault) = BodyFault::behind(error) {
            return Self::Body(fault);
        }
        let why = with_causes(error);
        if error.is_connect() { Self::Unreached(why) } else { Self::Unanswered(why) }
    }
}

impl HttpsPass {
    /// For the connection `id`, which the role declares in `opens`, to the server of that name and port, whom `roots` vouch for.
    ///
    /// # Errors
    /// If the role does not declare it, or TLS cannot be set up.
    pub fn new(
        ctx: &RoleContext,
        id: &str,
        authority: Authority,
        roots: RootCertStore,
        answers: ServerAnswers,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(ctx.spec.opens.contains(&id), "{} does not declare that it opens {id}", ctx.spec.name);
        let tls = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let meter = ctx.meter(id).peer(authority.as_str());
        let connector = CountedConnector { source: ctx.address, meter: meter.clone() };
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .retry_canceled_requests(true)
            .build(ShakenInTime(HttpsConnector::from((connector, tls))));
        let (places, known) = (Shares::new(PASSED_ON_MAX), Shares::new(KNOWN_MAX));
        let (drain, is_away) = (ctx.drain.clone(), AtomicBool::default());
        Ok(Self { authority, pool, meter, answers, places, known, drain, is_away })
    }

    /// Passes a request on whose body is bounded by the limits of the listener, and returns the answer.
    pub async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let refused = match self.try_pass(request).await {
            Ok(answer) => {
                if self.is_away.swap(false, Relaxed) {
                    tracing::info!(server = %self.authority, "requests are passed on again");
                }
                return answer;
            }
            Err(refused) => refused,
        };
        let problem = match &refused {
            RequestNotPassed::Crowded(NoCapacity::All) => Problem::unavailable(refused.to_string()),
            RequestNotPassed::Crowded(NoCapacity::Share) => {
                Problem::too_many(format!("{refused} at this address, while few places are left"))
            }
            RequestNotPassed::Body(fault) => fault.problem(),
            RequestNotPassed::Target => Problem::bad_request(refused.to_string()),
            RequestNotPassed::Late(_) => self.away(&refused, StatusCode::GATEWAY_TIMEOUT),
            RequestNotPassed::Unreached(_) | RequestNotPassed::Unanswered(_) => {
                self.away(&refused, StatusCode::BAD_GATEWAY)
            }
        };
        problem.into_response()
    }

    /// Clients learn that there is a server behind, and not which; the log says why, once.
    fn away(&self, why: &RequestNotPassed, status: StatusCode) -> Problem {
        if !self.is_away.swap(true, Relaxed) {
            tracing::warn!(server = %self.authority, %why, "requests cannot be passed on: look at that server");
        }
        let (title, detail) = told_of(why);
        Problem::new(status, "upstream-away", title).detail(detail)
    }

    async fn try_pass(&self, mut request: Request<Body>) -> Result<Response<Body>, RequestNotPassed> {
        let accepted = request.extensions().get::<Accepted>().cloned();
        let client = request.extensions().get::<WebClient>().map(|client| client.address);
        let holder = ShareHolder::of(None, client.or_else(|| accepted.as_ref().map(|accepted| accepted.peer.ip())));
        let place = Arc::new(self.places.take(holder.clone()).map_err(RequestNotPassed::Crowded)?);
        let turn = request.extensions().get::<Turn>().cloned();
        let (method, path) = (request.method(), request.uri().path());
        let within = (self.answers.begin_within)(method, path);
        let is_for_known = (self.answers.are_for_known)(method, path);
        let of_client = opens_socket(&request).then(|| hyper::upgrade::on(&mut request));
        let onward = onward(request, &self.authority, of_client.is_some())?;
        let onward = onward.map(|body| with_place(body, place.clone()));
        self.meter.request();
        let answered = tokio::time::timeout(within, self.pool.request(onward)).await;
        let answered = match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RequestNotPassed::of(&error)),
            Err(_) => Err(RequestNotPassed::Late(within)),
        };
        let answer = answered.inspect_err(|refused| {
            if !matches!(refused, RequestNotPassed::Body(_)) {
                self.meter.error();
            }
        })?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let unasked = || RequestNotPassed::Unanswered("it opens a socket that nobody has asked for".to_owned());
            let of_client = of_client.ok_or_else(unasked)?;
            stays(&self.known, accepted.as_ref(), holder);
            return Ok(opened(answer, of_client, place));
        }
        let is_good = answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED;
        if is_for_known && is_good {
            stays(&self.known, accepted.as_ref(), holder);
        }
        // What follows has that place, not the one of the request: there may be many streams.
        turn.iter().for_each(Turn::ends);
        let (mut head, body) = answer.into_parts();
        without_those(&mut head.headers);
        let media_type = head.headers.get(header::CONTENT_TYPE);
        let is_stream = media_type.is_some_and(|of| of.as_bytes().starts_with(b"text/event-stream"));
        let (reader, drain) = match is_stream {
            true => (AnswerReader::OfStream, Some(self.drain.clone())),
            false => (turn.as_ref().map_or(AnswerReader::AtItsPace, Turn::reader), None),
        };
        let mut passed = Response::new(passed_back(body, place, reader, drain));
        *passed.status_mut() = head.status;
        *passed.headers_mut() = head.headers;
        Ok(passed)
    }
}

/// What a client is told while the server is away: above all whether it may have carried the request out.
fn told_of(why: &RequestNotPassed) -> (&'static str, &'static str) {
    match why {
        RequestNotPassed::Unreached(_) => ("The request was not passed on", "the server behind cannot be reached"),
        RequestNotPassed::Late(_) => {
            ("There is no answer", "the server behind does not answer; it may have carried the request out")
        }
        _ => ("There is no answer", "the server behind has broken off; it may have carried the request out"),
    }
}

/// The server knows who asks by this connection, which may stay, then, as a share of such connections allows: there is no token here whose
/// share it could be, so it is that of its client's address.
fn stays(known: &Shares, accepted: Option<&Accepted>, holder: ShareHolder) {
    let Some(accepted) = accepted else { return };
    if !accepted.has_place() {
        let Ok(place) = known.take(holder) else { return };
        accepted.takes(place);
    }
    accepted.mark_authenticated();
}

/// The request as it goes on.
fn onward(request: Request<Body>, authority: &Authority, is_opening: bool) -> Result<Request<Body>, RequestNotPassed> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(RequestNotPassed::Target);
    }
    let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTPS).authority(authority.clone()).path_and_query(path).build();
    let uri = uri.map_err(|_| RequestNotPassed::Target)?;
    let client = head.extensions.get::<WebClient>().copied();
    let mut onward = Request::new(body);
    *onward.method_mut() = head.method;
    *onward.uri_mut() = uri;
    *onward.headers_mut() = told_onward(head.headers, client, is_opening);
    Ok(onward)
}

/// The body of a request with a place until it has been passed on: the server may have answered before it has come, and refused it.
fn with_place(body: Body, place: Arc<Place>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(body.map_err(move |error| {
        let _place = &place;
        error
    }))
}

/// The headers of a request on its way to the server: those of its client, `Host` included, without those of one hop, and whom it is from.
fn told_onward(mut headers: HeaderMap, client: Option<WebClient>, is_opening: bool) -> HeaderMap {
    without_those(&mut headers);
    for name in &OF_THE_CLIENT {
        headers.remove(name);
    }
    for (name, value) in client.iter().flat_map(WebClient::told) {
        headers.insert(name, value);
    }
    in_one_cookie(&mut headers);
    if is_opening {
        of_socket(&mut headers);
    }
    headers
}

/// Takes out what concerns one hop: also what its sender says that it does. `Host` is never among that.
fn without_those(headers: &mut HeaderMap) {
    let said = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let said = said.flat_map(|names| names.split(',')).map(str::trim);
    let said: Vec<HeaderName> = said.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
    for name in said.iter().chain(&OF_THE_HOP).filter(|name| **name != header::HOST) {
        headers.remove(name);
    }
}

/// HTTP/2 may bring a cookie in crumbs, which HTTP/1.1 does not know (RFC 9113 section 8.2.3).
fn in_one_cookie(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    if let Ok(whole) = whole {
        headers.insert(header::COOKIE, whole);
    }
}

fn of_socket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, WEB_SOCKET);
}

/// The answer that opens a socket; from then on either side talks with the other.
fn opened(mut answer: Response<Incoming>, of_client: OnUpgrade, place: Arc<Place>) -> Response<Body> {
    let of_server = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let _place = place;
        // Either side may have left.
        if let (Ok(client), Ok(server)) = (of_client.await, of_server.await) {
            join(TokioIo::new(client), TokioIo::new(server)).await;
        }
    });
    let mut headers = answer.headers().clone();
    without_those(&mut headers);
    of_socket(&mut headers);
    let mut opened = Response::new(Body::empty());
    *opened.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *opened.headers_mut() = headers;
    opened
}

// === connections ===

/// Connects within [`CONNECT_WITHIN`], TLS included: the pool lets a connection go on being made after its request has left it.
#[derive(Clone)]
struct ShakenInTime(HttpsConnector<CountedConnector>);

impl Service<Uri> for ShakenInTime {
    type Response = <HttpsConnector<CountedConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, self.0.call(url));
        Box::pin(async move { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in of {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn client() -> WebClient {
        WebClient { address: "203.0.113.7".parse().unwrap(), is_secure: true, is_passed_on: false }
    }

    #[test]
    fn one_address_leaves_room_for_others_and_all_together_leave_connections_of_the_server() {
        let places = Shares::new(PASSED_ON_MAX);
        let of = |n: u32| places.take(ShareHolder::of(None, Some(std::net::Ipv4Addr::from_bits(n).into()))).ok();
        let of_one: Vec<Place> = (0..).map_while(|_: u32| of(1)).collect();
        assert_eq!(of_one.len(), PASSED_ON_MAX.all / 2);
        let of_others: Vec<Place> = (2..).map_while(of).collect();
        let all = of_one.len() + of_others.len();
        assert!(!of_others.is_empty() && all + IDLE_MAX < CONNECTIONS_MAX, "{all}");
    }

    #[test]
    fn a_connection_whose_client_the_server_knows_stays_within_the_share_of_its_address() {
        let known = Shares::new(Capacity { all: 2 });
        let accepted = || Accepted::new("192.0.2.1:1024".parse().unwrap());
        let of = |address: &str| ShareHolder::of(None, Some(address.parse().unwrap()));
        let (first, second, other) = (accepted(), accepted(), accepted());
        for _ in 0..2 {
            stays(&known, Some(&first), of("203.0.113.7"));
        }
        stays(&known, Some(&second), of("203.0.113.7"));
        stays(&known, Some(&other), of("203.0.113.8"));
        assert_eq!([&first, &second, &other].map(Accepted::has_place), [true, false, true]);
        drop(first);
        stays(&known, Some(&second), of("203.0.113.7"));
        assert!(second.has_place(), "those that have ended count no more");
    }

    #[test]
    fn whom_a_request_is_from_is_told_by_us_and_by_nobody_before_us() {
        let sent = headers(&[
            ("host", "centre.example"),
            ("authorization", "Bearer t"),
            ("x-request-id", "order-7"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "198.51.100.2"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=198.51.100.1"),
            ("content-length", "9"),
        ]);
        let expected = [
            ("host", "centre.example"),
            ("authorization", "Bearer t"),
            ("x-request-id", "order-7"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(told_onward(sent.clone(), Some(client()), false), headers(&expected));
        assert_eq!(told_onward(sent, None, false), headers(&expected[..3]), "where nobody knows, nothing is told");
    }

    #[test]
    fn what_concerns_one_hop_stays_there_and_a_client_takes_nothing_else_with_it() {
        let mut sent = headers(&[
            ("connection", "keep-alive, X-Own, host"),
            ("connection", "x-forwarded-for"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-own", "1"),
            ("host", "centre.example"),
            ("accept", "*/*"),
        ]);
        let onward = told_onward(sent.clone(), Some(client()), false);
        let told = [("host", "centre.example"), ("accept", "*/*"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(onward, headers(&[&told[..], &[("x-forwarded-proto", "https")]].concat()));
        without_those(&mut sent);
        assert_eq!(sent, headers(&told[..2]));
    }

    #[test]
    fn who_has_no_answer_is_told_whether_the_request_may_have_been_carried_out() {
        let told = |why: RequestNotPassed| told_of(&why).1.contains("may have carried the request out");
        assert!(!told(RequestNotPassed::Unreached("refused".to_owned())));
        assert!(told(RequestNotPassed::Unanswered("connection reset".to_owned())));
        assert!(told(RequestNotPassed::Late(Duration::from_secs(33))));
    }

    #[test]
    fn crumbs_of_a_cookie_become_one() {
        let sent = headers(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        assert_eq!(told_onward(sent, None, false), headers(&[("cookie", "a=1; b=2; c=3")]));
        assert_eq!(told_onward(headers(&[("cookie", "a=1")]), None, false), headers(&[("cookie", "a=1")]));
    }

    #[test]
    fn a_web_socket_alone_is_opened_further_inside() {
        let asking = |method: Method, upgrade: &'static str| {
            let request = Request::builder().method(method).uri("/sip").header("upgrade", upgrade);
            opens_socket(&request.body(Body::empty()).unwrap())
        };
        assert!(asking(Method::GET, "WebSocket"));
        assert!(!asking(Method::POST, "websocket") && !asking(Method::GET, "h2c"));
        let told = told_onward(headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]), None, true);
        assert_eq!(told, headers(&[("connection", "upgrade"), ("upgrade", "websocket")]));
    }

    #[test]
    fn a_request_goes_to_the_server_and_to_no_other_place() {
        let authority = Authority::from_static("inside.example:8443");
        let to = |method: Method, target: &str| {
            let request = Request::builder().method(method).uri(target).body(Body::from("x")).unwrap();
            onward(request, &authority, false).map(|onward| onward.uri().to_string()).ok()
        };
        let at = |path: &str| Some(format!("https://inside.example:8443{path}"));
        assert_eq!(to(Method::POST, "/telemetry/v1/traces?a=b"), at("/telemetry/v1/traces?a=b"));
        assert_eq!(to(Method::GET, "https://evil.example/x"), at("/x"));
        assert_eq!(to(Method::GET, "//evil.example/x"), at("//evil.example/x"));
        assert_eq!(to(Method::CONNECT, "evil.example:443"), None);
    }
}
