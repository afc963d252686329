//! The calls at the beginning: what the tenant's snapshot tells of them.
//!
//! A snapshot tells neither technical data, nor how a supervisor monitors a call, nor who is outside in a conference; the next facts do.

use std::sync::Arc;

use contracts::v1::{self, PartyState};
use contracts::wire;
use model::event::CallRef;
use model::request::MonitorMode;
use model::{CallType, ConnId, Dn, DnRole, Timestamp};

use super::calls::PhoneCalls;
use super::party::{DnInCall, Observed, talker};
use crate::voice_api::CallPhase;

impl PhoneCalls {
    /// Takes over a call. What cannot be read of it is left out: it was written by another version.
    pub fn stands(&mut self, status: &v1::CallStatus) {
        let Some(Ok(call)) = status.call.clone().map(wire::call_ref_from_wire) else { return };
        let data = Arc::new(wire::user_data_from_wire(status.user_data.clone()).unwrap_or_default());
        for party in &status.parties {
            let Some((dn, mut there)) = stands_in(&call, party) else { continue };
            there.user_data = Arc::clone(&data);
            there.told = Timestamp::from_micros(status.changed_at_us);
            self.enter(&dn, call.conn_id, there);
        }
        self.name_others(&call);
    }

    /// A party of a conference names nobody: those that the snapshot has, and the caller or who was called, are the others.
    fn name_others(&mut self, call: &CallRef) {
        let outside = match call.call_type {
            CallType::Inbound if !self.has_role(call.conn_id, DnRole::Origination) => {
                call.ani.as_ref().map(|number| talker(number, Some(DnRole::Origination)))
            }
            CallType::Outbound if !self.has_role(call.conn_id, DnRole::Destination) => {
                call.dnis.as_ref().map(|number| talker(number, Some(DnRole::Destination)))
            }
            _ => None,
        };
        let dns = self.known.get(&call.conn_id).map(|known| known.dns.clone()).unwrap_or_default();
        for dn in &dns {
            let is_alone = self.party(dn.as_str(), call.conn_id).is_some_and(|party| party.others.is_empty());
            if !is_alone {
                continue;
            }
            let others = self.others_of(dn, call.conn_id);
            if let Some(party) = self.party_mut(dn.as_str(), call.conn_id) {
                for other in others.into_iter().chain(outside.clone()).filter(|other| other.number != dn.as_str()) {
                    party.add(other);
                }
            }
        }
    }

    fn has_role(&self, conn_id: ConnId, role: DnRole) -> bool {
        let dns = self.known.get(&conn_id).map(|known| known.dns.iter()).into_iter().flatten();
        dns.filter_map(|dn| self.party(dn.as_str(), conn_id)).any(|party| party.role == Some(role))
    }
}

/// A party in a call; none for route points and queues.
fn stands_in(call: &CallRef, party: &v1::PartyStatus) -> Option<(Dn, DnInCall)> {
    let phase = match party.state() {
        PartyState::Dialing | PartyState::Failed => CallPhase::Dialing,
        PartyState::Alerting => CallPhase::Ringing,
        PartyState::Connected => CallPhase::Established,
        PartyState::Held => CallPhase::Held,
        PartyState::Queued | PartyState::Unspecified => return None,
    };
    if party.this_queue.as_ref() == Some(&party.dn) {
        return None;
    }
    let dn = Dn::parse(&party.dn).ok()?;
    let role = party.role.and_then(|role| wire::dn_role_from_wire(role).ok());
    let other = party.other_dn.as_ref();
    let observed = other.filter(|_| role == Some(DnRole::Observer));
    let began = Timestamp::from_micros(party.since_us);
    let there = DnInCall {
        role,
        others: other.map(|number| talker(number, role.and_then(opposite))).into_iter().collect(),
        observes: observed.map(|dn| Observed { dn: dn.clone(), mode: MonitorMode::default() }),
        ..DnInCall::new(call, phase, began)
    };
    Some((dn, there))
}

/// The role of the other one of two.
const fn opposite(role: DnRole) -> Option<DnRole> {
    match role {
        DnRole::Origination => Some(DnRole::Destination),
        DnRole::Destination => Some(DnRole::Origination),
        _ => None,
    }
}
