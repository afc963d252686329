//! Every metric of this role.

use std::sync::atomic::Ordering::Relaxed;

use net::rtp::Counters;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::meter::PeerMeter;

/// The metrics of a node.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    legs: Gauge,
    ports_free: Gauge,
    opened: Counter,
    refused: Counter,
    overloaded: Counter,
    treatments: Counter,
    digits: Counter,
    quiet: Counter,
    unsent: Counter,
    packets_in: Counter,
    packets_out: Counter,
    packets_unsent: Counter,
    news_lost: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            legs: registry.gauge("media_legs", "Media dialogs of this node"),
            ports_free: registry.gauge("media_rtp_ports_free", "Pairs of RTP ports that are free"),
            opened: registry.counter("media_legs_opened", "Media dialogs that were answered"),
            refused: registry.counter("media_legs_refused", "INVITEs that were refused for what they ask"),
            overloaded: registry
                .counter("media_legs_overloaded", "INVITEs that were refused because a limit was reached"),
            treatments: registry.counter("media_treatments", "Treatments that were started"),
            digits: registry.counter("media_digits", "Keys that phones pressed"),
            quiet: registry.counter("media_legs_quiet", "Phones that fell silent without being on hold"),
            unsent: registry.counter("media_messages_unsent", "SIP messages whose proxy was away"),
            packets_in: registry.counter("media_rtp_packets_received", "RTP and RTCP packets received"),
            packets_out: registry.counter("media_rtp_packets_sent", "RTP and RTCP packets sent"),
            packets_unsent: registry.counter("media_rtp_packets_unsent", "Packets that the kernel did not take"),
            news_lost: registry
                .counter("media_news_lost", "Events of legs that were lost because the loop did not keep up"),
        }
    }

    /// That many legs are there.
    pub fn legs(&self, count: usize) {
        self.legs.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A dialog was answered.
    pub fn leg_opened(&self) {
        self.opened.inc();
    }

    /// An INVITE was refused for what it asks.
    pub fn leg_refused(&self) {
        self.refused.inc();
    }

    /// An INVITE was refused because a limit was reached.
    pub fn leg_overloaded(&self) {
        self.overloaded.inc();
    }

    /// A treatment was started.
    pub fn treatment_started(&self) {
        self.treatments.inc();
    }

    /// A key was pressed.
    pub fn digit_pressed(&self) {
        self.digits.inc();
    }

    /// A phone fell silent.
    pub fn leg_quiet(&self) {
        self.quiet.inc();
    }

    /// A message could not be sent.
    pub fn message_unsent(&self) {
        self.unsent.inc();
    }

    /// Takes over what the threads have counted since the last time.
    pub fn packets(&self, counters: &Counters, ports_free: usize, edge: &PeerMeter) {
        self.ports_free.set(i64::try_from(ports_free).unwrap_or(i64::MAX));
        let catch_up = |counter: &Counter, total: u64| {
            let new = total.saturating_sub(counter.get());
            counter.inc_by(new);
            new
        };
        let came = catch_up(&self.packets_in, counters.packets_in.load(Relaxed));
        let went = catch_up(&self.packets_out, counters.packets_out.load(Relaxed));
        catch_up(&self.packets_unsent, counters.unsent.load(Relaxed));
        catch_up(&self.news_lost, counters.lost_news.load(Relaxed));
        // A packet of ours is 172 bytes unless it is a report or a key: near enough for "how much, and when last".
        if came + went > 0 {
            edge.bytes_in(came as usize * PACKET_BYTES);
            edge.bytes_out(went as usize * PACKET_BYTES);
        }
    }
}

/// RTP header and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
