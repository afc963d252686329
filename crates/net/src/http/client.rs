//! A client of one connection of the table: from the role's address, with token, deadline and meter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use runtime::spans::TraceParent;
use runtime::{Problem, RoleContext};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::known_replicas::ReplicasKnown;
use super::ranked_replicas::ranked;
use super::trusted_proxies::WebClient;
use crate::connector::{Connector, port_of};

/// The default deadline of a request.
const DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer that is read into memory, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The most idle connections kept open to one peer.
const IDLE_PER_PEER_MAX: usize = 128;
/// How long an unused connection stays open: less than at the server, or a request is written while that one closes it.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(8);
/// Attempts of one request, the first included, each at another replica: the one that has refused would get more of what it cannot take.
const ATTEMPTS_MAX: usize = 3;
/// Whoever names one gets the answer again that the replica has given to it before.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends requests over one connection of the table. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    ctx: RoleContext,
    connector: Connector,
    role: &'static str,
    port: u16,
    next: AtomicUsize,
    known: ReplicasKnown,
    pool: legacy::Client<Connector, Full<Bytes>>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No replica of the role is known.
    #[error("no replica of {0} is known")]
    Nowhere(&'static str),
    /// The address accepts no connections; nothing was sent.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] legacy::Error),
    /// The deadline passed; the request may have been carried out.
    #[error("no answer from {0} in time")]
    Deadline(SocketAddr),
    /// The connection broke; the request may have been carried out.
    #[error("the connection to {0} broke")]
    Broken(SocketAddr, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused, with its reason.
    #[error("refused: {0}")]
    Refused(Problem),
    /// The answer or the request does not have the agreed shape.
    #[error("not the agreed shape: {0}")]
    Shape(String),
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Client {
    /// A client for the connection `id`, which the role declares in `opens`; role and port come from the table.
    pub fn new(ctx: &RoleContext, id: &str) -> anyhow::Result<Self> {
        let row = runtime::connections::find(id).ok_or_else(|| anyhow::anyhow!("no connection {id} in the table"))?;
        Self::to(ctx, id, row.to, port_of(id)?)
    }

    /// A client for a connection whose row names a group or several ports.
    pub fn to(ctx: &RoleContext, id: &str, role: &'static str, port: u16) -> anyhow::Result<Self> {
        let connector = Connector::new(ctx, id)?;
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_PEER_MAX)
            // One of which nothing was written goes by another connection, to the same replica too.
            .retry_canceled_requests(true)
            .build(connector.clone());
        let (next, known) = (AtomicUsize::new(0), ReplicasKnown::default());
        let inner = Inner { ctx: ctx.clone(), connector, role, port, next, known, pool };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The replicas that there are now, for requests that go to one of them ([`Call::at`]).
    pub fn replicas(&self) -> Vec<SocketAddr> {
        self.inner.ctx.directory.addresses(self.inner.role, self.inner.port)
    }

    /// The same replicas in their order, but those last that fail, for requests that go to one of them ([`Call::at`]).
    pub fn failing_last(&self, replicas: Vec<SocketAddr>) -> Vec<SocketAddr> {
        self.inner.known.failing_last(replicas)
    }

    pub(super) fn known(&self) -> &ReplicasKnown {
        &self.inner.known
    }

    pub(super) fn ctx(&self) -> &RoleContext {
        &self.inner.ctx
    }

    pub(super) fn role(&self) -> &'static str {
        self.inner.role
    }

    /// A GET of a path with its query.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// A PUT.
    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request of any method.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers: http::HeaderMap::new(),
            body: Ok(Bytes::new()),
            at: None,
            deadline: DEADLINE,
            attempts: 1,
            silent_max: None,
            leaves_hung: false,
            is_look: false,
            bears_token: true,
        }
    }

    /// A look at a replica, of which nothing is noted.
    pub(super) fn look(&self, replica: SocketAddr, within: Duration) -> Call {
        Call { is_look: true, ..self.get("/live").without_token().at(replica).deadline(within) }
    }
}

/// A request that is being put together.
#[derive(Clone)]
#[must_use = "a request is sent by send()"]
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: http::HeaderMap,
    body: Result<Bytes, String>,
    at: Option<SocketAddr>,
    deadline: Duration,
    attempts: usize,
    silent_max: Option<Duration>,
    leaves_hung: bool,
    is_look: bool,
    bears_token: bool,
}

impl Call {
    /// With a JSON body.
    pub fn json<T: Serialize>(mut self, body: &T) -> Self {
        self.body = serde_json::to_vec(body).map(Bytes::from).map_err(|error| error.to_string());
        self.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// With a body of this media type.
    pub fn body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = Ok(body.into());
        self.header(header::CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// With a body whose media type is among the headers.
    pub fn raw_body(mut self, body: Bytes) -> Self {
        self.body = Ok(body);
        self
    }

    /// With a header. The caller token is added when the request is sent, unless `authorization` is set here or
    /// [`Self::without_token`] is used.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Says from whom the request is that is relayed, and whether it came by TLS, in place of what anybody else has written of that.
    pub fn relayed_for(self, client: &WebClient) -> Self {
        client.told().fold(self, |call, (name, value)| call.header(name, value))
    }

    /// Without the role's own token: a request relayed for another caller must carry only that caller's rights.
    pub fn without_token(mut self) -> Self {
        self.bears_token = false;
        self
    }

    /// As part of this span, if there is one.
    pub fn within(self, parent: Option<TraceParent>) -> Self {
        const TRACE_PARENT: HeaderName = HeaderName::from_static(runtime::spans::TRACE_PARENT);
        match parent {
            Some(parent) => self.header(TRACE_PARENT, parent.header()),
            None => self,
        }
    }

    /// To this replica and no other.
    pub fn at(mut self, replica: SocketAddr) -> Self {
        self.at = Some(replica);
        self
    }

    /// The deadline for all attempts together.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Marks the request as safe to repeat: after a broken connection or a 503 another replica is asked, where there is one. The same one is
    /// not asked again.
    pub fn idempotent(mut self) -> Self {
        self.attempts = ATTEMPTS_MAX;
        self
    }

    /// How long a replica may be silent while another one has not been asked: one that is stopped, or hangs, still takes connections. For
    /// requests that are [`Self::idempotent`]; without it a replica may take the whole deadline.
    pub fn silent_max(mut self, silent_max: Duration) -> Self {
        self.silent_max = Some(silent_max);
        self
    }

    /// Leaves a replica that turns out to hang while the request waits there, as if the connection had broken: for long polls, which are
    /// silent for long. [`Client::watch_replicas`] finds that out.
    pub fn leaves_hung(mut self) -> Self {
        self.leaves_hung = true;
        self
    }

    /// Sends it and reads the answer; an answer of 400 and above is [`CallError::Refused`].
    pub async fn send(self) -> Result<Answer, CallError> {
        let answer = self.send_any().await?;
        if answer.status.is_success() { Ok(answer) } else { Err(CallError::Refused(answer.problem())) }
    }

    /// Sends it and reads the answer as JSON.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T, CallError> {
        self.send().await?.json()
    }

    /// Sends it and reads the answer, whatever its status.
    pub async fn send_any(self) -> Result<Answer, CallError> {
        let deadline = tokio::time::Instant::now() + self.deadline;
        let (response, from) = self.attempt_all(deadline).await?;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout_at(deadline, Limited::new(body, ANSWER_BYTES_MAX).collect())
            .await
            .map_err(|_| CallError::Deadline(from))?
            .map_err(|error| CallError::Broken(from, error))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    /// Sends it and returns the answer as a stream, for relaying; the deadline applies to its head.
    pub async fn stream(self) -> Result<http::Response<Body>, CallError> {
        let deadline = tokio::time::Instant::now() + self.deadline;
        let (response, _) = self.attempt_all(deadline).await?;
        Ok(response.map(Body::new))
    }

    async fn attempt_all(
        &self,
        deadline: tokio::time::Instant,
    ) -> Result<(http::Response<Incoming>, SocketAddr), CallError> {
        let inner = &*self.client.inner;
        let replicas = match self.at {
            Some(replica) => vec![replica],
            None => self.in_turn(),
        };
        if replicas.is_empty() {
            return Err(CallError::Nowhere(inner.role));
        }
        let turns = ReplicaTurns { replicas, attempts: self.attempts, silent_max: self.silent_max, deadline };
        turns.take(is_full, |to, until| self.attempt(to, until)).await
    }

    /// The replicas in the order in which they are asked.
    fn in_turn(&self) -> Vec<SocketAddr> {
        let (inner, replicas) = (&*self.client.inner, self.client.replicas());
        // The replica that remembers the answer to a key is asked first whatever has become of it: another one would do it a second time.
        match self.headers.get(IDEMPOTENCY_KEY) {
            Some(key) => ranked(replicas, key.as_bytes()),
            None => inner.known.failing_last(from_next(replicas, &inner.next)),
        }
    }

    async fn attempt(
        &self,
        to: SocketAddr,
        deadline: tokio::time::Instant,
    ) -> Result<http::Response<Incoming>, CallError> {
        let request = self.request(to)?;
        let inner = &*self.client.inner;
        let meter = inner.connector.peer(to);
        meter.request();
        let answered = tokio::time::timeout_at(deadline, inner.pool.request(request));
        let outcome = tokio::select! {
            biased;
            outcome = answered => outcome,
            () = self.hangs(to) => {
                meter.error();
                return Err(CallError::Broken(to, "it hangs".into()));
            }
        };
        self.note(to, &outcome);
        let failed = match outcome {
            Ok(Ok(response)) => return Ok(response),
            // The connector has counted this failure.
            Ok(Err(error)) if error.is_connect() => return Err(CallError::Connect(to, error)),
            Ok(Err(error)) => CallError::Broken(to, error.into()),
            Err(_) => CallError::Deadline(to),
        };
        meter.error();
        Err(failed)
    }

    /// Waits until a replica turns out to hang, where that is of concern.
    async fn hangs(&self, to: SocketAddr) {
        if self.leaves_hung { self.client.inner.known.comes_to_hang(to).await } else { std::future::pending().await }
    }

    /// Notes what a replica has done with the request. Where the caller has chosen it, silence and gateway errors say nothing of it:
    /// those are of what stands behind it, or of requests that take long, and what belongs to that replica would move for nothing.
    fn note<E>(&self, to: SocketAddr, outcome: &Result<Result<http::Response<Incoming>, legacy::Error>, E>) {
        let (known, is_chosen) = (&self.client.inner.known, self.at.is_some());
        match outcome {
            _ if self.is_look => {}
            Ok(Ok(response)) if is_gateway_error(response.status()) && !is_chosen => known.failed(to),
            Ok(Ok(_)) => known.answered(to),
            Ok(Err(error)) if error.is_connect() || !is_chosen => known.failed(to),
            Err(_) if !is_chosen => known.failed(to),
            Ok(Err(_)) | Err(_) => {}
        }
    }

    fn request(&self, to: SocketAddr) -> Result<Request<Full<Bytes>>, CallError> {
        let shape = |error: &dyn std::fmt::Display| CallError::Shape(error.to_string());
        let inner = &*self.client.inner;
        let body = self.body.clone().map_err(CallError::Shape)?;
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("http://{to}{}", self.path))
            .body(Full::new(body))
            .map_err(|error| shape(&error))?;
        *request.headers_mut() = self.headers.clone();
        if self.bears_token && !self.headers.contains_key(header::AUTHORIZATION) {
            let token = inner.ctx.token_for(inner.role).map_err(|error| shape(&error))?;
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| shape(&error))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }
}

/// Whether a replica says that it cannot reach whom it needs. 503 is none: it comes at once, and from a replica that is there.
fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
}

fn is_full(response: &http::Response<Incoming>) -> bool {
    response.status() == StatusCode::SERVICE_UNAVAILABLE
}

/// The replicas that a request is sent to, one after the other.
struct ReplicaTurns {
    /// In this order.
    replicas: Vec<SocketAddr>,
    /// How often it may be sent, each time to another one.
    attempts: usize,
    silent_max: Option<Duration>,
    deadline: tokio::time::Instant,
}

impl ReplicaTurns {
    /// Attempts it, each time until a given time, until a replica has answered that is not full, or there is no further turn.
    async fn take<T, F>(
        &self,
        is_full: impl Fn(&T) -> bool,
        attempt: impl Fn(SocketAddr, tokio::time::Instant) -> F,
    ) -> Result<(T, SocketAddr), CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let count = self.replicas.len();
        let attempts = self.attempts.min(count);
        // Without a connection nothing was sent: the next replica may be tried even if the request is not
        // idempotent.
        let attempts_max = count.min(ATTEMPTS_MAX);
        let mut made = 0;
        loop {
            let to = self.replicas[made % count];
            made += 1;
            let is_another_left = made < attempts;
            let until = match self.silent_max {
                Some(silent_max) if is_another_left => self.deadline.min(tokio::time::Instant::now() + silent_max),
                _ => self.deadline,
            };
            let outcome = attempt(to, until).await;
            let again = match &outcome {
                Ok(answer) => is_full(answer) && made < attempts,
                Err(CallError::Connect(..)) => made < attempts_max,
                Err(CallError::Broken(..)) => made < attempts,
                Err(CallError::Deadline(_)) => until < self.deadline,
                Err(_) => false,
            };
            if !again {
                return outcome.map(|answer| (answer, to));
            }
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| CallError::Shape(error.to_string()))
    }

    /// The problem in the body, or one made from the status.
    pub fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            Problem::new(self.status, "status", self.status.canonical_reason().unwrap_or("no reason given"))
        })
    }
}

/// One GET with the caller's own token, for operators' commands, which run outside any role.
pub async fn get_once(to: SocketAddr, path: &str, token: &str) -> anyhow::Result<Answer> {
    send_once(Method::GET, to, path, token).await
}

/// One request without a body, with a token of the caller's own.
pub async fn send_once(method: Method, to: SocketAddr, path: &str, token: &str) -> anyhow::Result<Answer> {
    let pool = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{to}{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::new(Bytes::new()))?;
    let (parts, body) = pool.request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}

/// The replicas from the one on whose turn it is.
fn from_next(mut replicas: Vec<SocketAddr>, next: &AtomicUsize) -> Vec<SocketAddr> {
    if !replicas.is_empty() {
        let first = next.fetch_add(1, Relaxed) % replicas.len();
        replicas.rotate_left(first);
    }
    replicas
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn no_request_is_written_while_the_server_closes_its_idle_connection() {
        let margin = Duration::from_secs(2);
        assert!(IDLE_TIMEOUT + margin <= runtime::server::HEAD_TIMEOUT);
    }

    #[test]
    fn a_gateway_error_is_one_of_who_stands_behind_a_replica() {
        let are = [502, 504].map(|status| is_gateway_error(StatusCode::from_u16(status).unwrap()));
        let are_not = [200, 404, 500, 503].map(|status| is_gateway_error(StatusCode::from_u16(status).unwrap()));
        assert_eq!((are, are_not), ([true; 2], [false; 4]));
    }

    #[test]
    fn requests_without_a_key_go_to_the_replicas_in_turn() {
        let (next, both) = (AtomicUsize::new(0), vec![SILENT, ANSWERING]);
        let firsts = [0; 3].map(|_| from_next(both.clone(), &next)[0]);
        assert_eq!(firsts, [SILENT, ANSWERING, SILENT]);
        assert!(from_next(Vec::new(), &next).is_empty());
    }

    const SILENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, 9, 1)), 8800);
    const ANSWERING: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, 9, 2)), 8800);
    const DEADLINE_MS: u64 = 4_000;

    /// Sends a request that is safe to repeat to these replicas. Returns who was asked, who has answered, and after how long, in milliseconds.
    async fn sent_to(
        replicas: &[SocketAddr],
        silent_max: Option<Duration>,
    ) -> (Vec<SocketAddr>, Option<SocketAddr>, u128) {
        let (began, asked) = (tokio::time::Instant::now(), Mutex::new(Vec::new()));
        let deadline = began + Duration::from_millis(DEADLINE_MS);
        let (replicas, attempts) = (replicas.to_vec(), ATTEMPTS_MAX);
        let turns = ReplicaTurns { replicas, attempts, silent_max, deadline };
        let attempt = |to: SocketAddr, until: tokio::time::Instant| {
            asked.lock().unwrap().push(to);
            async move {
                if to == SILENT {
                    tokio::time::sleep_until(until).await;
                    return Err(CallError::Deadline(to));
                }
                Ok(())
            }
        };
        let answered = turns.take(|_: &()| false, attempt).await;
        (asked.into_inner().unwrap(), answered.ok().map(|((), from)| from), began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_takes_a_connection_and_is_silent_does_not_keep_another_from_being_asked() {
        let second = Some(Duration::from_secs(1));
        let (asked, answered, after) = sent_to(&[SILENT, ANSWERING], second).await;
        assert_eq!((asked, answered), (vec![SILENT, ANSWERING], Some(ANSWERING)));
        assert!((1_000..1_100).contains(&after), "{after}");
        let (asked, answered, after) = sent_to(&[SILENT], second).await;
        assert_eq!((asked, answered), (vec![SILENT], None));
        assert!(after >= u128::from(DEADLINE_MS), "it is the last one, and has all the time that is left: {after}");
        let (asked, answered, _) = sent_to(&[SILENT, ANSWERING], None).await;
        assert_eq!((asked, answered), (vec![SILENT], None), "as others are asked");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_repeated_goes_to_another_replica_and_never_to_the_same_one() {
        let others = [SILENT, ANSWERING, SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, 9, 3)), 8800)];
        for (attempts, replicas, times) in [(ATTEMPTS_MAX, 1, 1), (ATTEMPTS_MAX, 2, 2), (ATTEMPTS_MAX, 3, 3), (1, 3, 1)]
        {
            for is_broken in [false, true] {
                let asked = Mutex::new(Vec::new());
                let deadline = tokio::time::Instant::now() + Duration::from_millis(DEADLINE_MS);
                let replicas = others[..replicas].to_vec();
                let turns = ReplicaTurns { replicas, attempts, silent_max: None, deadline };
                let attempt = |to: SocketAddr, _: tokio::time::Instant| {
                    asked.lock().unwrap().push(to);
                    async move { if is_broken { Err(CallError::Broken(to, "it broke".into())) } else { Ok(()) } }
                };
                let answered = turns.take(|_: &()| true, attempt).await;
                assert_eq!(answered.is_err(), is_broken, "the last one's answer is the answer");
                assert_eq!(asked.into_inner().unwrap(), others[..times], "{attempts} attempts, broken: {is_broken}");
            }
        }
    }
}
