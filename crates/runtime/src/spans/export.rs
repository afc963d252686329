//! Sends spans to the collector in batches; retries for a while if it is unreachable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use model::CallUuid;
use opentelemetry::trace::{Event, Link, SpanContext, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, SpanId, TraceId};
use opentelemetry_otlp::{RetryPolicy, SpanExporter as Otlp, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Endpoint;

use super::{Collector, Counts, Item, KeyValue, Lost, Origin, Span, TraceParent};
use crate::counted_connector::CountedConnector;
use crate::meter::PeerMeter;

/// Maximum of spans in one export.
const BATCH_MAX: usize = 512;
/// How long spans are gathered before an export.
const GATHER: Duration = Duration::from_millis(200);
/// Timeout of one export, connecting included.
const EXPORT_WITHIN: Duration = Duration::from_secs(5);
/// Number of attempts for a batch; then its spans are dropped.
const ATTEMPTS_MAX: u32 = 5;
/// The pause after a first failure, doubled with each further one up to the maximum.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Advice in the log line.
const ADVICE: &str = "calls are not touched by it; check that `trace.otlp` names the collector's port for OTLP over gRPC \
                      (4317; 4318 is HTTP) and that the collector runs";

pub(super) struct Exporter {
    otlp: Otlp,
    collector: Collector,
    role: &'static str,
    scope: InstrumentationScope,
    meter: PeerMeter,
    counts: Counts,
    is_failing: Arc<AtomicBool>,
    failures: u32,
}

impl Exporter {
    pub fn new(
        collector: &Collector,
        from: &Origin,
        meter: PeerMeter,
        counts: Counts,
        is_failing: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let connector = CountedConnector { source: from.address, meter: meter.clone() };
        let channel = Endpoint::from_shared(collector.endpoint.clone())?.connect_with_connector_lazy(connector);
        let mut otlp = Otlp::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(EXPORT_WITHIN)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .context("the exporter for OTLP")?;
        otlp.set_resource(&resource(from));
        let scope = InstrumentationScope::builder("trunkline").with_version(env!("CARGO_PKG_VERSION")).build();
        let collector = collector.clone();
        Ok(Self { otlp, collector, role: from.role, scope, meter, counts, is_failing, failures: 0 })
    }

    /// Runs until all senders are dropped.
    pub async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut got = Vec::with_capacity(BATCH_MAX);
        while items.recv_many(&mut got, BATCH_MAX).await > 0 {
            let is_asked = got.iter().any(|item| matches!(item, Item::Flush(_)));
            if got.len() < BATCH_MAX && !is_asked {
                tokio::time::sleep(GATHER).await;
                while got.len() < BATCH_MAX
                    && let Ok(item) = items.try_recv()
                {
                    got.push(item);
                }
            }
            let (spans, waiting) = self.sorted(&mut got);
            if !spans.is_empty() {
                self.export(spans).await;
            }
            for done in waiting {
                // The waiting task may have ended.
                let _ = done.send(());
            }
        }
    }

    fn sorted(&self, got: &mut Vec<Item>) -> (Vec<SpanData>, Vec<oneshot::Sender<()>>) {
        let (mut spans, mut waiting) = (Vec::with_capacity(got.len()), Vec::new());
        for item in got.drain(..) {
            match item {
                Item::Span(span) => spans.push(self.data(*span)),
                Item::Flush(done) => waiting.push(done),
            }
        }
        (spans, waiting)
    }

    async fn export(&mut self, spans: Vec<SpanData>) {
        for attempt in 1..=ATTEMPTS_MAX {
            self.meter.request();
            let answer = tokio::time::timeout(EXPORT_WITHIN, self.otlp.export(spans.clone())).await;
            let error = match answer {
                Ok(Ok(())) => {
                    self.counts.exported.inc_by(spans.len() as u64);
                    return self.reached();
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", EXPORT_WITHIN.as_secs()),
            };
            self.missed(&error);
            if attempt < ATTEMPTS_MAX {
                tokio::time::sleep(model::doubling_pause(PAUSE, PAUSE_MAX, self.failures)).await;
            }
        }
        for _ in &spans {
            self.counts.dropped.inc(Lost::Collector);
        }
    }

    fn reached(&mut self) {
        self.failures = 0;
        self.is_failing.store(false, Relaxed);
        if self.collector.told.swap(false, Relaxed) {
            tracing::info!(collector = self.collector.endpoint, "spans reach the collector again");
        }
    }

    fn missed(&mut self, error: &str) {
        self.meter.error();
        self.failures = self.failures.saturating_add(1);
        self.is_failing.store(true, Relaxed);
        // Warn once for all roles of the process, and again only after a successful export.
        if !self.collector.told.swap(true, Relaxed) {
            tracing::warn!(collector = self.collector.endpoint, error, "spans do not reach the collector: {ADVICE}");
        } else {
            tracing::debug!(collector = self.collector.endpoint, role = self.role, error, "spans were not taken");
        }
    }

    fn data(&self, span: Span) -> SpanData {
        let (events, links) = (events(span.events), links(span.links));
        SpanData {
            span_context: context(span.trace, span.id, TraceFlags::SAMPLED),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            // The parent is usually another role's span.
            parent_span_is_remote: span.parent.is_some(),
            span_kind: span.kind,
            name: span.name,
            start_time: time(span.start),
            end_time: time(span.end.max(span.start)),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events,
            links,
            status: span.failed.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Attributes named by OpenTelemetry's conventions.
fn resource(from: &Origin) -> Resource {
    let attributes = [
        KeyValue::new("service.name", from.role),
        KeyValue::new("service.namespace", "trunkline"),
        KeyValue::new("service.instance.id", from.node.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    Resource::builder_empty().with_attributes(attributes).build()
}

fn context(trace: CallUuid, span: u64, flags: TraceFlags) -> SpanContext {
    SpanContext::new(TraceId::from(trace.0), SpanId::from(span), flags, false, TraceState::default())
}

fn events(happened: Vec<super::Happened>) -> SpanEvents {
    let mut events = SpanEvents::default();
    events.events = happened.into_iter().map(|one| Event::new(one.name, time(one.at), one.attributes, 0)).collect();
    events
}

fn links(links: Vec<TraceParent>) -> SpanLinks {
    let mut of = SpanLinks::default();
    let context_of = |to: &TraceParent| {
        context(to.trace, to.span, if to.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() })
    };
    of.links = links.iter().map(|to| Link::new(context_of(to), Vec::new(), 0)).collect();
    of
}

fn time(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}
