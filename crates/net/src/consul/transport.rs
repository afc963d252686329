//! The way to an agent: HTTP or HTTPS from the replica's own address, counted on its row.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use runtime::counted_connector::CountedConnector;
use runtime::discovery::{DiscoverySettings, SourceFault};
use runtime::{PeerMeter, Secret};
use rustls::ClientConfig;
use tokio::io::AsyncReadExt as _;

use super::ConsulAgent;
use super::calls::{ConsulAnswer, ConsulCall};
use crate::document::with_causes;

/// The largest answer that is read, in bytes: far more than the most replicas that a role may have.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The longest token, in bytes: those of Consul have 36, those of programs in front of it may be longer.
const TOKEN_BYTES_MAX: u64 = 4_096;
/// The most idle connections: between two questions a role has one for each that it follows.
const IDLE_MAX: usize = 64;
const TOKEN: &str = "x-consul-token";
const INDEX: &str = "x-consul-index";
const FILTERED: &str = "x-consul-results-filtered-by-acls";

/// Where the token comes from.
enum AgentToken {
    None,
    Set(Secret),
    File(PathBuf),
}

impl AgentToken {
    async fn header(&self) -> Result<Option<HeaderValue>, SourceFault> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Set(secret) => secret.expose().to_owned(),
            Self::File(path) => {
                read(path).await.map_err(|error| SourceFault::Refused(format!("{}: {error}", path.display())))?
            }
        };
        // Not repeated: it is a secret.
        let value = HeaderValue::try_from(text.trim());
        let mut value =
            value.map_err(|_| SourceFault::Refused("the token cannot be written in a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

async fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    tokio::fs::File::open(path).await?.take(TOKEN_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

/// The connections of one replica to an agent.
pub(super) struct AgentConnections {
    pool: legacy::Client<HttpsConnector<CountedConnector>, Full<Bytes>>,
    base: String,
    token: AgentToken,
    meter: PeerMeter,
}

impl AgentConnections {
    /// Opens nothing yet.
    pub fn new(settings: &DiscoverySettings, connector: CountedConnector, tls: Arc<ClientConfig>) -> Self {
        let meter = connector.meter.clone();
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(HttpsConnector::from((connector, tls)));
        let token = match (&settings.consul_token_file, &settings.consul_token) {
            (Some(file), _) => AgentToken::File(file.clone()),
            (None, Some(secret)) => AgentToken::Set(secret.clone()),
            (None, None) => AgentToken::None,
        };
        let base = settings.consul_url.trim_end_matches('/').to_owned();
        Self { pool, base, token, meter }
    }

    async fn exchange(&self, call: ConsulCall) -> Result<ConsulAnswer, SourceFault> {
        let mut request = Request::builder().method(call.method).uri(format!("{}{}", self.base, call.path));
        if let Some(token) = self.token.header().await? {
            request = request.header(TOKEN, token);
        }
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(call.body)).map_err(|error| SourceFault::Refused(error.to_string()))?;
        self.meter.request();
        let answer = match self.pool.request(request).await {
            Ok(answer) => answer,
            Err(error) => {
                // The connector has counted its own failures.
                if !error.is_connect() {
                    self.meter.error();
                }
                return Err(SourceFault::Away(with_causes(&error)));
            }
        };
        let (parts, body) = answer.into_parts();
        let index = parts.headers.get(INDEX).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default();
        let is_filtered =
            parts.headers.get(FILTERED).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            self.meter.error();
            SourceFault::Away(error.to_string())
        })?;
        self.meter.answered();
        Ok(ConsulAnswer { status: parts.status, index, is_filtered, body: body.to_bytes() })
    }
}

impl ConsulAgent for AgentConnections {
    fn send(&self, call: ConsulCall) -> BoxFuture<'_, Result<ConsulAnswer, SourceFault>> {
        let within = call.within;
        Box::pin(async move {
            let answered = tokio::time::timeout(within, self.exchange(call)).await;
            answered.unwrap_or_else(|_| {
                self.meter.error();
                Err(SourceFault::Away(format!("no answer within {} s", within.as_secs())))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use axum::Router;
    use axum::http::{HeaderMap, Uri};
    use axum::routing::any;
    use http::{Method, StatusCode};
    use infra::SystemClock;
    use runtime::meter::{Meters, Side};
    use rustls::RootCertStore;
    use tokio::net::TcpListener;

    use super::super::calls::CALL_WITHIN;
    use super::*;

    fn agent(settings: &DiscoverySettings) -> AgentConnections {
        let meters = Meters::new(Arc::new(SystemClock::start()));
        let meter = meters.meter("own-13", Side::Opens).peer("consul");
        let tls = ClientConfig::builder_with_provider(crate::tls::provider()).with_safe_default_protocol_versions();
        let tls = tls.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        AgentConnections::new(settings, CountedConnector { source, meter }, Arc::new(tls))
    }

    fn call(path: &str) -> ConsulCall {
        ConsulCall { method: Method::GET, path: path.to_owned(), body: Bytes::new(), within: CALL_WITHIN }
    }

    /// An agent that says what it was asked, with which token.
    async fn echo() -> SocketAddr {
        let says = any(async |uri: Uri, headers: HeaderMap| {
            let token = headers.get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or("none").to_owned();
            let filtered = if token == "second" { "true" } else { "false" };
            ([(INDEX, "41"), (FILTERED, filtered)], format!("{uri} {token}"))
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(says)).await });
        address
    }

    #[tokio::test]
    async fn each_request_shows_the_token_that_the_file_has_then_and_headers_of_the_answer_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let consul_url = format!("http://{}", echo().await);
        let settings =
            DiscoverySettings { consul_url, consul_token_file: Some(file.clone()), ..DiscoverySettings::default() };
        let agent = agent(&settings);
        let missing = agent.send(call("/v1/x")).await.unwrap_err();
        assert!(matches!(&missing, SourceFault::Refused(why) if why.contains("token")), "{missing:?}");
        for token in ["first", "second"] {
            std::fs::write(&file, format!("{token}\n")).unwrap();
            let answer = agent.send(call("/v1/x?stale")).await.unwrap();
            assert_eq!((answer.status, answer.index), (StatusCode::OK, 41));
            assert_eq!(answer.is_filtered, token == "second");
            assert_eq!(String::from_utf8_lossy(&answer.body), format!("/v1/x?stale {token}"));
        }
        std::fs::write(&file, "a\u{1}b").unwrap();
        let unwritten = agent.send(call("/v1/x")).await.unwrap_err();
        assert_eq!(unwritten, SourceFault::Refused("the token cannot be written in a header".to_owned()));
    }

    #[tokio::test]
    async fn an_agent_that_is_not_there_is_away() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let consul_url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let settings = DiscoverySettings { consul_url, ..DiscoverySettings::default() };
        let away = agent(&settings).send(call("/v1/x")).await.unwrap_err();
        assert!(matches!(away, SourceFault::Away(_)), "{away:?}");
    }
}
