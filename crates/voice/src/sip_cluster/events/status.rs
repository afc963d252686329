//! A call as a subscription begins with it.

use call::CallSnapshot;
use call::call::{LegProgress, Offer, Party, Point, Stage};
use contracts::v1::{self, PartyState};
use contracts::wire;
use model::{Dn, DnRole};

/// The call's state; none if it is over, or if nothing of it is published yet.
pub(super) fn of(call: &CallSnapshot) -> Option<v1::CallStatus> {
    if call.is_over() || !call.announced {
        return None;
    }
    let joined = call.parties.iter().filter_map(|party| joined(call, party));
    let called = match &call.stage {
        Stage::Waiting(waiting) => Some(target(call, &waiting.point.dn, PartyState::Queued, Some(&waiting.point))),
        Stage::Offering(offer) => rings(call, offer),
        _ => call.invited().and_then(|offer| rings(call, offer)),
    };
    Some(v1::CallStatus {
        call: Some(wire::call_ref_to_wire(&call.call_ref())),
        parties: joined.chain(called).collect(),
        user_data: Some(wire::user_data_to_wire(&call.user_data)),
        changed_at_us: call.last_at.as_micros(),
    })
}

/// A phone that rings; none that is outside, which has no DN.
fn rings(call: &CallSnapshot, offer: &Offer) -> Option<v1::PartyStatus> {
    let is_shown = offer.rang && offer.trunk.is_none();
    is_shown.then(|| target(call, &offer.dn, PartyState::Alerting, offer.point.as_ref()))
}

fn target(call: &CallSnapshot, dn: &Dn, state: PartyState, point: Option<&Point>) -> v1::PartyStatus {
    v1::PartyStatus {
        dn: dn.to_string(),
        state: state.into(),
        role: Some(wire::dn_role_to_wire(DnRole::Destination)),
        other_dn: Some(call.presented_number().to_owned()),
        this_queue: point.map(|point| point.dn.to_string()),
        since_us: call.last_at.as_micros(),
    }
}

/// A party that called or has answered, with the time of the call's last fact as the start of its state: the record contains no better time.
/// None behind a trunk: it has no DN.
fn joined(call: &CallSnapshot, party: &Party) -> Option<v1::PartyStatus> {
    let dn = party.dn().filter(|_| party.progress != LegProgress::Gone)?;
    let state = match (party.held, party.established) {
        (true, _) => PartyState::Held,
        (false, true) => PartyState::Connected,
        (false, false) => PartyState::Dialing,
    };
    Some(v1::PartyStatus {
        dn: dn.to_string(),
        state: state.into(),
        role: Some(wire::dn_role_to_wire(party.role)),
        other_dn: call.peer_of(party).map(|(address, _)| address),
        this_queue: party.point.as_ref().map(|point| point.dn.to_string()),
        since_us: call.last_at.as_micros(),
    })
}
