//! A call of a DN in the form in which its desktop gets it.

use model::request::MonitorMode;
use model::{CallType, ConnId, Dn, DnRole, UserData};

use super::calls::PhoneCalls;
use super::capabilities::{self, CallPairing, CallSituation};
use super::party::{DnInCall, Observed, milliseconds};
use crate::kv;
use crate::voice_api::{CallParticipant, CallPhase, CallRecording, CallState, MonitoringInfo};

/// The pair of the user data that tells whether the call is recorded.
const RECORDING_STATE: &str = "RecordingState";

impl PhoneCalls {
    /// A call as a DN sees it, without user data and duration.
    pub(super) fn outline(&self, dn: &str, conn_id: ConnId) -> Option<CallState> {
        let party = self.party(dn, conn_id)?;
        let call = &party.call;
        let parent = call.previous.filter(|_| call.call_type == CallType::Consult);
        let recording = recording(&party.user_data);
        let situation = CallSituation {
            phase: party.phase,
            pairing: self.pairing(dn, conn_id, party),
            others: party.others.len(),
            recording,
            observes: party.observes.as_ref().map(|observed| observed.mode),
        };
        let supervised = self.observers(dn, conn_id).map(|(_, mode)| mode).max_by_key(|mode| says(*mode));
        let id = conn_id.to_string();
        Some(CallState {
            conn_id: id.clone(),
            id,
            call_uuid: call.uuid.to_string(),
            call_type: call.call_type.to_string(),
            state: party.phase,
            phone_number: phone_number(party),
            ani: call.ani.clone(),
            dnis: call.dnis.clone(),
            participants: self.participants(dn, conn_id, party),
            user_data: Vec::new(),
            extensions: kv::pairs(&party.extensions),
            capabilities: capabilities::of_call(situation),
            parent_conn_id: parent.map(|id| id.to_string()),
            // A call that the DN still has was not replaced by this one.
            previous_conn_id: party.previous.filter(|id| self.party(dn, *id).is_none()).map(|id| id.to_string()),
            recording_state: recording,
            duration: 0,
            started_at: milliseconds(party.began),
            state_since: milliseconds(party.phase_since),
            is_monitored_by_me: party.observes.is_some(),
            monitoring_info: party.observes.as_ref().map(|observed| Box::new(monitoring(observed))),
            supervisor_monitoring_state: supervised.map(|mode| mode_name(mode).to_owned()),
            supervisor_listening_in: supervised.is_some_and(|mode| mode != MonitorMode::Connect),
            supervisor_barged_in: supervised == Some(MonitorMode::Connect),
        })
    }

    /// How a call stands to another one of its DN.
    fn pairing(&self, dn: &str, conn_id: ConnId, party: &DnInCall) -> CallPairing {
        let others = || self.on.get(dn).into_iter().flatten().filter(move |(id, _)| **id != conn_id);
        if consults(party).is_some_and(|about| self.party(dn, about).is_some()) {
            return CallPairing::Consults;
        }
        if let Some((_, other)) = others().find(|(_, other)| consults(other) == Some(conn_id)) {
            return CallPairing::Consulted { waits: other.phase == CallPhase::Held };
        }
        if others().any(|(_, other)| other.phase == CallPhase::Held) {
            return CallPairing::BesideHeld;
        }
        CallPairing::Alone
    }

    /// The supervisors who monitor a call, besides the DN itself.
    fn observers(&self, dn: &str, conn_id: ConnId) -> impl Iterator<Item = (&Dn, MonitorMode)> {
        let dns = self.known.get(&conn_id).map(|known| known.dns.iter()).into_iter().flatten();
        dns.filter(move |other| other.as_str() != dn).filter_map(move |other| {
            let party = self.party(other.as_str(), conn_id).filter(|party| party.phase != CallPhase::Ringing)?;
            Some((other, party.observes.as_ref()?.mode))
        })
    }

    /// The others in a call. A supervisor sees those who talk with the agent, and itself.
    fn participants(&self, dn: &str, conn_id: ConnId, party: &DnInCall) -> Vec<CallParticipant> {
        let observed = party.observes.as_ref().and_then(|observed| self.party(&observed.dn, conn_id));
        let talkers = party.others.iter().chain(observed.into_iter().flat_map(|observed| observed.others.iter()));
        let mut shown: Vec<CallParticipant> = Vec::new();
        for talker in talkers.filter(|talker| talker.number != dn) {
            if !shown.iter().any(|there| there.number == talker.number) {
                shown.push(CallParticipant { number: talker.number.clone(), role: role_name(talker.role) });
            }
        }
        let observers = self.observers(dn, conn_id).map(|(other, _)| other.as_str());
        for number in observers.chain(party.observes.as_ref().map(|_| dn)) {
            if !shown.iter().any(|there| there.number == number) {
                shown.push(CallParticipant { number: number.to_owned(), role: role_name(DnRole::Observer) });
            }
        }
        shown
    }
}

/// The call that a consultation is about, at who has begun it.
fn consults(party: &DnInCall) -> Option<ConnId> {
    let is_consultation = party.call.call_type == CallType::Consult && party.role == Some(DnRole::Origination);
    party.call.previous.filter(|_| is_consultation)
}

/// The number of the other side: who talks with the DN, else who has called or was called.
fn phone_number(party: &DnInCall) -> Option<String> {
    let other = party.others.first().map(|talker| talker.number.clone());
    other.or_else(|| {
        let has_called = party.role == Some(DnRole::Origination);
        if has_called { party.call.dnis.clone() } else { party.call.ani.clone() }
    })
}

fn recording(data: &UserData) -> CallRecording {
    match data.text(RECORDING_STATE) {
        Some("Recording") => CallRecording::Recording,
        Some("Paused") => CallRecording::Paused,
        _ => CallRecording::Stopped,
    }
}

fn monitoring(observed: &Observed) -> MonitoringInfo {
    MonitoringInfo {
        monitored_dn: observed.dn.clone(),
        monitor_mode: mode_name(observed.mode).to_owned(),
        monitor_scope: "Call".to_owned(),
    }
}

/// The name of a mode as desktops know it.
const fn mode_name(mode: MonitorMode) -> &'static str {
    match mode {
        MonitorMode::Mute => "Mute",
        MonitorMode::Coach => "Coach",
        MonitorMode::Connect => "Connect",
    }
}

/// How much is heard of a supervisor.
const fn says(mode: MonitorMode) -> u8 {
    match mode {
        MonitorMode::Mute => 0,
        MonitorMode::Coach => 1,
        MonitorMode::Connect => 2,
    }
}

fn role_name(role: DnRole) -> String {
    format!("Role{role}")
}
