//! Metrics of webrtc.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::gateway::{Gateway, GatewayCounts};

runtime::metrics! {
    /// The metrics of webrtc.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// Phones in browsers, those that are waited for included.
        flows: Gauge = "webrtc_flows";
        /// Phones whose WebSocket has broken, and that are waited for.
        flows_away: Gauge = "webrtc_flows_away";
        /// Phones that have come.
        begun: Counter = "webrtc_flows_begun";
        /// Times that a phone has come back by another WebSocket, and has gone on.
        resumed: Counter = "webrtc_flows_resumed";
        /// Times that a phone in a call has answered nothing though its WebSocket seemed open, as while its machine sleeps, and was waited for.
        silent: Counter = "webrtc_flows_silent";
        /// Phones that have not come back in time.
        given_up: Counter = "webrtc_flows_given_up";
        /// Phones whose sign-in was revoked, or that came by a ticket and whose password has changed.
        revoked: Counter = "webrtc_flows_revoked";
        /// Phones with tickets whose desktop has their DN no more: they are not called, and register no longer.
        barred: Counter = "webrtc_flows_barred";
        /// Tickets that were not good: over, forged, shown before, or of a sign-in or a right to the phone that has ended.
        pub(super) bad_tickets: Counter = "webrtc_tickets_bad";
        /// Requests of phones that were passed on to sip-proxy.
        from_phones: Counter = "webrtc_requests_from_phones";
        /// Requests of sip-proxy that were passed on to phones.
        to_phones: Counter = "webrtc_requests_to_phones";
        /// Requests that were refused here.
        refused: Counter = "webrtc_requests_refused";
        /// Challenges that were answered for phones with tickets.
        answered: Counter = "webrtc_challenges_answered";
        /// Datagrams that are of no sip-proxy or no message, and answers to nothing.
        dropped: Counter = "webrtc_messages_dropped";
    }
}

impl Metrics {
    /// Shows what has happened since `told`, which is brought up to date.
    pub(super) fn refresh(&self, gateway: &Gateway, told: &mut GatewayCounts) {
        let (all, away) = gateway.sizes();
        self.flows.set(i64::try_from(all).unwrap_or(i64::MAX));
        self.flows_away.set(i64::try_from(away).unwrap_or(i64::MAX));
        let now = *gateway.counts();
        for (counter, now, before) in [
            (&self.begun, now.begun, told.begun),
            (&self.resumed, now.resumed, told.resumed),
            (&self.silent, now.silent, told.silent),
            (&self.given_up, now.given_up, told.given_up),
            (&self.revoked, now.revoked, told.revoked),
            (&self.barred, now.barred, told.barred),
            (&self.from_phones, now.from_phones, told.from_phones),
            (&self.to_phones, now.to_phones, told.to_phones),
            (&self.refused, now.refused, told.refused),
            (&self.answered, now.answered, told.answered),
            (&self.dropped, now.dropped, told.dropped),
        ] {
            counter.inc_by(now.saturating_sub(before));
        }
        *told = now;
    }
}
