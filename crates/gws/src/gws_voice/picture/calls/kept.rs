//! The calls of phones, as records and back.

use std::collections::BTreeSet;
use std::sync::Arc;

use contracts::v1::PartyState;
use contracts::{v1, wire};
use model::{ConnId, Dn, DnRole, Seq, Timestamp, Token, UserData};

use super::super::party::{DnInCall, Observed, Talker};
use super::{KnownCall, PhoneCalls};
use crate::voice_api::CallPhase;

impl PhoneCalls {
    /// A record of each.
    pub fn record(&self) -> Vec<v1::PicturedCallRecord> {
        self.known.iter().map(|(conn_id, known)| self.call_record(*conn_id, known)).collect()
    }

    fn call_record(&self, conn_id: ConnId, known: &KnownCall) -> v1::PicturedCallRecord {
        let mut data = vec![Arc::clone(&known.user_data)];
        let mut parties = Vec::new();
        for dn in &known.dns {
            let Some(party) = self.party(dn.as_str(), conn_id) else { continue };
            let place = data.iter().position(|one| *one == party.user_data).unwrap_or(data.len());
            if place == data.len() {
                data.push(Arc::clone(&party.user_data));
            }
            parties.push(party_record(dn, party, u32::try_from(place).unwrap_or_default()));
        }
        let (token, seq) = known.last.map_or((None, 0), |(token, seq)| (Some(token.0), seq.0));
        v1::PicturedCallRecord {
            conn_id: conn_id.0,
            token,
            seq,
            changed_us: known.changed.as_micros(),
            user_data: data.iter().map(|one| wire::user_data_to_wire(one)).collect(),
            parties,
        }
    }

    /// Those of records; none where one cannot be read, or there are too many.
    pub fn of_record(records: Vec<v1::PicturedCallRecord>) -> Option<Self> {
        let mut calls = Self::default();
        if records.len() > calls.calls_max {
            return None;
        }
        for record in records {
            let conn_id = ConnId(record.conn_id);
            let data =
                record.user_data.into_iter().map(|data| wire::user_data_from_wire(Some(data)).ok().map(Arc::new));
            let data = data.collect::<Option<Vec<Arc<UserData>>>>()?;
            let known = KnownCall {
                dns: BTreeSet::new(),
                user_data: data.first().cloned().unwrap_or_default(),
                last: record.token.map(|token| (Token(token), Seq(record.seq))),
                changed: Timestamp::from_micros(record.changed_us),
            };
            calls.known.insert(conn_id, known);
            for party in record.parties {
                let (dn, there) = party_of(party, &data)?;
                calls.enter(&dn, conn_id, there);
            }
        }
        Some(calls)
    }
}

fn party_record(dn: &Dn, party: &DnInCall, user_data: u32) -> v1::PicturedPartyRecord {
    let state = match party.phase {
        CallPhase::Dialing => PartyState::Dialing,
        CallPhase::Ringing => PartyState::Alerting,
        CallPhase::Established => PartyState::Connected,
        CallPhase::Held => PartyState::Held,
        // A DN that has left a call is not in it.
        CallPhase::Released | CallPhase::Completed => PartyState::Unspecified,
    };
    let others = party.others.iter().map(|there| v1::PicturedTalkerRecord {
        number: there.number.clone(),
        role: wire::dn_role_to_wire(there.role),
    });
    let observed = party.observes.as_ref();
    v1::PicturedPartyRecord {
        dn: dn.to_string(),
        call: Some(wire::call_ref_to_wire(&party.call)),
        user_data,
        extensions: (!party.extensions.is_empty()).then(|| wire::user_data_to_wire(&party.extensions)),
        state: state.into(),
        role: party.role.map(wire::dn_role_to_wire),
        others: others.collect(),
        observed_dn: observed.map(|observed| observed.dn.clone()),
        observed_mode: observed.map(|observed| wire::monitor_mode_to_wire(observed.mode)).unwrap_or_default(),
        previous: party.previous.map(|previous| previous.0),
        began_us: party.began.as_micros(),
        told_us: party.told.as_micros(),
        phase_since_us: party.phase_since.as_micros(),
    }
}

fn party_of(record: v1::PicturedPartyRecord, data: &[Arc<UserData>]) -> Option<(Dn, DnInCall)> {
    let phase = match record.state() {
        PartyState::Dialing => CallPhase::Dialing,
        PartyState::Alerting => CallPhase::Ringing,
        PartyState::Connected => CallPhase::Established,
        PartyState::Held => CallPhase::Held,
        PartyState::Unspecified | PartyState::Queued | PartyState::Failed => return None,
    };
    let role = |number: i32| -> Option<DnRole> { wire::dn_role_from_wire(number).ok() };
    let observes = match record.observed_dn {
        Some(dn) => Some(Observed { dn, mode: wire::monitor_mode_from_wire(record.observed_mode).ok()? }),
        None => None,
    };
    let others = record.others.into_iter().map(|there| Some(Talker { number: there.number, role: role(there.role)? }));
    let there = DnInCall {
        call: wire::call_ref_from_wire(record.call?).ok()?,
        user_data: data.get(usize::try_from(record.user_data).ok()?)?.clone(),
        extensions: wire::user_data_from_wire(record.extensions).ok()?,
        phase,
        phase_since: Timestamp::from_micros(record.phase_since_us),
        role: match record.role {
            Some(number) => Some(role(number)?),
            None => None,
        },
        others: others.collect::<Option<_>>()?,
        observes,
        previous: record.previous.map(ConnId),
        began: Timestamp::from_micros(record.began_us),
        told: Timestamp::from_micros(record.told_us),
    };
    Some((Dn::parse(&record.dn).ok()?, there))
}
