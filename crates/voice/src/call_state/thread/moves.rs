//! Who consulted, transferred, conferred, monitored, redirected and removed whom.

use model::event::CallRef;
use model::{CallState, CallType, ConnId, DnRole, Event, EventName, Timestamp};

use super::CallThread;

/// The most moves of one thread; later ones are left out.
pub const MOVES_MAX: usize = 128;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveKind {
    /// Somebody began a consultation.
    Consultation,
    /// Somebody transferred the call.
    Transfer,
    /// Somebody took another one into the call.
    Conference,
    /// A supervisor began to monitor.
    Monitoring,
    /// A phone sent the ringing call on.
    Redirection,
    /// Somebody removed another one from a conference.
    Removal,
}

impl MoveKind {
    /// As records name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consultation => "Consultation",
            Self::Transfer => "Transfer",
            Self::Conference => "Conference",
            Self::Monitoring => "Monitoring",
            Self::Redirection => "Redirection",
            Self::Removal => "Removal",
        }
    }
}

/// Something that changed who is in which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: MoveKind,
    /// Who did it.
    pub by: Option<String>,
    /// Whom it concerns: the destination, the new party, the one removed.
    pub to: Option<String>,
    /// The call; of a consultation the one that is consulted about.
    pub conn_id: ConnId,
    /// The consultation, if there is one.
    pub consultation: Option<ConnId>,
}

impl CallThread {
    /// Notes what an event says about who is in which call. Comes before the parties are changed.
    pub(super) fn note_move(&mut self, call: &CallRef, event: &Event, at: Timestamp) {
        let this = event.this_dn.as_ref().map(ToString::to_string);
        let step = |kind, by, to, conn_id, consultation| Move { at, kind, by, to, conn_id, consultation };
        let conn_id = call.conn_id;
        let noted = match (event.name, event.call_state) {
            (EventName::Dialing, _) if call.call_type == CallType::Consult => {
                let about = call.previous.unwrap_or(conn_id);
                step(MoveKind::Consultation, this, event.other_dn.clone(), about, Some(conn_id))
            }
            (EventName::Released, Some(CallState::Transferred)) => match self.transferred(call, event) {
                Some((to, consultation)) => step(MoveKind::Transfer, this, to, conn_id, consultation),
                None => return,
            },
            (EventName::Released, Some(CallState::Redirected)) if event.third_party_dn.is_some() => {
                step(MoveKind::Redirection, this, event.third_party_dn.clone(), conn_id, None)
            }
            (EventName::PartyAdded, _) if event.other_role == Some(DnRole::Observer) => {
                step(MoveKind::Monitoring, event.other_dn.clone(), this, conn_id, None)
            }
            (EventName::PartyAdded, _) => {
                let consultation = self.consultation_with(event.other_dn.as_deref(), conn_id);
                step(MoveKind::Conference, event.third_party_dn.clone(), event.other_dn.clone(), conn_id, consultation)
            }
            (EventName::PartyDeleted, _) if event.third_party_role == Some(DnRole::DeletedBy) => {
                step(MoveKind::Removal, event.third_party_dn.clone(), event.other_dn.clone(), conn_id, None)
            }
            _ => return,
        };
        // Each of the others in the call is told of the same.
        let is_same = |known: &Move| {
            let is_same_act = (known.kind, &known.by, known.conn_id) == (noted.kind, &noted.by, noted.conn_id);
            is_same_act && (noted.kind == MoveKind::Monitoring || known.to == noted.to)
        };
        let is_told = self.moves.iter().rev().take_while(|known| known.at == at).any(is_same);
        if !is_told && self.moves.len() < MOVES_MAX {
            self.moves.push(noted);
        }
    }

    /// Where a party that leaves has transferred the call, and the consultation; none if it leaves the consultation and is still in the call.
    fn transferred(&self, call: &CallRef, event: &Event) -> Option<(Option<String>, Option<ConnId>)> {
        let dn = event.this_dn.as_ref()?.as_str();
        let is_elsewhere = |party: &super::Party| party.dn == dn && party.conn_id != call.conn_id && !party.is_over();
        if self.parties.iter().any(is_elsewhere) {
            return None;
        }
        let is_used = |consultation| {
            self.moves.iter().any(|step| step.kind == MoveKind::Transfer && step.consultation == Some(consultation))
        };
        let is_about_this = |consultation| {
            self.calls.get(&consultation).is_some_and(|one| one.call.previous == Some(call.conn_id))
                && !is_used(consultation)
        };
        let mut left = self.parties.iter().rev().filter(|party| party.dn == dn && is_about_this(party.conn_id));
        let consulted = left.find(|party| party.call_state == Some(CallState::Transferred));
        let to = event.third_party_dn.clone().or_else(|| consulted.and_then(|party| party.others.last().cloned()));
        Some((to, consulted.map(|party| party.conn_id)))
    }

    /// The consultation from which that party is about to come.
    fn consultation_with(&self, dn: Option<&str>, into: ConnId) -> Option<ConnId> {
        let dn = dn?;
        let consultations = self.calls.values().filter(|call| call.call.previous == Some(into));
        let with = |conn_id: &ConnId| {
            self.parties
                .iter()
                .any(|party| party.conn_id == *conn_id && (party.dn == dn || party.others.iter().any(|o| o == dn)))
        };
        consultations.map(|call| call.call.conn_id).rfind(with)
    }
}
