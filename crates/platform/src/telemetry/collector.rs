//! The way to a collector of OpenTelemetry (own-25): OTLP over HTTP, with a bounded queue, a deadline and few attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ::telemetry::otlp::OtlpSignal;
use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use runtime::counted_connector::CountedConnector;
use runtime::{PeerMeter, RoleContext};
use tokio::sync::{Mutex, mpsc};

use super::metrics::{Metrics, OtlpOutcome};

/// The connection of the table.
const CONNECTION: &str = "own-25";
/// Batches that wait for the collector.
const WAITING_MAX: usize = 512;
/// Bytes that wait for the collector.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Batches that are sent at a time.
const SENT_AT_ONCE: usize = 4;
/// Time for an answer, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Attempts for a batch; then it is lost.
const ATTEMPTS_MAX: u32 = 3;
/// The pause after a failure, doubled with each further one.
const PAUSE: Duration = Duration::from_secs(1);

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
    queue: mpsc::Sender<OtlpBatch>,
    waiting: Arc<AtomicUsize>,
}

/// The queue is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueFull;

/// Checks the setting: `http://HOST:PORT`, perhaps with a path.
pub(super) fn check(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let uri: axum::http::Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let is_right = uri.scheme_str() == Some("http") && uri.port_u16().is_some() && uri.query().is_none();
    if is_right { Ok(()) } else { Err("it must be http://HOST:PORT, as http://127.0.0.1:4318".to_owned()) }
}

impl CollectorQueue {
    /// Begins to forward to the collector at that URL.
    ///
    /// # Errors
    /// If the role does not declare the connection.
    pub fn start(ctx: &RoleContext, url: &str, metrics: Metrics) -> anyhow::Result<Self> {
        anyhow::ensure!(ctx.spec.opens.contains(&CONNECTION), "{} does not open {CONNECTION}", ctx.spec.name);
        let (queue, batches) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let meter = ctx.meter(CONNECTION).peer("collector");
        let connector = CountedConnector { source: ctx.address, meter: meter.clone() };
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(SENT_AT_ONCE)
            .build(connector);
        let sender = Arc::new(Sending {
            pool,
            base: url.trim_end_matches('/').to_owned(),
            meter,
            metrics,
            waiting: waiting.clone(),
            is_away: AtomicBool::new(false),
        });
        let batches = Arc::new(Mutex::new(batches));
        for _ in 0..SENT_AT_ONCE {
            ctx.spawn("OpenTelemetry to the collector", send_all(sender.clone(), batches.clone()));
        }
        Ok(Self { queue, waiting })
    }

    /// Queues a batch.
    ///
    /// # Errors
    /// If too much waits.
    pub fn put(&self, batch: OtlpBatch) -> Result<(), QueueFull> {
        let bytes = batch.body.len();
        if self.waiting.fetch_add(bytes, Relaxed).saturating_add(bytes) > WAITING_BYTES_MAX {
            self.waiting.fetch_sub(bytes, Relaxed);
            return Err(QueueFull);
        }
        self.queue.try_send(batch).map_err(|_| {
            self.waiting.fetch_sub(bytes, Relaxed);
            QueueFull
        })
    }
}

struct Sending {
    pool: legacy::Client<CountedConnector, Full<Bytes>>,
    base: String,
    meter: PeerMeter,
    metrics: Metrics,
    waiting: Arc<AtomicUsize>,
    /// The log has said that the collector cannot be reached.
    is_away: AtomicBool,
}

async fn send_all(sending: Arc<Sending>, batches: Arc<Mutex<mpsc::Receiver<OtlpBatch>>>) -> anyhow::Result<()> {
    loop {
        let next = batches.lock().await.recv().await;
        let Some(batch) = next else { return Ok(()) };
        sending.send(&batch).await;
        sending.waiting.fetch_sub(batch.body.len(), Relaxed);
    }
}

/// What came of an attempt.
enum ForwardAttempt {
    Taken,
    /// It is worth another try.
    Later(String),
    /// It is not.
    Refused(StatusCode),
}

impl Sending {
    async fn send(&self, batch: &OtlpBatch) {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.attempt(batch).await {
                ForwardAttempt::Taken => {
                    if self.is_away.swap(false, Relaxed) {
                        tracing::info!(collector = self.base, "OpenTelemetry of clients reaches the collector again");
                    }
                    return self.count(OtlpOutcome::Forwarded, batch.items);
                }
                ForwardAttempt::Refused(status) => {
                    tracing::debug!(collector = self.base, %status, "a batch was refused by the collector");
                    break;
                }
                ForwardAttempt::Later(error) => {
                    self.meter.error();
                    if !self.is_away.swap(true, Relaxed) {
                        tracing::warn!(
                            collector = self.base,
                            error,
                            "OpenTelemetry of clients does not reach the collector: see the setting telemetry.collector"
                        );
                    }
                    if attempt < ATTEMPTS_MAX {
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                }
            }
        }
        self.count(OtlpOutcome::Lost, batch.items);
    }

    async fn attempt(&self, batch: &OtlpBatch) -> ForwardAttempt {
        let request = Request::post(format!("{}/v1/{}", self.base, batch.signal.as_str()))
            .header(header::CONTENT_TYPE, batch.media_type)
            .body(Full::new(batch.body.clone()));
        let request = match request {
            Ok(request) => request,
            Err(error) => return ForwardAttempt::Later(error.to_string()),
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
            Ok(Ok(status)) if status.is_success() => ForwardAttempt::Taken,
            // OTLP/HTTP: these alone are tried again.
            Ok(Ok(status)) if matches!(status.as_u16(), 429 | 502 | 503 | 504) => {
                ForwardAttempt::Later(format!("answered {status}"))
            }
            Ok(Ok(status)) => ForwardAttempt::Refused(status),
            Ok(Err(error)) => ForwardAttempt::Later(error.to_string()),
            Err(_) => ForwardAttempt::Later(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    fn count(&self, outcome: OtlpOutcome, items: usize) {
        for _ in 0..items {
            self.metrics.otlp_items.inc(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_has_a_host_and_a_port() {
        assert!(check("").is_ok() && check("http://127.0.0.1:4318").is_ok() && check("http://otel:4318/base").is_ok());
        for wrong in ["127.0.0.1:4318", "http://otel", "https://otel:4318", "http://otel:4318/?x=1", "grpc"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_full_queue_takes_nothing() {
        let (queue, _batches) = mpsc::channel(1);
        let forwarding = CollectorQueue { queue, waiting: Arc::default() };
        let batch = |bytes: usize| OtlpBatch {
            signal: OtlpSignal::Logs,
            media_type: "application/json",
            body: vec![b' '; bytes].into(),
            items: 1,
        };
        assert!(forwarding.put(batch(WAITING_BYTES_MAX + 1)).is_err());
        assert!(forwarding.put(batch(1)).is_ok() && forwarding.put(batch(1)).is_err());
        assert_eq!(forwarding.waiting.load(Relaxed), 1);
    }
}
