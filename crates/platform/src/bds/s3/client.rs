//! Puts and gets objects of a bucket: each request with a signature, a deadline and few attempts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use infra::Clock;
use model::Timestamp;
use runtime::PeerMeter;
use runtime::counted_connector::CountedConnector;

use super::address::S3Server;
use super::file_body::FileBody;
use super::signature::{AccessKey, PAYLOAD_SUM, in_base64, sum};

/// Time for an answer, connecting included; a body has more.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The slowest that a body may be sent, in bytes a second.
const BYTES_PER_S_MIN: u64 = 256 << 10;
/// The most that is read of an answer, in bytes: manifests, claims and reasons are small.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Attempts of a request.
const ATTEMPTS_MAX: u32 = 4;
/// The pause after a failed one; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(500);
/// The header with the sum of what is put, in base64.
const CHECKSUM: &str = "x-amz-checksum-sha256";
/// The longest name of a reason that a store gives, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// What is put into an object.
#[derive(Clone, Debug)]
pub(in crate::bds) enum ObjectContent {
    Json(Bytes),
    File {
        path: PathBuf,
        bytes: u64,
        /// In hexadecimal; a store that gets other bytes refuses them.
        sha256: String,
    },
}

/// What must hold of an object that is put.
#[derive(Clone, Debug)]
pub(in crate::bds) enum PutCondition {
    Always,
    /// There is none of that key.
    IfAbsent,
    /// It has this tag still.
    IfUnchanged(String),
}

/// What came of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bds) enum PutOutcome {
    Put,
    /// The condition does not hold. Perhaps it held before an attempt whose answer was lost.
    ConditionFails,
}

/// An object that was got.
#[derive(Clone, Debug)]
pub(in crate::bds) struct S3Object {
    pub body: Bytes,
    /// It changes with the object.
    pub etag: Option<String>,
}

type S3Body = Either<Full<Bytes>, FileBody>;

/// The client of a bucket.
pub(in crate::bds) struct S3Client {
    pool: legacy::Client<HttpsConnector<CountedConnector>, S3Body>,
    server: S3Server,
    key: AccessKey,
    clock: Arc<dyn Clock>,
    meter: PeerMeter,
    pause: Duration,
}

/// A request, apart from what each attempt adds.
struct S3Request<'a> {
    method: Method,
    object: &'a str,
    condition: PutCondition,
    content: ObjectContent,
    /// No attempt begins after it, by the wall clock.
    until: Option<Timestamp>,
}

struct S3Answer {
    status: StatusCode,
    etag: Option<String>,
    body: Bytes,
}

impl S3Client {
    /// A client that connects so, and verifies a store with TLS by this machine's authorities.
    pub fn new(
        server: S3Server,
        key: AccessKey,
        clock: Arc<dyn Clock>,
        connector: CountedConnector,
    ) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // Without any, requests by https fail, each with its reason.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS of requests to object storage")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let meter = connector.meter.clone();
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(HttpsConnector::from((connector, tls)));
        Ok(Self { pool, server, key, clock, meter, pause: PAUSE })
    }

    /// Puts an object, but not after `until` by the wall clock: of a machine that has slept meanwhile nothing comes too late, since a store
    /// refuses what was signed a quarter of an hour ago.
    ///
    /// # Errors
    /// If the store refuses, or does not answer within the attempts, or it is too late.
    pub async fn put(
        &self,
        object: &str,
        content: ObjectContent,
        condition: PutCondition,
        until: Option<Timestamp>,
    ) -> anyhow::Result<PutOutcome> {
        let asked = S3Request { method: Method::PUT, object, condition, content, until };
        let answer = self.exchange(&asked).await?;
        match answer.status {
            status if status.is_success() => Ok(PutOutcome::Put),
            StatusCode::PRECONDITION_FAILED => Ok(PutOutcome::ConditionFails),
            _ => bail!("the store refuses to put {object}: {}", told(&answer)),
        }
    }

    /// Gets an object, if there is one.
    ///
    /// # Errors
    /// If the store refuses, or does not answer within the attempts.
    pub async fn get(&self, object: &str) -> anyhow::Result<Option<S3Object>> {
        let content = ObjectContent::Json(Bytes::new());
        let asked = S3Request { method: Method::GET, object, condition: PutCondition::Always, content, until: None };
        let answer = self.exchange(&asked).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(S3Object { body: answer.body, etag: answer.etag })),
            StatusCode::NOT_FOUND => Ok(None),
            _ => bail!("the store refuses to give {object}: {}", told(&answer)),
        }
    }

    /// The answer to a request; attempts that may come to another end are repeated.
    async fn exchange(&self, asked: &S3Request<'_>) -> anyhow::Result<S3Answer> {
        let (mut attempt, mut pause) = (1, self.pause);
        loop {
            let now = self.clock.wall();
            let is_late = asked.until.is_some_and(|until| now > until);
            ensure!(!is_late, "it is too late to {} {}", asked.method, asked.object);
            let failure = match self.attempt(asked, now).await {
                Ok(answer) if !is_passing(answer.status) => {
                    self.meter.answered();
                    return Ok(answer);
                }
                Ok(answer) => anyhow!("{}", told(&answer)),
                Err(error) => error,
            };
            self.meter.error();
            if attempt == ATTEMPTS_MAX {
                return Err(failure.context(format!("{} {}, {attempt} attempts", asked.method, asked.object)));
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, asked: &S3Request<'_>, now: Timestamp) -> anyhow::Result<S3Answer> {
        let request = self.request(asked, now)?;
        let within = ANSWER_WITHIN + Duration::from_secs(asked.content.bytes() / BYTES_PER_S_MIN);
        self.meter.request();
        let exchanged = async {
            let (head, body) = self.pool.request(request).await?.into_parts();
            let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = read.map_err(|error| anyhow!("the answer is not read: {error}"))?.to_bytes();
            let etag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            anyhow::Ok(S3Answer { status: head.status, etag, body })
        };
        let late = |_| anyhow!("no answer within {} s", within.as_secs());
        tokio::time::timeout(within, exchanged).await.map_err(late)?
    }

    /// The request of an attempt, signed at that moment of the wall clock: stores refuse one that is a quarter of an hour old.
    fn request(&self, asked: &S3Request<'_>, now: Timestamp) -> anyhow::Result<Request<S3Body>> {
        let (at, sum) = (signing_time(now)?, asked.content.sum());
        let path = self.server.path_of(asked.object);
        let mut headers = BTreeMap::from([("host", self.server.host.clone()), ("x-amz-date", at.clone())]);
        if asked.method == Method::PUT {
            headers.insert("content-type", asked.content.media_type().to_owned());
            // A bucket with Object Lock takes nothing without it, though the signed sum says the same.
            headers.insert(CHECKSUM, in_base64(&sum));
        }
        headers.insert(PAYLOAD_SUM, sum);
        match &asked.condition {
            PutCondition::Always => {}
            PutCondition::IfAbsent => drop(headers.insert("if-none-match", "*".to_owned())),
            PutCondition::IfUnchanged(etag) => drop(headers.insert("if-match", etag.clone())),
        }
        let authorization = self.key.authorization(asked.method.as_str(), &path, &headers, &at);
        let mut authorization = HeaderValue::try_from(authorization)?;
        authorization.set_sensitive(true);
        let mut request = Request::builder().method(asked.method.clone()).uri(self.server.url_of(&path));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request = request.header(header::AUTHORIZATION, authorization);
        Ok(request.body(asked.content.body()?)?)
    }
}

impl ObjectContent {
    fn bytes(&self) -> u64 {
        match self {
            Self::Json(json) => json.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    fn sum(&self) -> String {
        match self {
            Self::Json(json) => sum(json),
            Self::File { sha256, .. } => sha256.clone(),
        }
    }

    const fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::File { .. } => "application/octet-stream",
        }
    }

    fn body(&self) -> anyhow::Result<S3Body> {
        Ok(match self {
            Self::Json(json) => Either::Left(Full::new(json.clone())),
            Self::File { path, bytes, .. } => {
                let file = FileBody::open(path, *bytes).with_context(|| format!("reading {}", path.display()))?;
                Either::Right(file)
            }
        })
    }
}

/// Whether another attempt may have another answer. 409: two conditional puts at a time.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 409 | 429 | 500 | 502 | 503 | 504)
}

/// What an answer says that is no success: the status, and the store's name of the reason, as `SlowDown`. Nothing else of it is shown: it
/// may repeat what was signed.
fn told(answer: &S3Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let reason = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let is_name = |name: &str| name.len() <= REASON_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match reason.map(|(name, _)| name).filter(|name| is_name(name)) {
        Some(name) => format!("status {} {name}", answer.status.as_u16()),
        None => format!("status {}", answer.status.as_u16()),
    }
}

/// A moment as signatures have it, as `20130524T000000Z`.
fn signing_time(at: Timestamp) -> anyhow::Result<String> {
    let at = jiff::Timestamp::from_second(i64::try_from(at.as_secs())?)?;
    Ok(at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

#[cfg(test)]
mod test_client;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> S3Answer {
        S3Answer {
            status: StatusCode::from_u16(status).unwrap(),
            etag: None,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn a_reason_is_told_by_its_name_alone() {
        let refused = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS4</StringToSign></Error>";
        assert_eq!(told(&answer(403, refused)), "status 403 SignatureDoesNotMatch");
        for other in ["", "<Code>", "<Code>a b</Code>", "<html>AWS4</html>"] {
            assert_eq!(told(&answer(500, other)), "status 500");
        }
    }

    #[tokio::test]
    async fn what_is_put_has_a_type_and_a_checksum_and_both_are_signed() {
        let client = S3Client::of_test(9, "hunter2", Arc::new(infra::SystemClock::start()));
        let content = ObjectContent::Json(Bytes::new());
        let asked =
            S3Request { method: Method::PUT, object: "a", condition: PutCondition::IfAbsent, content, until: None };
        let request = client.request(&asked, Timestamp::from_millis(1_369_353_600_000)).unwrap();
        let shown = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(shown("content-type"), "application/json");
        assert_eq!(shown(CHECKSUM), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        let signed = "content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date";
        assert!(shown("authorization").contains(&format!("SignedHeaders={signed},")), "{}", shown("authorization"));
    }

    #[test]
    fn a_moment_is_that_of_utc() {
        assert_eq!(signing_time(Timestamp::from_millis(1_369_353_600_000)).unwrap(), "20130524T000000Z");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let passing = |status: u16| is_passing(StatusCode::from_u16(status).unwrap());
        assert!([409, 429, 500, 502, 503, 504].into_iter().all(passing));
        assert!(![200, 301, 400, 403, 404, 412, 501].into_iter().any(passing));
    }
}
