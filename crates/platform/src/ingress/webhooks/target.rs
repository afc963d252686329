//! Where deliveries go: which addresses are let in, and the client that connects to no others.

use std::future::Future;
use std::io;
use std::net::IpAddr;
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
use hyper_util::rt::{TokioExecutor, TokioTimer};
use net::guarded::Guarded;
use net::lookups::Lookups;
use net::public_address::{Reach, literal};
use tower::{BoxError, Service};

use super::deliveries::{AttemptOutcome, WAIT_MAX, WebhookMessage};
use super::signature::SigningKey;
use crate::ingress::retry_after;

/// The longest address of a webhook, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Lookups of hosts of all tenants under way at once: some of the role's 16 threads for the disk stay free.
const LOOKUPS_MAX: usize = 12;
/// Those of one tenant.
const LOOKUPS_OF_TENANT_MAX: usize = 2;
/// Those of one webhook.
const LOOKUPS_OF_WEBHOOK_MAX: usize = 1;
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
    reach: Reach,
    lookups: Lookups,
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
        Ok(Self::by(reach, Lookups::new(LOOKUPS_MAX), Arc::new(tls)))
    }

    fn by(reach: Reach, lookups: Lookups, tls: Arc<rustls::ClientConfig>) -> Self {
        let guarded = Guarded::new(reach, lookups.clone());
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(InTime(HttpsConnector::from((guarded, tls.clone()))));
        Self { reach, lookups, tls, pool }
    }

    /// One with the lookups of one more tenant.
    pub fn of_tenant(&self) -> Self {
        Self::by(self.reach, self.lookups.part(LOOKUPS_OF_TENANT_MAX), self.tls.clone())
    }

    /// One with the lookups of one more webhook of the tenant.
    pub fn of_webhook(&self) -> Self {
        Self::by(self.reach, self.lookups.part(LOOKUPS_OF_WEBHOOK_MAX), self.tls.clone())
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
