//! A call thread: the history of its calls by party, and who consulted, transferred and conferred, folded from the tenant's events.

mod company;
mod moves;
mod party;

use std::collections::BTreeMap;

use infra::Position;
use model::event::CallRef;
use model::{CallState, CallType, CallUuid, ConnId, DnRole, Event, EventName, Stamped, Subject, Timestamp, UserData};

pub use moves::{Move, MoveKind};
pub use party::{Party, PartyKind, Phase, PhaseSpan};

/// The most parties of one thread; a call that is routed more often keeps its first ones.
pub const PARTIES_MAX: usize = 64;
/// The most calls of one thread that are told apart; later ones are left out.
pub const CALLS_MAX: usize = 64;

/// The most bytes of user data of one thread, over all its calls: that of five calls with as much as a call may have. A call whose new
/// data finds no room keeps what it has.
pub const USER_DATA_BYTES_MAX: usize = 512 << 10;

/// How a thread or a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A phone or an agent answered the call.
    Answered,
    /// The caller left before that.
    Abandoned,
    /// It ended otherwise: a service, a refusal, a failure.
    Ended,
}

/// A call of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneCall {
    /// The call as its first fact named it.
    pub call: CallRef,
    /// Whether its facts were seen from its beginning on.
    pub complete: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// The time of its last event.
    pub last_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub call_state: Option<CallState>,
    /// The last known business data.
    pub user_data: UserData,
    /// Whether a caller left while waiting or ringing.
    pub abandoned: bool,
}

/// A chain of calls that started with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallThread {
    /// Its id.
    pub id: CallUuid,
    /// Its first call, as described by its first event.
    pub first: CallRef,
    /// Whether its events were seen from its start on.
    pub complete: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// The time of its last event.
    pub last_at: Timestamp,
    /// Its calls.
    pub calls: BTreeMap<ConnId, OneCall>,
    /// Its parties, in the order of joining.
    pub parties: Vec<Party>,
    /// Consultations, transfers, conferences, in their order.
    pub moves: Vec<Move>,
    /// The call that told user data last.
    pub told_by: Option<ConnId>,
    /// Whether a caller left while waiting or ringing.
    pub abandoned: bool,
    /// The position of its last event.
    pub folded: Position,
}

/// The result of folding an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It was folded, or concerns no thread.
    Done,
    /// There was no room for it.
    NoRoom,
}

impl CallThread {
    /// A thread whose first event names this call.
    pub fn new(call: &CallRef, complete: bool, at: Timestamp) -> Self {
        Self {
            id: call.thread,
            first: call.clone(),
            complete,
            began_at: at,
            last_at: at,
            calls: BTreeMap::new(),
            parties: Vec::new(),
            moves: Vec::new(),
            told_by: None,
            abandoned: false,
            folded: Position::START,
        }
    }

    /// The last known user data.
    pub fn user_data(&self) -> Option<&UserData> {
        self.calls.get(&self.told_by?).map(|call| &call.user_data)
    }

    /// Its outcome so far.
    pub fn outcome(&self) -> Outcome {
        outcome(self.parties.iter(), self.abandoned)
    }

    /// The outcome of one of its calls so far.
    pub fn outcome_of(&self, call: &OneCall) -> Outcome {
        outcome(self.parties.iter().filter(|party| party.conn_id == call.call.conn_id), call.abandoned)
    }

    /// When the last of its calls ended; `None` while one is open.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.calls.values().map(|call| call.ended_at).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Folds an event of one of its calls.
    pub fn fold(&mut self, call: &CallRef, stamped: &Stamped) -> Folded {
        let (event, at) = (&stamped.event, stamped.at);
        self.last_at = self.last_at.max(at);
        if !self.calls.contains_key(&call.conn_id) && self.calls.len() >= CALLS_MAX {
            return Folded::NoRoom;
        }
        let is_created = event.name == EventName::CallCreated;
        let one = self.calls.entry(call.conn_id).or_insert_with(|| OneCall {
            call: call.clone(),
            // A consultation begins with the event of the phone that dials.
            complete: is_created || event.name == EventName::Dialing,
            began_at: at,
            last_at: at,
            ended_at: None,
            call_state: None,
            user_data: UserData::new(),
            abandoned: false,
        });
        one.last_at = at;
        let told = self.tell(call.conn_id, &event.user_data);
        if event.name == EventName::CallDeleted {
            if let Some(one) = self.calls.get_mut(&call.conn_id) {
                one.ended_at = Some(at);
                one.call_state = event.call_state;
            }
            // A caller that leaves between the queue and a phone that does not ring yet causes no separate fact.
            let waited = |party: &Party| party.conn_id == call.conn_id && party.kind == PartyKind::Queue;
            if event.call_state == Some(CallState::Ok) && self.parties.iter().any(waited) {
                self.note_abandoned(call.conn_id);
            }
            self.end_parties(call.conn_id, event.call_state, at);
        }
        self.note_move(call, event, at);
        let joined = self.fold_party(call, stamped);
        if told == Folded::Done { joined } else { told }
    }

    /// Takes over what an event says of a call's user data.
    fn tell(&mut self, conn_id: ConnId, user_data: &UserData) -> Folded {
        if user_data.is_empty() {
            return Folded::Done;
        }
        let others = self.calls.iter().filter(|(other, _)| **other != conn_id);
        let bytes: usize = others.map(|(_, other)| other.user_data.bytes()).sum();
        if bytes + user_data.bytes() > USER_DATA_BYTES_MAX {
            return Folded::NoRoom;
        }
        if let Some(call) = self.calls.get_mut(&conn_id) {
            call.user_data = user_data.clone();
            self.told_by = Some(conn_id);
        }
        Folded::Done
    }

    fn fold_party(&mut self, call: &CallRef, stamped: &Stamped) -> Folded {
        let (event, at, conn_id) = (&stamped.event, stamped.at, call.conn_id);
        match event.name {
            EventName::Queued => self.join(conn_id, event, Phase::Queue, at),
            EventName::Ringing | EventName::Dialing => self.join(conn_id, event, Phase::Ring, at),
            EventName::Established => {
                let joined = self.join(conn_id, event, Phase::Talk, at);
                self.pass(conn_id, event, Phase::Talk, at);
                self.gather(conn_id, event);
                joined
            }
            EventName::PartyChanged => self.moved(call, event, at),
            // A supervisor is met by the fact of its own phone, if it is heard.
            EventName::PartyAdded if event.other_role == Some(DnRole::Observer) => Folded::Done,
            // It may be heard from now on.
            EventName::ACK if event.this_role == Some(DnRole::Observer) => {
                self.gather(conn_id, event);
                Folded::Done
            }
            // Who took a party in has come back to the call without a fact of its own.
            EventName::PartyAdded if is_own_act(event) => self.pass(conn_id, event, Phase::Talk, at),
            EventName::PartyAdded => {
                if let Some(party) = self.party_of(conn_id, event) {
                    party.meet(event.other_dn.as_deref());
                }
                Folded::Done
            }
            EventName::Held => self.pass(conn_id, event, Phase::Hold, at),
            EventName::Retrieved => self.pass(conn_id, event, Phase::Talk, at),
            EventName::Released | EventName::Diverted => self.leave(conn_id, event, at),
            EventName::Abandoned => {
                let is_of_queue = matches!(stamped.id.subject, Subject::Queue(_));
                if !is_of_queue || event.call_state != Some(CallState::Redirected) {
                    self.note_abandoned(conn_id);
                }
                self.leave(conn_id, event, at)
            }
            _ => Folded::Done,
        }
    }

    fn note_abandoned(&mut self, conn_id: ConnId) {
        self.abandoned = true;
        if let Some(call) = self.calls.get_mut(&conn_id) {
            call.abandoned = true;
        }
    }

    /// The present stay of a DN in a call.
    fn party(&mut self, conn_id: ConnId, dn: &str) -> Option<&mut Party> {
        self.parties.iter_mut().rev().find(|p| p.conn_id == conn_id && p.dn == dn && !p.is_over())
    }

    fn party_of(&mut self, conn_id: ConnId, event: &Event) -> Option<&mut Party> {
        self.party(conn_id, event.this_dn.as_ref()?.as_str())
    }

    fn join(&mut self, conn_id: ConnId, event: &Event, phase: Phase, at: Timestamp) -> Folded {
        let Some(dn) = event.this_dn.as_ref().map(ToString::to_string) else { return Folded::Done };
        if self.party(conn_id, &dn).is_some() {
            return Folded::Done;
        }
        if self.parties.len() >= PARTIES_MAX {
            return Folded::NoRoom;
        }
        self.parties.push(Party::new(conn_id, dn, event, phase, at));
        Folded::Done
    }

    /// A party comes from a consultation into the call that it was about, or sees another one there.
    fn moved(&mut self, call: &CallRef, event: &Event, at: Timestamp) -> Folded {
        let Some(dn) = &event.this_dn else { return Folded::Done };
        if let Some(party) = self.party(call.conn_id, dn.as_str()) {
            party.meet(event.other_dn.as_deref());
            return Folded::Done;
        }
        // A consultation names the call that it is about in the same place.
        let Some(previous) = call.previous else { return Folded::Done };
        let Some(party) = self.party(previous, dn.as_str()) else {
            // From a call of another thread, which this one has met: it talked there.
            let is_elsewhere = call.call_type != CallType::Consult && !self.calls.contains_key(&previous);
            return if is_elsewhere {
                self.come_from(previous, call.conn_id, event, Phase::Talk, at)
            } else {
                Folded::Done
            };
        };
        let phase = if party.established { Phase::Talk } else { Phase::Ring };
        party.went_to = Some(call.conn_id);
        party.end(event.call_state, at);
        self.come_from(previous, call.conn_id, event, phase, at)
    }

    fn come_from(&mut self, previous: ConnId, conn_id: ConnId, event: &Event, phase: Phase, at: Timestamp) -> Folded {
        let joined = self.join(conn_id, event, phase, at);
        self.pass(conn_id, event, phase, at);
        self.gather(conn_id, event);
        if let Some(party) = self.party_of(conn_id, event) {
            party.came_from = Some(previous);
        }
        joined
    }

    fn pass(&mut self, conn_id: ConnId, event: &Event, phase: Phase, at: Timestamp) -> Folded {
        if let Some(party) = self.party_of(conn_id, event) {
            if phase == Phase::Talk && !party.established {
                // Whom it called, or who called it, may be another one than the one with whom it talks.
                party.others.clear();
            }
            party.enter(phase, at);
            party.meet(event.other_dn.as_deref());
            if party.agent.is_none() {
                party.agent = event.agent.clone();
            }
        }
        Folded::Done
    }

    fn leave(&mut self, conn_id: ConnId, event: &Event, at: Timestamp) -> Folded {
        if let Some(party) = self.party_of(conn_id, event) {
            // The third party of one that was removed is who has removed it.
            let sent_to = event.third_party_dn.clone();
            party.sent_to = sent_to.filter(|_| event.third_party_role != Some(DnRole::DeletedBy));
            party.end(event.call_state, at);
        }
        Folded::Done
    }

    /// Ends a call whose end was never reported.
    pub fn call_missing(&mut self, conn_id: ConnId, now: Timestamp) {
        self.complete = false;
        if let Some(call) = self.calls.get_mut(&conn_id) {
            call.complete = false;
            call.ended_at = Some(now);
        }
        self.end_parties(conn_id, None, now);
    }

    /// Notes that some of its events are missing.
    pub fn lacks_events(&mut self) {
        self.complete = false;
        for call in self.calls.values_mut().filter(|call| call.ended_at.is_none()) {
            call.complete = false;
        }
    }

    fn end_parties(&mut self, conn_id: ConnId, why: Option<CallState>, at: Timestamp) {
        for party in self.parties.iter_mut().filter(|p| p.conn_id == conn_id && !p.is_over()) {
            party.end(why, at);
        }
    }
}

fn outcome<'a>(mut parties: impl Iterator<Item = &'a Party>, abandoned: bool) -> Outcome {
    if parties.any(|party| party.established && party.role != Some(DnRole::Origination)) {
        Outcome::Answered
    } else if abandoned {
        Outcome::Abandoned
    } else {
        Outcome::Ended
    }
}

/// Whether the DN that the event is for has done it.
fn is_own_act(event: &Event) -> bool {
    event.third_party_dn.is_some() && event.third_party_dn.as_deref() == event.this_dn.as_ref().map(|dn| dn.as_str())
}

#[cfg(test)]
mod tests;
