//! Keys for carriers that get them by INFO: media tells them, each when it is due, and one goes after the other, since of two under way the
//! second may arrive first and would be the only one that counts (RFC 3261 section 12.2.2).

use std::time::Duration;

use bytes::Bytes;
use contracts::provisioning::DtmfForm;
use model::{ConnId, LegId, Timestamp};
use sip::StatusCode;
use sip::agent::Body;

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::leg::{KeyToTell, LegStage};
use crate::sip_cluster::node::calls::pending::Pending;

/// The most keys of a leg that wait until the carrier has answered the one before: those of one request.
const KEYS_WAITING_MAX: usize = 32;
/// The longest time for which a key waits: one that comes later is wrong.
const KEY_AGE_MAX: Duration = Duration::from_secs(10);
/// The type of their bodies.
const KEY_TYPE: &str = "application/dtmf-relay";

impl Node {
    /// Whether keys count that the party of a leg reports by INFO: not where they come another way, or they would count twice.
    pub(in crate::sip_cluster::node::calls) fn takes_keys_by_info(&self, conn_id: ConnId, id: LegId) -> bool {
        let dtmf = self.leg(conn_id, id).and_then(|leg| leg.dtmf);
        dtmf.is_none_or(|form| form == DtmfForm::Info)
    }

    /// Media has a key for the party of a leg. Before the answer there is no dialog in which it could go.
    pub(in crate::sip_cluster::node::calls) fn tell_key(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        body: Bytes,
        now: Timestamp,
    ) {
        let Some(leg) = self.leg_mut(conn_id, id).filter(|leg| leg.stage == LegStage::Up) else { return };
        let has_room = leg.keys_to_tell.waiting.len() < KEYS_WAITING_MAX;
        if has_room {
            leg.keys_to_tell.waiting.push_back(KeyToTell { body, at: now });
        }
        self.note_lost_keys(conn_id, id, usize::from(!has_room), "too many wait");
        self.tell_next_key(conn_id, id, now);
    }

    fn tell_next_key(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id).filter(|leg| !leg.keys_to_tell.is_under_way) else { return };
        let Some(phone) = leg.phone else { return };
        let waiting = &mut leg.keys_to_tell.waiting;
        // Without a late one, those behind it would be another number.
        let is_late = waiting.front().is_some_and(|key| now > key.at + KEY_AGE_MAX);
        let late = if is_late { std::mem::take(waiting).len() } else { 0 };
        let next = waiting.pop_front();
        self.note_lost_keys(conn_id, id, late, "they would come late");
        let Some(KeyToTell { body, .. }) = next else { return };
        // No record holds it: it may be of the number of a card.
        match self.agent.secret_info(phone, Body::new(KEY_TYPE, body), now) {
            Ok(request) => {
                self.pending.insert(request, Pending::Key(conn_id, id));
                if let Some(leg) = self.leg_mut(conn_id, id) {
                    leg.keys_to_tell.is_under_way = true;
                }
            }
            Err(error) => {
                tracing::debug!(%conn_id, leg = %id, %error, "a carrier cannot be told a key now");
                // Nothing tells when it can be, and those behind would be another number without this one.
                let behind = self.leg_mut(conn_id, id).map(|leg| std::mem::take(&mut leg.keys_to_tell.waiting));
                self.note_lost_keys(conn_id, id, 1 + behind.map_or(0, |keys| keys.len()), "it cannot be told now");
            }
        }
    }

    fn note_lost_keys(&self, conn_id: ConnId, id: LegId, count: usize, why: &str) {
        if count > 0 {
            tracing::info!(%conn_id, leg = %id, count, why, "a carrier is not told keys");
            self.metrics.keys_lost(count);
        }
    }

    /// A carrier has answered the INFO with a key: the next one goes.
    pub(in crate::sip_cluster::node::calls) fn key_told(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        status: StatusCode,
        now: Timestamp,
    ) {
        if !status.is_success() {
            tracing::info!(%conn_id, leg = %id, %status, "a carrier does not take a key by INFO");
        }
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.keys_to_tell.is_under_way = false;
        }
        self.tell_next_key(conn_id, id, now);
    }
}
