//! The way to a collector of OpenTelemetry (own-25): OTLP over HTTP or HTTPS, with a bounded queue, a deadline and few attempts.

mod standing;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::telemetry::fair_queue::{FairBatch, FairQueue, QueueFull};
use ::telemetry::otlp::OtlpSignal;
use ::telemetry::tenant_loads::QueueLoad;
use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use model::TenantId;
use runtime::counted_connector::CountedConnector;
use runtime::{PeerMeter, RoleContext};
use tokio::sync::Notify;

use super::metrics::{Metrics, OtlpOutcome};
use standing::{CollectorStanding, ForwardAttempt};

/// The connection of the table.
const CONNECTION: &str = "own-25";
/// Batches that wait for the collector.
const WAITING_MAX: usize = 512;
/// Bytes that wait for the collector.
const WAITING_BYTES_MAX: usize = 32 << 20;
const ROOM: QueueLoad = QueueLoad { bytes: WAITING_BYTES_MAX, batches: WAITING_MAX };
/// Batches that are sent at a time.
const SENT_AT_ONCE: usize = 8;
/// Those of one tenant: one whose batches the collector does not take keeps the others waiting for no attempts and pauses.
const SENT_OF_TENANT: usize = 4;
/// Time for an answer, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Attempts for a batch; then it is lost.
const ATTEMPTS_MAX: u32 = 3;
/// The pause after a failure, doubled with each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// How often an ending role looks whether all is sent.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A batch on its way.
#[derive(Clone, Debug)]
pub(super) struct OtlpBatch {
    pub signal: OtlpSignal,
    pub media_type: &'static str,
    pub body: Bytes,
    pub items: usize,
}

/// The queue to the collector.
pub(super) struct CollectorQueue {
    waiting: Arc<WaitingBatches>,
    metrics: Metrics,
}

/// What waits, with what is being sent.
#[derive(Debug)]
struct WaitingBatches {
    queue: Mutex<FairQueue<OtlpBatch>>,
    /// Something was put, or nothing will be any more.
    changed: Notify,
    /// Nothing will be put any more.
    is_closed: AtomicBool,
    items: AtomicUsize,
    standing: CollectorStanding,
}

impl WaitingBatches {
    fn new() -> Self {
        Self {
            queue: Mutex::new(FairQueue::new(ROOM, SENT_OF_TENANT)),
            changed: Notify::new(),
            is_closed: AtomicBool::new(false),
            items: AtomicUsize::new(0),
            standing: CollectorStanding::default(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, FairQueue<OtlpBatch>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, batch: FairBatch<OtlpBatch>) -> Result<(), QueueFull> {
        let items = batch.batch.items;
        let mut queue = self.queue();
        queue.put(batch)?;
        // Before anybody can take it.
        self.items.fetch_add(items, Relaxed);
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// The next batch to be sent, as soon as there is one; none when nothing will come any more.
    async fn next(&self) -> Option<FairBatch<OtlpBatch>> {
        loop {
            // Made before it is looked, so that nothing that is put meanwhile is missed.
            let changed = self.changed.notified();
            if let Some(batch) = self.queue().take_next() {
                // Of two changes in a row one alone may have been told.
                self.changed.notify_one();
                return Some(batch);
            }
            if self.is_closed.load(Relaxed) {
                return None;
            }
            changed.await;
        }
    }

    /// A batch is sent, or lost.
    fn done(&self, batch: &FairBatch<OtlpBatch>) {
        self.queue().done(&batch.tenant, batch.bytes);
        self.items.fetch_sub(batch.batch.items, Relaxed);
    }

    fn close(&self) {
        self.is_closed.store(true, Relaxed);
        self.changed.notify_waiters();
    }
}

/// Checks the setting: `http://HOST:PORT` or `https://HOST:PORT`, perhaps with a path.
pub(super) fn check(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let uri: axum::http::Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let is_right =
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.port_u16().is_some() && uri.query().is_none();
    if is_right {
        return Ok(());
    }
    Err("it must be http://HOST:PORT or https://HOST:PORT, as http://127.0.0.1:4318".to_owned())
}

/// What verifies a collector with TLS: this machine's authorities.
fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    // Without any, requests by https fail, each with its reason.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.context("TLS of requests to the collector")?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

impl CollectorQueue {
    /// Begins to forward to the collector at that URL.
    ///
    /// # Errors
    /// If the role does not declare the connection.
    pub fn start(ctx: &RoleContext, url: &str, metrics: Metrics) -> anyhow::Result<Self> {
        anyhow::ensure!(ctx.spec.opens.contains(&CONNECTION), "{} does not open {CONNECTION}", ctx.spec.name);
        let waiting = Arc::new(WaitingBatches::new());
        let meter = ctx.meter(CONNECTION).peer("collector");
        let connector = CountedConnector { source: ctx.address, meter: meter.clone() };
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(SENT_AT_ONCE)
            .build(HttpsConnector::from((connector, tls()?)));
        let sender = Arc::new(Sending {
            pool,
            base: url.trim_end_matches('/').to_owned(),
            meter,
            metrics: metrics.clone(),
            waiting: waiting.clone(),
        });
        for _ in 0..SENT_AT_ONCE {
            ctx.spawn("OpenTelemetry to the collector", send_all(sender.clone()));
        }
        Ok(Self { waiting, metrics })
    }

    /// Queues a batch of a tenant.
    ///
    /// # Errors
    /// If too much waits, or too much of that tenant.
    pub fn put(&self, tenant: &TenantId, batch: OtlpBatch) -> Result<(), QueueFull> {
        self.waiting.put(FairBatch { tenant: tenant.clone(), bytes: batch.body.len(), batch })
    }

    /// Waits until the collector has what waits, for so long at most, and not for one that answers nothing. What it has not by then is
    /// counted as lost.
    pub async fn emptied(&self, within: Duration) {
        let all = async {
            while self.waiting.queue().load().batches > 0 && !self.waiting.standing.is_away() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let _ = tokio::time::timeout(within, all).await;
        let items = self.waiting.items.load(Relaxed);
        if items > 0 {
            count(&self.metrics, OtlpOutcome::Lost, items);
            tracing::warn!(items, "OpenTelemetry of clients is lost: the role ends before the collector has it");
        }
    }
}

impl Drop for CollectorQueue {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

fn count(metrics: &Metrics, outcome: OtlpOutcome, items: usize) {
    for _ in 0..items {
        metrics.otlp_items.inc(outcome);
    }
}

struct Sending {
    pool: legacy::Client<HttpsConnector<CountedConnector>, Full<Bytes>>,
    base: String,
    meter: PeerMeter,
    metrics: Metrics,
    waiting: Arc<WaitingBatches>,
}

async fn send_all(sending: Arc<Sending>) -> anyhow::Result<()> {
    while let Some(next) = sending.waiting.next().await {
        sending.send(&next.batch).await;
        sending.waiting.done(&next);
    }
    Ok(())
}

impl Sending {
    async fn send(&self, batch: &OtlpBatch) {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS_MAX {
            let came = self.attempt(batch).await;
            self.waiting.standing.note(&self.base, batch.signal, &came);
            match came {
                ForwardAttempt::Taken => return count(&self.metrics, OtlpOutcome::Forwarded, batch.items),
                ForwardAttempt::Faulty(_) => return count(&self.metrics, OtlpOutcome::Faulty, batch.items),
                ForwardAttempt::Failed(_) | ForwardAttempt::Refused(_) => break,
                ForwardAttempt::Unanswered(_) | ForwardAttempt::Busy(_) => {
                    self.meter.error();
                    if attempt < ATTEMPTS_MAX {
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                }
            }
        }
        count(&self.metrics, OtlpOutcome::Lost, batch.items);
    }

    async fn attempt(&self, batch: &OtlpBatch) -> ForwardAttempt {
        let request = Request::post(format!("{}/v1/{}", self.base, batch.signal.as_str()))
            .header(header::CONTENT_TYPE, batch.media_type)
            .body(Full::new(batch.body.clone()));
        let request = match request {
            Ok(request) => request,
            Err(error) => return ForwardAttempt::Unanswered(error.to_string()),
        };
        self.meter.request();
        let answered = tokio::time::timeout(ANSWER_WITHIN, async {
            let answer = self.pool.request(request).await?;
            let status = answer.status();
            // Read to its end, so that the connection is used again; what it says is of no use.
            let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok::<_, legacy::Error>(status)
        });
        match answered.await {
            Ok(Ok(status)) => ForwardAttempt::answered(status),
            Ok(Err(error)) => ForwardAttempt::Unanswered(error.to_string()),
            Err(_) => ForwardAttempt::Unanswered(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_collector_has_a_host_and_a_port() {
        for right in ["", "http://127.0.0.1:4318", "http://otel:4318/base", "https://otel.example:4318"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in ["127.0.0.1:4318", "http://otel", "https://otel", "http://otel:4318/?x=1", "grpc://otel:4317"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    /// A queue that nobody empties.
    fn stalled() -> CollectorQueue {
        let metrics = Metrics::register(&runtime::Metrics::default());
        CollectorQueue { waiting: Arc::new(WaitingBatches::new()), metrics }
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn batch(bytes: usize) -> OtlpBatch {
        OtlpBatch { signal: OtlpSignal::Logs, media_type: "application/json", body: vec![b' '; bytes].into(), items: 3 }
    }

    #[test]
    fn a_tenant_that_fills_the_queue_leaves_room_to_others() {
        let forwarding = stalled();
        let (greedy, other) = (tenant("greedy"), tenant("other"));
        assert!(forwarding.put(&greedy, batch(WAITING_BYTES_MAX + 1)).is_err());
        let taken = (0..2 * WAITING_MAX).filter(|_| forwarding.put(&greedy, batch(1)).is_ok()).count();
        assert!(WAITING_MAX / 2 < taken && taken < WAITING_MAX, "{taken}");
        assert!(forwarding.put(&greedy, batch(1)).is_err() && forwarding.put(&other, batch(1)).is_ok());
        let waiting = &forwarding.waiting;
        assert_eq!(waiting.queue().load(), QueueLoad { bytes: taken + 1, batches: taken + 1 });
        assert_eq!(waiting.items.load(Relaxed), 3 * (taken + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_whose_batches_are_never_taken_keeps_no_other_waiting() {
        let forwarding = stalled();
        let (slow, other) = (tenant("slow"), tenant("other"));
        let (sent, waiting) = (Arc::new(AtomicUsize::new(0)), &forwarding.waiting);
        for _ in 0..SENT_AT_ONCE {
            let (waiting, sent, slow) = (waiting.clone(), sent.clone(), slow.clone());
            tokio::spawn(async move {
                while let Some(next) = waiting.next().await {
                    if next.tenant == slow {
                        std::future::pending::<()>().await;
                    }
                    sent.fetch_add(1, Relaxed);
                    waiting.done(&next);
                }
            });
        }
        for _ in 0..2 * SENT_AT_ONCE {
            forwarding.put(&slow, batch(1)).unwrap();
        }
        tokio::time::sleep(PAUSE).await;
        for _ in 0..2 * SENT_AT_ONCE {
            forwarding.put(&other, batch(1)).unwrap();
        }
        tokio::time::sleep(PAUSE).await;
        assert_eq!(sent.load(Relaxed), 2 * SENT_AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_ends_when_all_is_sent_and_nothing_more_can_come() {
        let forwarding = stalled();
        forwarding.put(&tenant("acme"), batch(1)).unwrap();
        let waiting = forwarding.waiting.clone();
        let sends = tokio::spawn(async move {
            while let Some(next) = waiting.next().await {
                waiting.done(&next);
            }
        });
        tokio::time::sleep(PAUSE).await;
        assert!(!sends.is_finished());
        drop(forwarding);
        tokio::time::timeout(PAUSE, sends).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_ending_role_waits_for_the_collector_and_counts_what_it_has_not() {
        let forwarding = stalled();
        let acme = tenant("acme");
        for _ in 0..2 {
            forwarding.put(&acme, batch(1)).unwrap();
        }
        let waiting = forwarding.waiting.clone();
        let taken = async {
            for _ in 0..2 {
                tokio::time::sleep(PAUSE).await;
                waiting.done(&waiting.next().await.unwrap());
            }
        };
        tokio::join!(forwarding.emptied(ANSWER_WITHIN), taken);
        assert_eq!(forwarding.metrics.otlp_items.get(OtlpOutcome::Lost), 0);
        forwarding.put(&acme, batch(1)).unwrap();
        forwarding.emptied(PAUSE).await;
        assert_eq!(forwarding.metrics.otlp_items.get(OtlpOutcome::Lost), 3);
        let note = |came: ForwardAttempt| waiting.standing.note("http://otel:4318", OtlpSignal::Logs, &came);
        for _ in 0..ATTEMPTS_MAX {
            note(ForwardAttempt::Unanswered("refused".to_owned()));
        }
        let waited = async || {
            let begun = tokio::time::Instant::now();
            forwarding.emptied(ANSWER_WITHIN).await;
            begun.elapsed()
        };
        assert_eq!(waited().await, Duration::ZERO, "nobody waits for one that is away");
        note(ForwardAttempt::answered(StatusCode::TOO_MANY_REQUESTS));
        assert!(waited().await >= ANSWER_WITHIN, "one that is busy has its time");
    }
}
