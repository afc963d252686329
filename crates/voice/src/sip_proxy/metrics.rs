//! What sip-proxy counts: the core's and the sockets' counts, read when they are asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use net::sip::Counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use sip::proxy::{Counts, Proxy};

/// The metrics of this role.
#[derive(Debug)]
pub(super) struct Metrics {
    // One number per count of the core, in its order: the loop writes, the collector reads.
    counts: Arc<[AtomicU64]>,
    held: Gauge,
    sources: Gauge,
    nodes: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &runtime::Metrics, sockets: Arc<Counters>) -> Self {
        let counts: Arc<[AtomicU64]> = Counts::default().all().iter().map(|_| AtomicU64::new(0)).collect();
        registry.collect(Shown { counts: counts.clone(), sockets });
        Self {
            counts,
            held: registry.gauge("sip_proxy_requests_held", "Requests on their way or lingering"),
            sources: registry.gauge("sip_proxy_sources", "Sources remembered for their rates"),
            nodes: registry.gauge("sip_proxy_nodes", "Nodes that are live"),
        }
    }

    /// Copies what the core has counted.
    pub(super) fn refresh(&self, proxy: &Proxy) {
        for (shown, (_, value)) in self.counts.iter().zip(proxy.counts().all()) {
            shown.store(value, Relaxed);
        }
        let (held, sources) = proxy.sizes();
        self.held.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.sources.set(i64::try_from(sources).unwrap_or(i64::MAX));
        self.nodes.set(i64::try_from(proxy.live().count()).unwrap_or(i64::MAX));
    }
}

#[derive(Debug)]
struct Shown {
    counts: Arc<[AtomicU64]>,
    sockets: Arc<Counters>,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let core = Counts::default().all().into_iter().map(|(name, _)| name);
        let core = core.zip(self.counts.iter().map(|c| c.load(Relaxed)));
        for (area, name, value) in core
            .map(|(name, value)| ("sip_proxy", name, value))
            .chain(self.sockets.all().into_iter().map(|(name, value)| ("sip_proxy_socket", name, value)))
        {
            let help = name.replace('_', " ");
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                &format!("{area}_{name}"),
                &help,
                None,
                MetricType::Counter,
            )?)?;
        }
        // A constant, so that an empty role is not mistaken for one that is not scraped.
        let up = encoder.encode_descriptor("sip_proxy_up", "1 while the role runs", None, MetricType::Gauge)?;
        ConstGauge::new(1_i64).encode(up)
    }
}
