//! Metrics of sip-proxy: the counts of the core and of the sockets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use net::sip::{Counters, TcpTable};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::Declared;
use sip::Transport;
use sip::proxy::{Counts, Proxy};

use super::certificates;

runtime::metrics! {
    /// Sizes, measured at each refresh.
    #[derive(Debug)]
    struct Sizes {
        /// Requests in progress, and answered ones kept for repeats.
        held: Gauge = "sip_proxy_requests_held";
        /// Sources whose request rates are remembered.
        sources: Gauge = "sip_proxy_sources";
        /// Nodes that are live.
        nodes: Gauge = "sip_proxy_nodes";
        /// 1 while new requests are refused because of overload.
        overloaded: Gauge = "sip_proxy_overloaded";
        /// Addresses of carriers that do not answer OPTIONS; only trunks with `options: true` are asked.
        carriers_down: Gauge = "sip_proxy_carriers_down";
        /// Connections over TCP in the clear, those of nodes and those being opened included.
        connections_tcp: Gauge = "sip_proxy_connections_tcp";
        /// Connections over TLS, those in the handshake included.
        connections_tls: Gauge = "sip_proxy_connections_tls";
        /// Connections for WebSocket in the clear, those that have not opened one included.
        connections_ws: Gauge = "sip_proxy_connections_ws";
        /// Connections for WebSocket under TLS, those that have not opened one included.
        connections_wss: Gauge = "sip_proxy_connections_wss";
        /// The end of the edge's certificate that ends first, in seconds of Unix time.
        certificate_ends: Gauge = "sip_proxy_certificate_ends_seconds";
        /// 1 while the certificates that the settings name cannot be used, and earlier ones or one of our own are used instead.
        certificates_unusable: Gauge = "sip_proxy_certificates_unusable";
        /// Bytes of the kernel's receive buffer of the UDP socket.
        receive_buffer: Gauge = "sip_proxy_receive_buffer_bytes";
    }
}

/// The metrics of this role.
#[derive(Debug)]
pub(super) struct Metrics {
    // One number per count of the core, in its order: the loop writes, the collector reads.
    counts: Arc<[AtomicU64]>,
    sizes: Sizes,
}

/// Every metric of this role, for the book's reference.
pub(super) fn declared() -> Vec<Declared> {
    let mut all = counted();
    all.extend(Sizes::declared());
    all
}

/// The core's counts, then the sockets', in their order.
fn counted() -> Vec<Declared> {
    let row =
        |area: &'static str| move |(name, doc): &(&str, &[&str])| Declared::counter(&format!("{area}_{name}"), doc);
    Counts::TABLE.iter().map(row("sip_proxy")).chain(Counters::TABLE.iter().map(row("sip_proxy_socket"))).collect()
}

impl Metrics {
    pub(super) fn register(registry: &runtime::Metrics, sockets: Arc<Counters>, receive_buffer: usize) -> Self {
        let counts: Arc<[AtomicU64]> = Counts::default().all().iter().map(|_| AtomicU64::new(0)).collect();
        registry.collect(Shown { counts: counts.clone(), sockets });
        let sizes = Sizes::register(registry);
        sizes.receive_buffer.set(i64::try_from(receive_buffer).unwrap_or(i64::MAX));
        Self { counts, sizes }
    }

    /// The gauges of the certificates.
    pub(super) fn certificates(&self) -> certificates::ShownCertificates {
        let (ends, unusable) = (self.sizes.certificate_ends.clone(), self.sizes.certificates_unusable.clone());
        certificates::ShownCertificates { ends, unusable }
    }

    /// Copies what the core has counted.
    pub(super) fn refresh(&self, proxy: &Proxy, tcp: &TcpTable) {
        for (shown, (_, value)) in self.counts.iter().zip(proxy.counts().all()) {
            shown.store(value, Relaxed);
        }
        let (held, sources) = proxy.sizes();
        self.sizes.held.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.sizes.sources.set(i64::try_from(sources).unwrap_or(i64::MAX));
        self.sizes.carriers_down.set(i64::try_from(proxy.carriers_down()).unwrap_or(i64::MAX));
        for (shown, transport) in [
            (&self.sizes.connections_tcp, Transport::Tcp),
            (&self.sizes.connections_tls, Transport::Tls),
            (&self.sizes.connections_ws, Transport::Ws),
            (&self.sizes.connections_wss, Transport::Wss),
        ] {
            shown.set(i64::try_from(tcp.count_of(transport)).unwrap_or(i64::MAX));
        }
        self.sizes.overloaded.set(i64::from(proxy.is_overloaded()));
        self.sizes.nodes.set(i64::try_from(proxy.live().count()).unwrap_or(i64::MAX));
    }
}

#[derive(Debug)]
struct Shown {
    counts: Arc<[AtomicU64]>,
    sockets: Arc<Counters>,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let values = self.counts.iter().map(|c| c.load(Relaxed));
        let values = values.chain(self.sockets.all().into_iter().map(|(_, value)| value));
        for (metric, value) in counted().iter().zip(values) {
            let family = encoder.encode_descriptor(&metric.name, &metric.help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(family)?;
        }
        Ok(())
    }
}
