//! A document that a stranger names, by https: small, soon, and from no address inside.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::guarded::Guarded;
use crate::lookups::Lookups;
use crate::public_address::Reach;

/// The largest document, in bytes: a chain of certificates has some thousands.
pub const DOCUMENT_MAX: usize = 64 << 10;
/// How long it may take, from the search for the address to its last byte. As long may it wait for others before that.
pub const DOCUMENT_WITHIN: Duration = Duration::from_secs(2);
/// Documents that are fetched at once; further ones wait, within their time.
const AT_ONCE: usize = 32;
/// Names that are looked up at once. A lookup keeps its place until its thread is free, which a silent name server delays: half of a role's 16
/// threads stay free for all else that waits in one, such as the check of a certificate.
const LOOKUPS_MAX: usize = 8;
/// Those of one part.
const LOOKUPS_OF_PART_MAX: usize = 2;

/// The longest reason that a host gives, in bytes.
const REASON_MAX: usize = 200;

/// Why there is no document.
#[derive(Debug, Error)]
pub enum DocumentFault {
    /// The address is none that is fetched from.
    #[error("it is no address that begins with https:// and names a host")]
    Address,
    /// Its host cannot be reached, or does not prove its name.
    #[error("{0}")]
    Unreachable(String),
    /// The host answered with another status than 200. A redirection is not followed: where it leads to was not named.
    #[error("status {0}")]
    Status(u16),
    /// It is too large, or did not come whole.
    #[error("it has more than {DOCUMENT_MAX} bytes, or did not come whole")]
    Cut,
    /// Too many others are being fetched.
    #[error("too many documents are being fetched")]
    Busy,
    /// It took too long.
    #[error("it did not come within {} s", DOCUMENT_WITHIN.as_secs())]
    Late,
}

/// A document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedDocument {
    /// Its bytes.
    pub body: Bytes,
    /// For how long its host says that it is good (Cache-Control `max-age`).
    pub fresh_for: Option<Duration>,
}

/// Fetches documents. Cheap to clone.
#[derive(Clone)]
pub struct DocumentClient {
    reach: Reach,
    lookups: Lookups,
    tls: Arc<ClientConfig>,
    client: legacy::Client<HttpsConnector<Guarded>, Empty<Bytes>>,
    places: Arc<Semaphore>,
}

impl DocumentClient {
    /// A client that connects to addresses within `reach`, whose hosts are vouched for by `roots`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(reach: Reach, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::by(reach, Lookups::new(LOOKUPS_MAX), Arc::new(tls), Arc::new(Semaphore::new(AT_ONCE))))
    }

    fn by(reach: Reach, lookups: Lookups, tls: Arc<ClientConfig>, places: Arc<Semaphore>) -> Self {
        let guarded = Guarded::new(reach, lookups.clone());
        // Each host is asked once in an hour or so: no connection is kept for that, and one that is being made goes with its request.
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(HttpsConnector::from((guarded, tls.clone())));
        Self { reach, lookups, tls, client, places }
    }

    /// One for somebody, such as a tenant, whose hosts may take but a few of the lookups. It shares all other bounds with this one.
    pub fn part(&self) -> Self {
        Self::by(self.reach, self.lookups.part(LOOKUPS_OF_PART_MAX), self.tls.clone(), self.places.clone())
    }

    /// Whether no lookup of this part is under way, those included whose fetch was given up: only then may it be forgotten and made anew.
    pub fn is_idle(&self) -> bool {
        self.lookups.is_idle()
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Those of [`DocumentFault`].
    pub async fn fetch(&self, url: &str) -> Result<FetchedDocument, DocumentFault> {
        let uri: Uri = url.parse().map_err(|_| DocumentFault::Address)?;
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        if uri.scheme_str() != Some("https") || authority.is_empty() || authority.contains('@') {
            return Err(DocumentFault::Address);
        }
        let place = tokio::time::timeout(DOCUMENT_WITHIN, self.places.acquire()).await;
        let _place = place.map_err(|_| DocumentFault::Busy)?;
        tokio::time::timeout(DOCUMENT_WITHIN, self.get(uri)).await.unwrap_or(Err(DocumentFault::Late))
    }

    async fn get(&self, uri: Uri) -> Result<FetchedDocument, DocumentFault> {
        let unreachable = |error: &dyn std::error::Error| DocumentFault::Unreachable(with_causes(error));
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/pem-certificate-chain, application/pkix-cert")
            .header(header::USER_AGENT, concat!("trunkline/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| unreachable(&error))?;
        let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(DocumentFault::Status(answer.status().as_u16()));
        }
        let fresh_for = fresh_for(answer.headers());
        let body = Limited::new(answer.into_body(), DOCUMENT_MAX).collect().await.map_err(|_| DocumentFault::Cut)?;
        Ok(FetchedDocument { body: body.to_bytes(), fresh_for })
    }
}

/// An error with its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    // TLS names all names of a certificate, and a stranger has written them.
    text.truncate(text.floor_char_boundary(REASON_MAX));
    text
}

/// RFC 9111 section 5.2.2.1, as far as `max-age` goes.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut ages = values.flat_map(|value| value.split(',')).filter_map(|directive| {
        let (name, age) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| age.trim().trim_matches('"').parse().ok())?
    });
    ages.next().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(reach: Reach) -> DocumentClient {
        DocumentClient::new(reach, RootCertStore::empty()).unwrap()
    }

    #[tokio::test]
    async fn no_address_inside_is_fetched_from() {
        for url in [
            "https://127.0.0.1:1/a",
            "https://[::1]:1/a",
            "https://10.0.0.1/a",
            "https://169.254.169.254/latest",
            "https://localhost:1/a",
        ] {
            let fault = client(Reach::Public).fetch(url).await.unwrap_err().to_string();
            assert!(fault.contains("has no address of the public Internet"), "{url}: {fault}");
        }
        for url in ["http://certificates.example/a", "ftp://a/b", "https://", "https://u@a/b", "nonsense"] {
            assert!(matches!(client(Reach::Everywhere).fetch(url).await, Err(DocumentFault::Address)), "{url}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_waited_for_two_seconds() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/a", silent.local_addr().unwrap());
        assert!(matches!(client(Reach::Everywhere).fetch(&url).await, Err(DocumentFault::Late)));
    }

    #[test]
    fn lookups_that_hang_leave_threads_and_keep_their_places() {
        // As many threads as a role has.
        let role = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build().unwrap();
        role.block_on(async {
            let (ends, silence) = std::sync::mpsc::sync_channel::<()>(1);
            let silence = std::sync::Mutex::new(silence);
            let lookups = Lookups::by(LOOKUPS_MAX, move |_, _| {
                let _ = silence.lock().unwrap().recv();
                Err(std::io::ErrorKind::NotFound.into())
            });
            let by_system = client(Reach::Everywhere);
            let whole = DocumentClient::by(by_system.reach, lookups.clone(), by_system.tls, by_system.places);
            let (acme, globex) = (whole.part(), whole.part());
            for _ in 0..=LOOKUPS_OF_PART_MAX {
                give_up(&acme).await;
            }
            assert_eq!(lookups.free(), LOOKUPS_MAX - LOOKUPS_OF_PART_MAX, "a place is free once its thread is");
            assert!(!acme.is_idle() && globex.is_idle());
            for _ in 0..LOOKUPS_MAX {
                give_up(&whole.part()).await;
            }
            assert_eq!(lookups.free(), 0);
            let other = tokio::task::spawn_blocking(|| ());
            tokio::time::timeout(Duration::from_secs(20), other).await.unwrap().unwrap();
            drop(ends);
        });
    }

    /// Asks for a document of a host whose name server is silent, and does not wait for it.
    async fn give_up(client: &DocumentClient) {
        let fetch = client.fetch("https://silent.example/a");
        assert!(tokio::time::timeout(Duration::from_millis(50), fetch).await.is_err());
    }

    #[test]
    fn a_host_says_how_long_its_document_is_good() {
        let of = |value: &'static str| {
            fresh_for(&HeaderMap::from_iter([(header::CACHE_CONTROL, http::HeaderValue::from_static(value))]))
        };
        assert_eq!(of("public, Max-Age=600"), Some(Duration::from_secs(600)));
        assert_eq!(of("no-store, s-maxage=600, max-age=x"), None);
    }
}
