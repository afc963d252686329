//! HTTPS to the ACME server: short answers, each within its time, by TLS alone. What a server says of when to come again is remembered.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use infra::Clock;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use net::guarded::Guarded;
use net::lookups::Lookups;
use net::public_address::Reach;
use serde_json::Value;

use crate::ingress::retry_after;

/// How long an exchange may take, from the search for the address to the end of the answer.
const EXCHANGE_WITHIN: Duration = Duration::from_secs(30);
/// The largest answer, in bytes: a chain of certificates has some thousands.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// How long an unused connection stays open.
const IDLE_WITHIN: Duration = Duration::from_secs(30);
/// The most idle connections.
const IDLE_MAX: usize = 2;
/// Lookups of the server's name at a time.
const LOOKUPS_MAX: usize = 2;

/// Exchanges with the server of one order. Cheap to clone.
#[derive(Clone)]
pub(super) struct AcmeServerClient {
    client: legacy::Client<HttpsConnector<Guarded>, BodyWrapper<Bytes>>,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<LastAnswer>>,
}

/// What the last answer has asked for.
#[derive(Clone, Default)]
struct LastAnswer {
    wait: Option<Duration>,
    address: Option<String>,
}

impl AcmeServerClient {
    /// Believes servers as that configuration says. The operator has named the server, so it may be anywhere.
    pub fn new(tls: rustls::ClientConfig, clock: Arc<dyn Clock>) -> Self {
        let guarded = Guarded::new(Reach::Everywhere, Lookups::new(LOOKUPS_MAX));
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(HttpsConnector::from((guarded, tls)));
        Self { client, clock, last: Arc::default() }
    }

    /// The wait that the last answer has asked for: a refusal, or what is not done yet.
    pub fn asked_wait(&self) -> Option<Duration> {
        self.last().wait
    }

    /// The address where somebody has to do something first, if the last answer was a refusal that names one.
    pub fn asked_address(&self) -> Option<String> {
        self.last().address
    }

    fn last(&self) -> LastAnswer {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, last: LastAnswer) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        if request.uri().scheme_str() != Some("https") {
            return Err(Error::Str("an address of the server that begins with https://"));
        }
        let answer = self.client.request(request).await.map_err(|error| Error::Other(Box::new(error)))?;
        let (parts, body) = answer.into_parts();
        let wait = wait_of(&parts.headers, self.clock.now().as_secs());
        self.remember(LastAnswer { wait, address: None });
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(Error::Other)?.to_bytes();
        if parts.status.is_client_error() {
            self.remember(LastAnswer { wait, address: address_of(&body) });
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for AcmeServerClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = tokio::time::timeout(EXCHANGE_WITHIN, self.clone().exchange(request));
        let late = || Error::Other(format!("no answer within {} s", EXCHANGE_WITHIN.as_secs()).into());
        Box::pin(async move { exchange.await.unwrap_or_else(|_| Err(late())) })
    }
}

fn wait_of(headers: &HeaderMap, now_s: u64) -> Option<Duration> {
    headers.get(header::RETRY_AFTER).and_then(|value| retry_after::wait(value.to_str().ok()?, now_s))
}

/// Where somebody has to do something: `instance` of a problem of the type `userActionRequired` (RFC 8555 section 7.3.3).
fn address_of(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let is_user_action = problem.get("type")?.as_str()?.ends_with(":userActionRequired");
    let address = problem.get("instance")?.as_str()?;
    (is_user_action && !address.chars().any(char::is_control)).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use infra::conformance::SetClock;
    use model::Timestamp;

    use super::*;

    fn client() -> AcmeServerClient {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        AcmeServerClient::new(tls, SetClock::at(Timestamp::from_millis(0)))
    }

    #[tokio::test]
    async fn nothing_is_asked_without_tls() {
        let request = Request::get("http://127.0.0.1:1/directory").body(BodyWrapper::default()).unwrap();
        let refused = client().request(request).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("https://"), "{refused}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_fault_with_its_causes() {
        let request = Request::get("https://127.0.0.1:1/directory").body(BodyWrapper::default()).unwrap();
        assert!(matches!(client().request(request).await.map(drop), Err(Error::Other(_))));
    }

    #[test]
    fn the_address_of_what_people_have_to_do_is_read() {
        let address = |text: &str| address_of(text.as_bytes());
        let of = |kind: &str| {
            address(&format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","instance":"https://ca.example/agree"}}"#))
        };
        assert_eq!(of("userActionRequired").as_deref(), Some("https://ca.example/agree"));
        assert_eq!(of("malformed"), None);
        assert_eq!((address("<html>"), address("{}"), address("[]")), (None, None, None));
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        let wait = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, axum::http::HeaderValue::from_static(value))]);
            wait_of(&headers, 784_111_700)
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(77)));
        assert_eq!((wait("soon"), wait_of(&HeaderMap::new(), 0)), (None, None));
    }
}
