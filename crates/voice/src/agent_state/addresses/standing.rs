//! What is on a tenant's DNs, from the records of calls and registrations.
//!
//! The facts that a successor reads next may be older than a record. It folds them again, which is harmless: the last of them decides.

use call::address::{Addresses, Flags, PartyOn, PartyState};
use contracts::v1::call_model_record::Stage;
use contracts::v1::invitation_record::Step;
use contracts::{call_record, v1, wire};
use infra::Stores;
use model::{CallType, ConnId, Dn, DnRole, TenantId, Timestamp};
use prost::Message;

/// The most records of one read.
const PAGE: usize = 500;
/// The version of records that is read.
const VERSION: u32 = 1;
/// The kind of sip-cluster's records of calls.
const CALL: &str = "call";

/// What is on the DNs of a tenant. A record that cannot be read shows with the call's next fact.
///
/// # Errors
/// When a store fails.
pub(in crate::agent_state) async fn read(stores: &Stores, tenant: &TenantId) -> infra::Result<Addresses> {
    let mut addresses = Addresses::default();
    let mut unreadable = 0;
    let mut after: Option<ConnId> = None;
    loop {
        let page = stores.calls.list(tenant, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        for record in &page {
            match open(&record.state) {
                Ok(thread) => take(&mut addresses, thread),
                Err(error) => {
                    tracing::debug!(call = %record.key, %error, "a call's record cannot be read");
                    unreadable += 1;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    if unreadable > 0 {
        tracing::warn!(%tenant, unreadable, "records of calls cannot be read: their parties show with the next fact");
    }
    let mut after: Option<Dn> = None;
    loop {
        let page = stores.registrations.list(tenant, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (dn, held) in page {
            if !held.bindings.is_empty() {
                addresses.registered(dn);
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(addresses)
}

/// The thread of a record; an empty one if the record is of another kind or version.
fn open(bytes: &[u8]) -> Result<v1::CallRecord, prost::DecodeError> {
    let record = v1::StateRecord::decode(bytes)?;
    if record.kind != CALL || record.version != VERSION {
        return Ok(v1::CallRecord::default());
    }
    v1::CallRecord::decode(record.body)
}

fn take(addresses: &mut Addresses, thread: v1::CallRecord) {
    for mut call in thread.model.into_iter().chain(thread.further) {
        call_record::upgrade(&mut call);
        for (dn, party) in parties(&call) {
            addresses.stands(dn, ConnId(call.conn_id), party);
        }
    }
}

/// The parties of a call that are on DNs.
fn parties(call: &v1::CallModelRecord) -> Vec<(Dn, PartyOn)> {
    if matches!(call.stage, None | Some(Stage::Over(_))) {
        return Vec::new();
    }
    let joined = call.parties.iter().filter_map(|party| joined(call, party));
    joined.chain(rings_or_waits(call)).collect()
}

/// A party that calls or has answered; none behind a trunk, which has no DN. The record has no better time than that of its last fact.
fn joined(call: &v1::CallModelRecord, party: &v1::PartyRecord) -> Option<(Dn, PartyOn)> {
    let state = match (party.held, party.established) {
        (true, _) => PartyState::Held,
        (false, true) => PartyState::Connected,
        (false, false) => PartyState::Dialing,
    };
    let mut others = call.parties.iter().filter(|other| other.number != party.number && other.observes.is_none());
    let other_dn = match (others.next(), others.next()) {
        (Some(peer), None) => Some(peer.dn.as_ref().unwrap_or(&peer.trunk_number).clone()),
        (Some(_), Some(_)) => None,
        (None, _) => Some(call.dialled.clone()),
    };
    let flags =
        Flags { no_listen: party.deaf, no_talk: party.muted, audit: party.observes.is_some(), ..Flags::default() };
    let on = PartyOn {
        flags,
        role: wire::dn_role_from_wire(party.role).ok(),
        other_dn,
        this_queue: party.point.as_ref().map(|point| point.dn.clone()),
        ..at(call, state)
    };
    Some((Dn::parse(party.dn.as_ref()?).ok()?, on))
}

/// The DN that rings, or the route point where the call waits.
fn rings_or_waits(call: &v1::CallModelRecord) -> Option<(Dn, PartyOn)> {
    let invited = || match call.invitation.as_ref()?.step.as_ref()? {
        Step::Ringing(offer) => Some(offer),
        Step::LookingUp(_) => None,
    };
    let (dn, queue, state) = match &call.stage {
        Some(Stage::Waiting(waiting)) => {
            let point = waiting.point.as_ref()?;
            (&point.dn, Some(point), PartyState::Queued)
        }
        Some(Stage::Offering(offer)) if offer.rang && offer.trunk.is_none() => {
            (&offer.dn, offer.point.as_ref(), PartyState::Alerting)
        }
        _ => {
            let offer = invited().filter(|offer| offer.rang && offer.trunk.is_none())?;
            (&offer.dn, None, PartyState::Alerting)
        }
    };
    let on = PartyOn {
        role: Some(DnRole::Destination),
        other_dn: Some(call.caller_dn.as_ref().unwrap_or(&call.caller_number).clone()),
        this_queue: queue.map(|point| point.dn.clone()),
        ..at(call, state)
    };
    Some((Dn::parse(dn).ok()?, on))
}

fn at(call: &v1::CallModelRecord, state: PartyState) -> PartyOn {
    let call_type = match (&call.consults_for, &call.caller_dn, call.outbound) {
        (Some(_), _, _) => CallType::Consult,
        (None, None, _) => CallType::Inbound,
        (None, Some(_), true) => CallType::Outbound,
        (None, Some(_), false) => CallType::Internal,
    };
    PartyOn {
        call_type,
        state,
        since: Timestamp::from_micros(call.last_at_us),
        flags: Flags::default(),
        role: None,
        other_dn: None,
        this_queue: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u32, dn: Option<&str>) -> v1::PartyRecord {
        v1::PartyRecord {
            number,
            dn: dn.map(str::to_owned),
            trunk_number: "+15550100".to_owned(),
            established: true,
            ..v1::PartyRecord::default()
        }
    }

    fn standing(call: v1::CallModelRecord) -> Addresses {
        let mut addresses = Addresses::default();
        take(&mut addresses, v1::CallRecord { model: Some(call), ..v1::CallRecord::default() });
        addresses
    }

    fn numbers(addresses: &Addresses, dn: &str) -> Vec<(u64, u32)> {
        addresses.on(&Dn::parse(dn).unwrap()).map(|(conn_id, party)| (conn_id.0, party.number())).collect()
    }

    #[test]
    fn those_who_talk_hold_or_observe_are_on_their_dns() {
        let call = v1::CallModelRecord {
            conn_id: 5,
            stage: Some(Stage::Talking(v1::NothingRecord {})),
            parties: vec![
                party(1, None),
                v1::PartyRecord { muted: true, ..party(2, Some("7101")) },
                v1::PartyRecord { observes: Some(v1::ObservesRecord::default()), ..party(3, Some("7130")) },
            ],
            ..v1::CallModelRecord::default()
        };
        let addresses = standing(call.clone());
        assert_eq!(numbers(&addresses, "7101"), [(5, 0x2c)]);
        assert_eq!(numbers(&addresses, "7130"), [(5, 0x8c)]);
        let (_, agent) = addresses.on(&Dn::parse("7101").unwrap()).next().unwrap();
        assert_eq!((agent.other_dn.as_deref(), agent.call_type), (Some("+15550100"), CallType::Inbound));
        let over = v1::CallModelRecord { stage: Some(Stage::Over(v1::NothingRecord {})), ..call };
        assert_eq!(standing(over).calls(), 0);
    }

    #[test]
    fn a_call_is_where_it_waits_or_rings_and_a_consultation_is_a_call_of_its_own() {
        let point = Some(v1::PointRecord { dn: "9000".to_owned(), ..v1::PointRecord::default() });
        let waiting = v1::CallModelRecord {
            conn_id: 5,
            stage: Some(Stage::Waiting(v1::WaitingRecord { point, routing: None })),
            ..v1::CallModelRecord::default()
        };
        assert_eq!(numbers(&standing(waiting), "9000"), [(5, 0x9)]);
        let offer = v1::OfferRecord { dn: "7102".to_owned(), rang: true, ..v1::OfferRecord::default() };
        let consultation = v1::CallModelRecord {
            conn_id: 6,
            stage: Some(Stage::Offering(offer)),
            consults_for: Some(v1::ConsultsForRecord::default()),
            parties: vec![v1::PartyRecord { established: false, ..party(1, Some("7101")) }],
            ..v1::CallModelRecord::default()
        };
        let mut addresses = Addresses::default();
        take(&mut addresses, v1::CallRecord { further: vec![consultation], ..v1::CallRecord::default() });
        assert_eq!((numbers(&addresses, "7102"), numbers(&addresses, "7101")), (vec![(6, 0xa)], vec![(6, 0x1_0001)]));
        let (_, consulted) = addresses.on(&Dn::parse("7102").unwrap()).next().unwrap();
        assert_eq!(consulted.call_type, CallType::Consult);
    }
}
