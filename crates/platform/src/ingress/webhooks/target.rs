//! Where deliveries go: which addresses are let in, and the client that connects to no others.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use net::public_address::{Reach, literal};
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use super::deliveries::{AttemptOutcome, WAIT_MAX, WebhookMessage};
use super::lookups::Lookups;
use super::retry_after;
use super::signature::SigningKey;

/// The longest address of a webhook, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an attempt may take, from the search for the address to the answer's head.
pub(super) const ATTEMPT_WITHIN: Duration = Duration::from_secs(15);
/// The most idle connections to one target.
const IDLE_MAX: usize = 4;
/// How long an unused connection stays open.
const IDLE_WITHIN: Duration = Duration::from_secs(30);

/// Checks the address of a webhook as far as it can be done without asking for its host.
pub(super) fn check(reach: Reach, url: &str) -> Result<Uri, String> {
    if url.len() > URL_BYTES_MAX {
        return Err(format!("it must have at most {URL_BYTES_MAX} bytes"));
    }
    let uri: Uri = url.parse().map_err(|_| "it is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it must begin with http:// or https://".to_owned());
    }
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || authority.contains('@') {
        return Err("it must name a host, without user or password".to_owned());
    }
    match literal(host) {
        Some(ip) if !reach.allows(ip) => Err(not_public(ip)),
        _ => Ok(uri),
    }
}

fn not_public(ip: IpAddr) -> String {
    format!("{ip} is no address of the public Internet: see the setting ingress.webhook_private")
}

// === the client ===

/// Sends deliveries. Cheap to clone.
#[derive(Clone)]
pub(super) struct DeliveryClient {
    guarded: Guarded,
    tls: Arc<rustls::ClientConfig>,
    pool: legacy::Client<InTime, Full<Bytes>>,
}

impl DeliveryClient {
    /// A client that verifies servers by this machine's authorities.
    pub fn new(reach: Reach) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // Without any, deliveries by https fail, each with its reason.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS of deliveries")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::by(Guarded { reach, lookups: Lookups::of_all() }, Arc::new(tls)))
    }

    fn by(guarded: Guarded, tls: Arc<rustls::ClientConfig>) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(InTime(HttpsConnector::from((guarded.clone(), tls.clone()))));
        Self { guarded, tls, pool }
    }

    /// One with the lookups of one more tenant.
    pub fn of_tenant(&self) -> Self {
        Self::by(Guarded { lookups: self.guarded.lookups.of_tenant(), ..self.guarded }, self.tls.clone())
    }

    /// One with the lookups of one more webhook of the tenant.
    pub fn of_webhook(&self) -> Self {
        Self::by(Guarded { lookups: self.guarded.lookups.of_webhook(), ..self.guarded }, self.tls.clone())
    }

    /// One attempt. `now_s` is the present time in seconds since 1970.
    pub async fn deliver(
        &self,
        url: &Uri,
        secret: &SigningKey,
        message: &WebhookMessage,
        now_s: u64,
    ) -> AttemptOutcome {
        let failed = |why: String| AttemptOutcome::Failed { why, again_after: None };
        let request = match request(url, secret, message, now_s) {
            Ok(request) => request,
            Err(error) => return failed(error.to_string()),
        };
        match tokio::time::timeout(ATTEMPT_WITHIN, self.pool.request(request)).await {
            // The answer's body says nothing: dropping it closes the connection if it is long.
            Ok(Ok(answer)) => outcome(answer.status(), answer.headers(), now_s),
            Ok(Err(error)) => failed(reason(&error)),
            Err(_) => failed(format!("no answer within {} s", ATTEMPT_WITHIN.as_secs())),
        }
    }
}

fn request(
    url: &Uri,
    secret: &SigningKey,
    message: &WebhookMessage,
    now_s: u64,
) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    Request::post(url.clone())
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"))
        .header(header::USER_AGENT, HeaderValue::from_static(concat!("trunkline/", env!("CARGO_PKG_VERSION"))))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", now_s)
        .header("webhook-signature", secret.sign(&message.id, now_s, &message.body))
        .body(Full::new(message.body.clone()))
}

/// What a status says. A redirection is not followed: the target was checked, the other one was not.
fn outcome(status: StatusCode, headers: &HeaderMap, now_s: u64) -> AttemptOutcome {
    let why = format!("status {}", status.as_u16());
    if status.is_success() {
        return AttemptOutcome::Taken;
    }
    if status == StatusCode::GONE {
        return AttemptOutcome::Refused { why };
    }
    let wait = headers.get(header::RETRY_AFTER).and_then(|value| retry_after::wait(value.to_str().ok()?, now_s));
    AttemptOutcome::Failed { why, again_after: wait.map(|wait| wait.min(WAIT_MAX)) }
}

/// An error with its causes.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Connects within [`CONNECT_WITHIN`], TLS included: the pool lets a connection go on being made after its request has left it.
#[derive(Clone)]
struct InTime(HttpsConnector<Guarded>);

impl Service<Uri> for InTime {
    type Response = <HttpsConnector<Guarded> as Service<Uri>>::Response;
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

/// Connects to addresses that are let in alone. The host is asked for here, and what was checked is what is connected to.
#[derive(Clone)]
struct Guarded {
    reach: Reach,
    lookups: Lookups,
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
        Box::pin(async move { connect(&guarded, &url).await.map(TokioIo::new) })
    }
}

async fn connect(guarded: &Guarded, url: &Uri) -> io::Result<TcpStream> {
    let reach = guarded.reach;
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    // The same words for a host that is not known and one inside: the tenant reads them, and must not learn names of this network.
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address of the public Internet"));
    let addresses = match literal(host) {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        None => {
            let found = guarded.lookups.find(host, port).await;
            found.map_err(|error| if reach == Reach::Public { unknown() } else { error })?
        }
    };
    let mut failure = unknown();
    for address in addresses.into_iter().filter(|address| reach.allows(address.ip())) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_address_is_http_to_a_host_that_is_let_in() {
        let checked = |url: &str| check(Reach::Public, url).map(drop);
        for good in ["https://crm.example/hooks?a=b", "http://crm.example:8080", "https://9.9.9.9/"] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (wrong, rule) in [
            ("ftp://crm.example/", "http:// or https://"),
            ("crm.example", "http:// or https://"),
            ("/hooks", "http:// or https://"),
            ("https://user:secret@crm.example/", "without user"),
            ("http://127.0.0.1:8080/", "public Internet"),
            ("http://[::1]/", "public Internet"),
            ("http://169.254.169.254/latest", "public Internet"),
            ("http://a b/", "not a URL"),
        ] {
            let fault = checked(wrong).unwrap_err();
            assert!(fault.contains(rule), "{wrong}: {fault}");
        }
        assert!(checked(&format!("https://crm.example/{}", "x".repeat(URL_BYTES_MAX))).unwrap_err().contains("bytes"));
        assert!(check(Reach::Everywhere, "http://127.0.0.1:8080/").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
        let guarded = |reach| Guarded { reach, lookups: Lookups::of_all() };
        let refused = connect(&guarded(Reach::Public), &url).await.unwrap_err();
        let elsewhere = "http://no-such-host.invalid/".parse().unwrap();
        let unknown = connect(&guarded(Reach::Public), &elsewhere).await.unwrap_err();
        let words = |error: &io::Error| error.to_string().replace("localhost", "").replace("no-such-host.invalid", "");
        assert_eq!(words(&refused), words(&unknown), "who asks does not learn which names there are inside");
        assert!(connect(&guarded(Reach::Everywhere), &url).await.is_ok());
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        let mut headers = HeaderMap::new();
        assert_eq!(outcome(StatusCode::NO_CONTENT, &headers, 0), AttemptOutcome::Taken);
        assert_eq!(outcome(StatusCode::GONE, &headers, 0), AttemptOutcome::Refused { why: "status 410".to_owned() });
        let failed = |again_after| AttemptOutcome::Failed { why: "status 503".to_owned(), again_after };
        assert_eq!(outcome(StatusCode::SERVICE_UNAVAILABLE, &headers, 0), failed(None));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("99999999"));
        assert_eq!(outcome(StatusCode::SERVICE_UNAVAILABLE, &headers, 0), failed(Some(WAIT_MAX)));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let asked = outcome(StatusCode::SERVICE_UNAVAILABLE, &headers, 784_111_707);
        assert_eq!(asked, failed(Some(Duration::from_secs(70))));
        assert!(matches!(outcome(StatusCode::FOUND, &headers, 0), AttemptOutcome::Failed { .. }));
    }
}
