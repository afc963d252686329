//! Requests to the server and its answers: each with a deadline, and a bound of what is read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use infra::{Client, Line, Matter, Result, StoreError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::ElasticsearchSettings;
use super::address::ServerAddress;
use super::connector::SearchConnector;

/// The most that is read of an answer, in bytes: 500 targets of 16 KiB each, with what is around them.
const ANSWER_BYTES_MAX: usize = 10 << 20;
/// The most connections that are kept without a request, and for how long: a server closes its own after minutes.
const IDLE_MAX: usize = 8;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// How much of a reason that the server gives is told, in bytes.
const REASON_BYTES_MAX: usize = 300;

/// The media types of bodies.
pub(super) const JSON: &str = "application/json";
pub(super) const LINES: &str = "application/x-ndjson";

/// The way to the server.
pub(super) struct SearchExchange {
    pool: legacy::Client<HttpsConnector<SearchConnector>, Full<Bytes>>,
    address: ServerAddress,
    client: Client,
    password_file: Option<PathBuf>,
    /// The password of the file.
    password: Mutex<Option<String>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct ServerAnswer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// That the server does not do it now.
pub(super) fn unavailable(reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable { reason: reason.into() }
}

fn tls(authorities: Option<&[u8]>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        Some(pem) => {
            let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let read = read.map_err(|error| StoreError::Invalid(format!("stores.authorities: {error}")))?;
            roots.add_parsable_certificates(read);
        }
        // Without any, requests by https fail, each with its reason.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Invalid(format!("TLS of stores.elasticsearch: {error}")))?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

impl SearchExchange {
    /// Connects at the first use.
    pub fn open(settings: &ElasticsearchSettings, client: Client) -> Result<Self> {
        let address = ServerAddress::read(&settings.url)?;
        let authorities = settings.authorities.as_deref();
        let tls = if address.is_secure { tls(authorities)? } else { tls(Some(&[]))? };
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            // One of which nothing was written goes by another connection.
            .retry_canceled_requests(true)
            .build(HttpsConnector::from((SearchConnector::new(client.clone()), tls)));
        let exchange =
            Self { pool, address, client, password_file: settings.password_file.clone(), password: Mutex::default() };
        exchange.read_password()?;
        Ok(exchange)
    }

    /// Reads the password anew. Says whether it is another one than before.
    fn read_password(&self) -> Result<bool> {
        let Some(file) = &self.password_file else { return Ok(false) };
        let read = std::fs::read_to_string(file);
        let read = read.map_err(|error| StoreError::Invalid(format!("{}: {error}", file.display())))?;
        let read = read.trim_end_matches(['\r', '\n']).to_owned();
        let mut password = self.password.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = password.as_ref() != Some(&read);
        *password = Some(read);
        Ok(is_other)
    }

    /// Sends a request, perhaps with JSON, and reads the answer, whatever its status.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no answer in time, or the server has too much to do (429, 502 to 504).
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<ServerAnswer> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.send(method, path, (JSON, body), within).await
    }

    /// The same with a body of any media type.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        (media_type, body): (&'static str, Bytes),
        within: Duration,
    ) -> Result<ServerAnswer> {
        let late = |_| Err(unavailable(format!("no answer within {} s", within.as_secs())));
        let send = async {
            let answer = self.exchanged(&method, path, media_type, body.clone()).await?;
            // Somebody may have put another password into the file.
            if answer.status == StatusCode::UNAUTHORIZED && self.read_password()? {
                return self.exchanged(&method, path, media_type, body.clone()).await;
            }
            Ok(answer)
        };
        let answered = tokio::time::timeout(within, send).await.unwrap_or_else(late);
        match answered {
            Ok(answer) if is_busy(answer.status) => {
                self.client.watch.failed(Line::Commands);
                Err(unavailable(answer.reason()))
            }
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.client.watch.failed(Line::Commands);
                Err(error)
            }
        }
    }

    async fn exchanged(
        &self,
        method: &Method,
        path: &str,
        media_type: &'static str,
        body: Bytes,
    ) -> Result<ServerAnswer> {
        let sent = body.len() + path.len();
        let request = self.request(method, path, media_type, body)?;
        let response = self.pool.request(request).await.map_err(|error| unavailable(reason_of(&error)))?;
        let (head, body) = response.into_parts();
        let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = read.map_err(|error| unavailable(format!("the answer is not read: {error}")))?.to_bytes();
        self.client.watch.exchanged(Matter::Records, sent, body.len());
        Ok(ServerAnswer { status: head.status, body })
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        media_type: &'static str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>> {
        let invalid = |error: http::Error| StoreError::Invalid(error.to_string());
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.address.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let password = self.password.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(who) = self.address.authorization(password.as_deref()) {
            let mut value = HeaderValue::try_from(who).map_err(|error| invalid(error.into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(Full::new(body)).map_err(invalid)
    }
}

/// What is behind an error of the client: the error itself says little.
fn reason_of(error: &legacy::Error) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(behind) = source {
        reason = format!("{reason}: {behind}");
        source = behind.source();
    }
    reason
}

/// Whether another moment may have another answer.
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

impl ServerAnswer {
    /// Its body.
    ///
    /// # Errors
    /// If it is not the JSON that it should be.
    pub fn json(&self) -> Result<Value> {
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            what: "an answer of Elasticsearch".to_owned(),
            reason: error.to_string(),
        };
        serde_json::from_slice(&self.body).map_err(corrupt)
    }

    /// What the server calls the error; none without one.
    pub fn error_type(&self) -> Option<String> {
        self.json().ok()?.pointer("/error/type")?.as_str().map(str::to_owned)
    }

    /// The status, and what the server says of it.
    pub fn reason(&self) -> String {
        let told = self.json().ok().and_then(|told| {
            let reason = told.pointer("/error/reason").and_then(Value::as_str)?;
            let at = reason.floor_char_boundary(REASON_BYTES_MAX);
            Some(format!(": {}", &reason[..at]))
        });
        format!("status {}{}", self.status.as_u16(), told.unwrap_or_default())
    }

    /// It, if it is a success.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where whoever asks may not: an operator can mend that; else [`StoreError::Invalid`].
    pub fn success(self) -> Result<Self> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(unavailable(self.reason())),
            status if status.is_server_error() => Err(unavailable(self.reason())),
            _ => Err(StoreError::Invalid(self.reason())),
        }
    }

    /// The same without the answer.
    pub fn expect_success(self) -> Result<()> {
        self.success().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> ServerAnswer {
        ServerAnswer { status: StatusCode::from_u16(status).unwrap(), body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn an_answer_tells_what_went_wrong() {
        let gone =
            answer(404, r#"{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}"#);
        assert_eq!(gone.error_type().as_deref(), Some("index_not_found_exception"));
        assert_eq!(gone.reason(), "status 404: no such index");
        assert!(matches!(gone.success(), Err(StoreError::Invalid(_))));
        assert!(matches!(answer(403, "").success(), Err(StoreError::Unavailable { .. })));
        assert!(matches!(answer(500, "<html>").success(), Err(StoreError::Unavailable { .. })));
        assert!(answer(201, "{}").success().is_ok());
        assert!(matches!(answer(200, "{").json(), Err(StoreError::Corrupt { .. })));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_away() {
        let settings = ElasticsearchSettings {
            url: "http://127.0.0.1:1".to_owned(),
            password_file: None,
            prefix: "t-".to_owned(),
            authorities: None,
        };
        let exchange = SearchExchange::open(&settings, Client::unwatched("test")).unwrap();
        let asked = exchange.ask(Method::GET, "/", None, Duration::from_secs(2)).await;
        assert!(matches!(asked, Err(StoreError::Unavailable { .. })), "{asked:?}");
        let lacks = ElasticsearchSettings { password_file: Some(PathBuf::from("/nonexistent/password")), ..settings };
        assert!(matches!(SearchExchange::open(&lacks, Client::unwatched("test")), Err(StoreError::Invalid(_))));
    }
}
