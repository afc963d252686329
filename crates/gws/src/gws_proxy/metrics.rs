//! The metrics of gws-proxy.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::CounterBy;

use super::attempts::Unanswered;

runtime::metrics! {
    /// Metrics of gws-proxy.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests that a service has answered, whatever it has said.
        pub answered: Counter = "gws_proxy_requests_answered";
        /// Requests that no service has answered, by reason.
        pub unanswered: CounterBy<Unanswered> = "gws_proxy_requests_unanswered";
        /// Times that a replica took no connection, or has said that it takes no requests: the next one was asked.
        pub passed_over: Counter = "gws_proxy_replicas_passed_over";
        /// Long polls of desktops that wait for an answer now.
        pub polls: Gauge = "gws_proxy_polls";
        /// WebSockets of desktops that are open.
        pub sockets: Gauge = "gws_proxy_sockets";
    }
}

/// A WebSocket, as it is counted while it is open.
pub(super) struct OpenSocket(Gauge);

impl OpenSocket {
    /// One more.
    pub fn of(metrics: &Metrics) -> Self {
        metrics.sockets.inc();
        Self(metrics.sockets.clone())
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A long poll, as it is counted while it waits.
pub(super) struct ParkedPoll(Gauge);

impl ParkedPoll {
    /// One more.
    pub fn of(metrics: &Metrics) -> Self {
        metrics.polls.inc();
        Self(metrics.polls.clone())
    }
}

impl Drop for ParkedPoll {
    fn drop(&mut self) {
        self.0.dec();
    }
}
