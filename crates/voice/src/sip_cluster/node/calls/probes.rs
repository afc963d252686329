//! Probes parties that may have vanished without a BYE, and fails requests that wait too long for a proxy.

use std::time::Duration;

use call::Input;
use model::{ConnId, LegId, Timestamp};
use sip::{Flow, StatusCode};

use super::leg::{AudioPath, Leg, LegStage, Place, Side};
use super::pending::{Pending, Probe};
use crate::sip_cluster::limits::SWEEP_EVERY;
use crate::sip_cluster::node::Node;

/// What is missing from a party that is probed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    Signalling,
    Media,
}

impl Node {
    /// Probes silent parties by OPTIONS (RFC 3261 section 11: also within a dialog), and ends overdue waits for proxies.
    pub(in crate::sip_cluster::node) fn sweep(&mut self, now: Timestamp) {
        self.next_sweep = now + SWEEP_EVERY;
        self.fail_what_waits_for_proxies(now);
        self.stop_again(now);
        self.join_rooms_again(now);
        self.anchor_again(now);
        self.tell_owed_again(now);
        self.count_time(now);
        for probe in self.pending.take_overdue_probes(now) {
            // Each probe concerns a call of its own and has its own limit of steps.
            self.attempt_for(Some(probe.place.conn_id), now, |node| node.unanswered(probe, now));
        }
        for place in self.silent(now) {
            self.attempt_for(Some(place.conn_id), now, |node| node.probe(place, Silence::Signalling, now));
        }
    }

    /// Fails requests to proxies that are away for too long. The legs stay, and continue when their proxy is back, however late.
    fn fail_what_waits_for_proxies(&mut self, now: Timestamp) {
        let late = self.proxies.overdue(now);
        for link in &late {
            self.agent.flow_failed(Flow::Stream { connection: *link }, now);
        }
        let legs = || self.calls.values().flat_map(|entry| &entry.legs);
        self.proxies.forget_unused(&late, |link| legs().any(|leg| leg.link == link));
    }

    /// Parties that have sent nothing for long. Parties whose proxy is away cannot be heard: media reports whether they are gone, if it has
    /// their audio.
    fn silent(&self, now: Timestamp) -> Vec<Place> {
        let is_asked =
            |leg: &Leg| self.proxies.is_up(leg.link) || (leg.path != AudioPath::Media && self.is_cut_off(leg, now));
        let quiet = |leg: &Leg| now.since(leg.heard_at) >= self.limits.probe_after && is_asked(leg);
        let mut silent: Vec<Place> = self
            .calls
            .iter()
            .flat_map(|(conn_id, entry)| entry.legs.iter().map(move |leg| (*conn_id, leg)))
            .filter(|(_, leg)| leg.stage == LegStage::Up && quiet(leg))
            .map(|(conn_id, leg)| Place { conn_id, leg: leg.id, side: Side::Phone })
            .collect();
        silent.sort_unstable_by_key(|place| (place.conn_id, place.leg));
        silent
    }

    /// Whether the proxy of a party has been away for a whole session interval: who cannot refresh a session for so long has left it (RFC 4028
    /// section 10).
    fn is_cut_off(&self, leg: &Leg, now: Timestamp) -> bool {
        self.proxies.away_for(leg.link, now) >= Duration::from_secs(self.limits.session_expires_s.into())
    }

    /// Probes a party from which media receives nothing. One that is on hold need not send anything: it counts as gone by its signalling
    /// alone.
    pub(in crate::sip_cluster::node) fn probe_leg(&mut self, conn_id: ConnId, leg: LegId, held: bool, now: Timestamp) {
        if self.leg(conn_id, leg).is_some_and(|leg| leg.stage == LegStage::Up) {
            let silence = if held { Silence::Signalling } else { Silence::Media };
            self.probe(Place { conn_id, leg, side: Side::Phone }, silence, now);
        }
    }

    fn probe(&mut self, place: Place, silence: Silence, now: Timestamp) {
        let Some(leg) = self.leg_mut(place.conn_id, place.leg) else {
            return;
        };
        // Silence is counted from this probe on, whatever its result.
        leg.heard_at = now;
        let Some(phone) = leg.phone else {
            return;
        };
        match self.agent.options(phone, Vec::new(), now) {
            Ok(request) => {
                let until = now + self.limits.probe_within;
                self.pending
                    .insert(request, Pending::Probe(Probe { place, until, unheard: silence == Silence::Media }));
                self.mark(place.conn_id);
            }
            Err(error) => tracing::debug!(conn_id = %place.conn_id, %error, "a party cannot be probed now"),
        }
    }

    /// Handles the answer to a probe. It is a sign of life, unless its status says that nobody is there. A 503 ends the request
    /// alone (RFC 5057 section 5.1): a carrier that takes no new calls sends it in a call that goes on. But the proxy sends it
    /// for a party that it cannot reach, so it counts for a party that media does not hear.
    pub(in crate::sip_cluster::node) fn probed(
        &mut self,
        probe: Probe,
        status: StatusCode,
        answered: bool,
        now: Timestamp,
    ) {
        let Place { conn_id, leg: id, .. } = probe.place;
        let is_gone = match status.0 {
            408 | 430 | 481 => true,
            503 => probe.unheard || !answered,
            _ => false,
        };
        if !is_gone {
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.heard_at = now;
            }
            return;
        }
        self.unanswered(probe, now);
    }

    /// The party is gone, unless only its proxy is away: then the next probe decides, once the proxy is back or has been away for too long.
    fn unanswered(&mut self, probe: Probe, now: Timestamp) {
        let Place { conn_id, leg: id, .. } = probe.place;
        let counts = |leg: &Leg| self.proxies.is_up(leg.link) || self.is_cut_off(leg, now);
        if probe.unheard || self.leg(conn_id, id).is_some_and(counts) {
            self.vanished(conn_id, id, now);
        }
    }

    fn vanished(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        if self.leg(conn_id, id).is_none_or(|leg| leg.stage != LegStage::Up) {
            return;
        }
        self.metrics.leg_vanished();
        tracing::info!(%conn_id, leg = %id, "a party does not answer any more");
        self.hang_up(conn_id, id, 480, now);
        // The BYE is queued and nobody will answer it: the call does not wait for that.
        if let Some(phone) = self.leg_mut(conn_id, id).and_then(|leg| leg.phone.take()) {
            self.calls.unbind(phone);
        }
        self.feed(conn_id, Input::LegDead(id), now);
        self.drop_closed(conn_id);
    }
}
