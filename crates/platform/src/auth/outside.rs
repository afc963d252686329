//! Short exchanges with servers that tenants name: soon, small, at no address that is not let in, and without following a redirection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use identity::provider::url;
use net::guarded::Guarded;
use net::lookups::Lookups;
use net::public_address::Reach;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest answer, in bytes: a provider's keys with their certificates have some tens of thousands.
const ANSWER_BYTES_MAX: usize = 128 << 10;
/// Exchanges at a time, of each kind: sign-ins, and ends of sign-ins.
const AT_ONCE: usize = 128;
/// Those with servers of one tenant: its silent server keeps no other tenant's from being asked.
pub(super) const OF_TENANT_AT_ONCE: usize = 8;
/// Lookups of hosts at a time: half of the role's 16 threads stay free for all else.
const LOOKUPS_MAX: usize = 8;
/// Those for one tenant.
const LOOKUPS_OF_TENANT_MAX: usize = 2;
/// The longest reason that a server gives, in bytes.
const REASON_MAX: usize = 200;

/// Why there is no answer; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutsideFault(String);

impl fmt::Display for OutsideFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct OutsideAnswer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// The place of one exchange; it is free again when this is dropped.
pub(super) struct OutsidePlace {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub(super) struct OutsideClient {
    reach: Reach,
    lookups: Lookups,
    tls: Arc<rustls::ClientConfig>,
    client: legacy::Client<HttpsConnector<Guarded>, Full<Bytes>>,
    places: Arc<Semaphore>,
    /// Those of the tenant.
    of_tenant: Arc<Semaphore>,
}

impl OutsideClient {
    /// A client that verifies servers by this machine's authorities.
    pub fn new(reach: Reach) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // Without any, exchanges by https fail, each with its reason.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS of exchanges with servers of tenants")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::by(reach, Lookups::new(LOOKUPS_MAX), Arc::new(tls), places()))
    }

    fn by(reach: Reach, lookups: Lookups, tls: Arc<rustls::ClientConfig>, places: Arc<Semaphore>) -> Self {
        let guarded = Guarded::new(reach, lookups.clone());
        // They are rare: no connection is kept, and one that is being made goes with its request.
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(HttpsConnector::from((guarded, tls.clone())));
        Self { reach, lookups, tls, client, places, of_tenant: Arc::new(Semaphore::new(OF_TENANT_AT_ONCE)) }
    }

    /// One for exchanges of another kind, which take no places of these.
    pub fn of_another_kind(&self) -> Self {
        Self::by(self.reach, self.lookups.clone(), self.tls.clone(), places())
    }

    /// One for a tenant, whose servers take but a few of the places and lookups.
    pub fn of_tenant(&self) -> Self {
        Self::by(self.reach, self.lookups.part(LOOKUPS_OF_TENANT_MAX), self.tls.clone(), self.places.clone())
    }

    /// Waits for a place for an exchange, for that time at most.
    pub async fn place(&self, within: Duration) -> Result<OutsidePlace, OutsideFault> {
        let full = || OutsideFault("too many exchanges are under way".to_owned());
        // First one of the tenant's own, which takes nothing from others while it is waited for.
        let of_tenant = tokio::time::timeout(within, self.of_tenant.clone().acquire_owned()).await;
        let of_tenant = of_tenant.ok().and_then(Result::ok).ok_or_else(full)?;
        let of_all = self.places.clone().try_acquire_owned().map_err(|_| full())?;
        Ok(OutsidePlace { _of_tenant: of_tenant, _of_all: of_all })
    }

    /// Gets a document of JSON: has that time for its place, and again for the answer.
    pub async fn get(&self, url: &str, within: Duration) -> Result<OutsideAnswer, OutsideFault> {
        let request = Request::get(target(url)?);
        let place = self.place(within).await?;
        exchange(&self.client, place, request, Bytes::new(), within).await
    }

    /// Posts a form, perhaps with `Authorization`: has that time for its place, and again for the answer.
    pub async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<HeaderValue>,
        within: Duration,
    ) -> Result<OutsideAnswer, OutsideFault> {
        let place = self.place(within).await?;
        self.post_form_at(place, url, form, authorization, within).await
    }

    /// The same at a place that it has already.
    pub async fn post_form_at(
        &self,
        place: OutsidePlace,
        url: &str,
        form: String,
        authorization: Option<HeaderValue>,
        within: Duration,
    ) -> Result<OutsideAnswer, OutsideFault> {
        let mut head = Request::post(target(url)?)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(authorization) = authorization {
            head = head.header(header::AUTHORIZATION, authorization);
        }
        exchange(&self.client, place, head, form.into(), within).await
    }
}

/// One exchange. Its time begins when it has its place: a server is not held to be silent because others are asked.
async fn exchange(
    client: &legacy::Client<HttpsConnector<Guarded>, Full<Bytes>>,
    _place: OutsidePlace,
    head: axum::http::request::Builder,
    body: Bytes,
    within: Duration,
) -> Result<OutsideAnswer, OutsideFault> {
    let request = head
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::USER_AGENT, HeaderValue::from_static(concat!("trunkline/", env!("CARGO_PKG_VERSION"))))
        .body(Full::new(body))
        .map_err(|error| OutsideFault(error.to_string()))?;
    let exchanged = async {
        let answer = client.request(request).await.map_err(|error| OutsideFault(with_causes(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|_| {
            OutsideFault(format!("the answer has more than {ANSWER_BYTES_MAX} bytes, or did not come whole"))
        })?;
        Ok::<_, OutsideFault>(OutsideAnswer { status, body: body.to_bytes() })
    };
    let late = || Err(OutsideFault(format!("no answer within {} ms", within.as_millis())));
    tokio::time::timeout(within, exchanged).await.unwrap_or_else(|_| late())
}

fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_ONCE))
}

fn target(url: &str) -> Result<Uri, OutsideFault> {
    if let Some(fault) = url::fault(url) {
        return Err(OutsideFault(format!("its address cannot be asked: {fault}")));
    }
    url.parse().map_err(|_| OutsideFault("its address is none".to_owned()))
}

/// An error with its causes. TLS names all names of a certificate, and a stranger has written them.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    text.truncate(text.floor_char_boundary(REASON_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn no_address_inside_is_asked_unless_it_is_let_in_and_none_of_a_cloud_ever() {
        let faults = async |reach, url: &str| {
            OutsideClient::new(reach).unwrap().get(url, SOON).await.map(drop).unwrap_err().to_string()
        };
        for url in ["https://127.0.0.1:1/a", "http://127.0.0.1:1/a", "https://10.0.0.1/", "https://169.254.169.254/x"] {
            let fault = faults(Reach::Public, url).await;
            assert!(fault.contains("no address of the public Internet"), "{url}: {fault}");
        }
        let fault = faults(Reach::Inside, "https://169.254.169.254/x").await;
        assert!(fault.contains("no address of the public Internet"), "{fault}");
        let fault = faults(Reach::Inside, "http://10.0.0.1/").await;
        assert!(fault.contains("it must begin with https://"), "{fault}");
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a", silent.local_addr().unwrap());
        let client = OutsideClient::new(Reach::Inside).unwrap();
        let fault = client.get(&url, Duration::from_millis(20)).await.map(drop).unwrap_err();
        assert_eq!(fault.to_string(), "no answer within 20 ms");
    }

    #[tokio::test]
    async fn a_tenant_whose_server_is_silent_leaves_places_to_others() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a", silent.local_addr().unwrap());
        let all = OutsideClient::new(Reach::Inside).unwrap();
        let (tenant, other_kind) = (all.of_tenant(), all.of_another_kind());
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (tenant, url) = (tenant.clone(), url.clone());
            asking.spawn(async move { tenant.get(&url, Duration::from_secs(600)).await });
        }
        let mut taken = Vec::new();
        for _ in 0..OF_TENANT_AT_ONCE {
            taken.push(silent.accept().await.unwrap());
        }
        assert_eq!(all.places.available_permits(), AT_ONCE - OF_TENANT_AT_ONCE);
        assert_eq!(all.of_tenant().of_tenant.available_permits(), OF_TENANT_AT_ONCE, "those of another tenant");
        assert_eq!(other_kind.places.available_permits(), AT_ONCE);
        asking.shutdown().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_and_not_for_ever() {
        let tenant = OutsideClient::new(Reach::Inside).unwrap().of_tenant();
        let mut taken = Vec::new();
        for _ in 0..OF_TENANT_AT_ONCE {
            taken.push(tenant.place(SOON).await.unwrap());
        }
        let fault = tenant.place(SOON).await.map(drop).unwrap_err();
        assert_eq!(fault.to_string(), "too many exchanges are under way");
        let soon = async {
            tokio::time::sleep(SOON / 2).await;
            taken.pop();
        };
        assert!(tokio::join!(tenant.place(SOON), soon).0.is_ok(), "it has the next one");
    }
}
