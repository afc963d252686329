//! Which calls each DN has, and with whom, folded from the facts of calls; and what each fact changes for whom.
//!
//! A DN is told of a call what the facts at that DN say. Others in the call, and other calls of the DN, are told where what they see of
//! it has become another: what can be done with a call depends on the DN's other calls.

mod kept;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::event::CallRef;
use model::{ConnId, Dn, Event, EventName, Seq, Stamped, Subject, Timestamp, Token, UserData};

use super::capabilities::{self, CallPairing, CallSituation};
use super::party::{DnInCall, Observed, PARTICIPANTS_MAX, Talker, milliseconds, phase_after, talker};
use crate::kv;
use crate::voice_api::{CallNotification, CallPhase, CallState};

/// The most calls of a tenant, as many as the ledger has: a call whose end was lost must not stay for ever.
pub(super) const CALLS_MAX: usize = infra::bounds::CALLS_MAX;
/// The most calls of a DN; no phone has as many lines.
const CALLS_ON_DN_MAX: usize = 64;

/// The calls of a tenant's phones.
#[derive(Debug)]
pub(super) struct PhoneCalls {
    /// The calls of each DN that has one.
    pub(super) on: HashMap<Dn, BTreeMap<ConnId, DnInCall>>,
    pub(super) known: HashMap<ConnId, KnownCall>,
    /// [`CALLS_MAX`], less in a test.
    pub(super) calls_max: usize,
    left_out: u64,
}

/// A call that a phone has.
#[derive(Debug)]
pub(super) struct KnownCall {
    pub dns: BTreeSet<Dn>,
    /// What its last fact told.
    pub user_data: Arc<UserData>,
    /// The last fact's number. Facts that come once more say nothing new.
    last: Option<(Token, Seq)>,
    changed: Timestamp,
}

/// A call of which a DN is told.
#[derive(Debug)]
pub(super) struct ToldCall {
    pub dn: Dn,
    pub call: CallState,
    pub notification: CallNotification,
    /// Whether it is what the fact itself is about, and so answers its request.
    pub is_own: bool,
}

/// What a fact has done.
#[derive(Default)]
struct CallChange {
    left: Vec<((Dn, ConnId), DnInCall)>,
    /// The call from which the fact's DN has come.
    moved_from: Option<ConnId>,
    has_other_data: bool,
}

/// What each of some DNs sees of each of its calls, without user data.
type Outlines = BTreeMap<(Dn, ConnId), CallState>;

impl Default for PhoneCalls {
    fn default() -> Self {
        Self { on: HashMap::new(), known: HashMap::new(), calls_max: CALLS_MAX, left_out: 0 }
    }
}

impl PhoneCalls {
    /// How many calls were left out since the last call of this function: a DN, or a call, had too many.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// Folds a fact in.
    pub fn fold(&mut self, stamped: &Stamped) -> Vec<ToldCall> {
        let (event, at) = (&stamped.event, stamped.at);
        // Others tell of a call too, such as rq of its virtual queues, and may do so after its end.
        let (Some(call), Subject::Call(_)) = (&event.call, &stamped.id.subject) else { return Vec::new() };
        let number = (stamped.id.token, stamped.id.seq);
        if let Some(known) = self.known.get_mut(&call.conn_id) {
            if known.last.is_some_and(|last| number <= last) {
                return Vec::new();
            }
            (known.last, known.changed) = (Some(number), at);
        }
        if event.name == EventName::CallDeleted {
            return self.end(call.conn_id, at);
        }
        let Some(dn) = event.this_dn.as_ref().filter(|dn| is_at_phone(event, dn)) else { return Vec::new() };
        let mut told = self.make_room_for(call.conn_id, event, at);
        let concerned = self.concerned(dn, call);
        let before = self.outlines(&concerned);
        let change = self.fold_at(dn, call, event, at);
        if let Some(known) = self.known.get_mut(&call.conn_id) {
            (known.last, known.changed) = (Some(number), at);
        }
        told.extend(self.told(&before, change, &concerned, Some((dn, event)), at));
        told
    }

    /// The DNs that are in a call.
    pub fn dns_in(&self, conn_id: ConnId) -> Vec<Dn> {
        self.known.get(&conn_id).map(|known| known.dns.iter().cloned().collect()).unwrap_or_default()
    }

    /// A call is over, or forgotten: who is still in it leaves it.
    fn end(&mut self, conn_id: ConnId, at: Timestamp) -> Vec<ToldCall> {
        let concerned = self.known.get(&conn_id).map(|known| known.dns.clone()).unwrap_or_default();
        let before = self.outlines(&concerned);
        let mut change = CallChange::default();
        for dn in &concerned {
            change.left.extend(self.leave(dn, conn_id).map(|party| ((dn.clone(), conn_id), party)));
        }
        self.known.remove(&conn_id);
        self.told(&before, change, &concerned, None, at)
    }

    /// Drops the call that has been silent for longest if there are too many for another one.
    fn make_room_for(&mut self, conn_id: ConnId, event: &Event, at: Timestamp) -> Vec<ToldCall> {
        let is_new = !self.known.contains_key(&conn_id)
            && (phase_after(event, None).is_some() || event.name == EventName::PartyChanged);
        if !is_new || self.known.len() < self.calls_max {
            return Vec::new();
        }
        let oldest = self.known.iter().min_by_key(|(id, known)| (known.changed, **id)).map(|(id, _)| *id);
        self.left_out += 1;
        oldest.map(|oldest| self.end(oldest, at)).unwrap_or_default()
    }

    /// The DNs that may see something else after a fact.
    fn concerned(&self, dn: &Dn, call: &CallRef) -> BTreeSet<Dn> {
        let calls = [Some(call.conn_id), call.previous].into_iter().flatten();
        let dns = calls.filter_map(|conn_id| self.known.get(&conn_id)).flat_map(|known| known.dns.iter());
        dns.chain([dn]).cloned().collect()
    }

    // === what a fact does ===

    fn fold_at(&mut self, dn: &Dn, call: &CallRef, event: &Event, at: Timestamp) -> CallChange {
        match event.name {
            EventName::Released | EventName::Abandoned => self.gone(dn, call.conn_id),
            EventName::PartyChanged => self.moved(dn, call, event),
            EventName::Dialing
            | EventName::NetworkReached
            | EventName::Ringing
            | EventName::Established
            | EventName::Held
            | EventName::Retrieved
            | EventName::PartyAdded
            | EventName::PartyDeleted
            | EventName::AttachedDataChanged
            | EventName::DtmfSent
            | EventName::ACK => self.goes_on(dn, call, event, at),
            _ => CallChange::default(),
        }
    }

    fn goes_on(&mut self, dn: &Dn, call: &CallRef, event: &Event, at: Timestamp) -> CallChange {
        let before = self.party(dn.as_str(), call.conn_id).map(|party| party.phase);
        let phase = phase_after(event, before);
        if before.is_none() {
            let Some(phase) = phase else { return CallChange::default() };
            if !self.enter(dn, call.conn_id, DnInCall::new(call, phase, at)) {
                return CallChange::default();
            }
        }
        let data = self.shared_data(call.conn_id, &event.user_data);
        let Some(party) = self.party_mut(dn.as_str(), call.conn_id) else { return CallChange::default() };
        let has_other_data = party.take_call(call, data);
        party.take_parties(event);
        if let Some(phase) = phase {
            party.comes_to(phase, at);
            party.extensions = event.extensions.clone();
        }
        if event.name == EventName::Established && party.observes.is_none() {
            self.meets(dn, call.conn_id, event);
        }
        CallChange { has_other_data, ..CallChange::default() }
    }

    /// A phone has answered. It names the other one if there is exactly one, who then sees this phone, whatever was dialled before.
    fn meets(&mut self, dn: &Dn, conn_id: ConnId, event: &Event) {
        let Some(other) = &event.other_dn else {
            let others = self.others_of(dn, conn_id);
            if let Some(party) = self.party_mut(dn.as_str(), conn_id).filter(|_| !others.is_empty()) {
                party.others = others;
            }
            return;
        };
        let talks = |party: &&mut DnInCall| party.observes.is_none() && party.phase != CallPhase::Ringing;
        let Some(peer) = self.party_mut(other, conn_id).filter(talks) else { return };
        if !peer.others.iter().any(|there| there.number == dn.as_str()) {
            peer.others = vec![talker(dn.as_str(), event.this_role)];
        }
    }

    /// Those in a call besides a DN, as its other DNs know them.
    pub(super) fn others_of(&self, dn: &Dn, conn_id: ConnId) -> Vec<Talker> {
        let Some(known) = self.known.get(&conn_id) else { return Vec::new() };
        let parties = known.dns.iter().filter(|other| *other != dn).filter_map(|other| {
            let party = self.party(other.as_str(), conn_id)?;
            let talks = party.observes.is_none() && matches!(party.phase, CallPhase::Established | CallPhase::Held);
            talks.then_some((other, party))
        });
        let mut others: Vec<Talker> = Vec::new();
        let parties: Vec<(&Dn, &DnInCall)> = parties.collect();
        let dns = parties.iter().map(|(other, party)| talker(other.as_str(), party.role));
        for new in dns.chain(parties.iter().flat_map(|(_, party)| party.others.iter().cloned())) {
            let is_there = new.number == dn.as_str() || others.iter().any(|there| there.number == new.number);
            if !is_there && others.len() < PARTICIPANTS_MAX {
                others.push(new);
            }
        }
        others
    }

    /// A phone leaves a call. Who monitors it and speaks to all stays, as a party of its own.
    fn gone(&mut self, dn: &Dn, conn_id: ConnId) -> CallChange {
        use model::request::MonitorMode::Connect;
        let Some(left) = self.leave(dn, conn_id) else { return CallChange::default() };
        let stay = self.known.get(&conn_id).map(|known| known.dns.clone()).unwrap_or_default();
        for other in stay {
            let Some(party) = self.party_mut(other.as_str(), conn_id) else { continue };
            let stays = |observed: &Observed| observed.dn == dn.as_str() && observed.mode == Connect;
            if party.observes.as_ref().is_some_and(stays) {
                party.observes = None;
                party.others = left.others.iter().filter(|there| there.number != other.as_str()).cloned().collect();
            }
        }
        CallChange { left: vec![((dn.clone(), conn_id), left)], ..CallChange::default() }
    }

    /// A party of a transferred call sees another one. It may itself have come from another call.
    fn moved(&mut self, dn: &Dn, call: &CallRef, event: &Event) -> CallChange {
        let data = self.shared_data(call.conn_id, &event.user_data);
        let other = event.other_dn.as_deref().map(|number| vec![talker(number, event.other_role)]);
        if let Some(party) = self.party_mut(dn.as_str(), call.conn_id) {
            let has_other_data = party.take_call(call, data);
            party.role = event.this_role.or(party.role);
            if let Some(other) = other.filter(|_| party.observes.is_none()) {
                party.others = other;
            }
            return CallChange { has_other_data, ..CallChange::default() };
        }
        let Some((from, was)) = call.previous.and_then(|from| Some((from, self.leave(dn, from)?))) else {
            return CallChange::default();
        };
        let mut party =
            DnInCall { previous: Some(from), role: event.this_role.or(was.role), observes: None, ..was.clone() };
        let has_other_data = party.take_call(call, data);
        let others = other.unwrap_or_else(|| self.others_of(dn, call.conn_id));
        if !others.is_empty() {
            party.others = others;
        }
        if !self.enter(dn, call.conn_id, party) {
            return CallChange { left: vec![((dn.clone(), from), was)], ..CallChange::default() };
        }
        CallChange { moved_from: Some(from), has_other_data, ..CallChange::default() }
    }

    // === what is told ===

    fn told(
        &mut self,
        before: &Outlines,
        change: CallChange,
        concerned: &BTreeSet<Dn>,
        fact: Option<(&Dn, &Event)>,
        at: Timestamp,
    ) -> Vec<ToldCall> {
        let own = fact.and_then(|(dn, event)| Some((dn.clone(), event.call.as_ref()?.conn_id)));
        let mut told = Vec::new();
        for (key, party) in change.left {
            let Some(call) = before.get(&key) else { continue };
            let is_own = own.as_ref() == Some(&key);
            told.push(ToldCall {
                dn: key.0,
                call: released(call, &party, at),
                notification: CallNotification::StateChange,
                is_own,
            });
        }
        for (key, mut call) in self.outlines(concerned) {
            let is_own = own.as_ref() == Some(&key);
            let from = change.moved_from.filter(|_| is_own);
            let was = before.get(&from.map_or_else(|| key.clone(), |from| (key.0.clone(), from)));
            let has_other_data = is_own && change.has_other_data;
            let answers = fact.filter(|(_, event)| is_own && is_told_again(event)).map(|(_, event)| event.name);
            if was == Some(&call) && !has_other_data && answers.is_none() {
                continue;
            }
            let notification = notification(was, &call, has_other_data, answers);
            let Some(party) = self.party_mut(key.0.as_str(), key.1) else { continue };
            party.told = at;
            fill(&mut call, party);
            told.push(ToldCall { dn: key.0, call, notification, is_own });
        }
        // What the fact is about comes first.
        told.sort_by_key(|told| !told.is_own);
        told
    }

    fn outlines(&self, dns: &BTreeSet<Dn>) -> Outlines {
        let calls = dns.iter().flat_map(move |dn| {
            let here = self.on.get(dn).into_iter().flatten();
            here.filter_map(move |(conn_id, _)| Some(((dn.clone(), *conn_id), self.outline(dn.as_str(), *conn_id)?)))
        });
        calls.collect()
    }

    /// The calls of a DN, those that began first at the beginning.
    pub fn calls_on(&self, dn: &str) -> Vec<CallState> {
        let here = self.on.get(dn).into_iter().flatten();
        let calls = here.filter_map(|(conn_id, party)| {
            let mut call = self.outline(dn, *conn_id)?;
            fill(&mut call, party);
            Some(call)
        });
        calls.collect()
    }

    // === parties ===

    pub(super) fn party(&self, dn: &str, conn_id: ConnId) -> Option<&DnInCall> {
        self.on.get(dn)?.get(&conn_id)
    }

    pub(super) fn party_mut(&mut self, dn: &str, conn_id: ConnId) -> Option<&mut DnInCall> {
        self.on.get_mut(dn)?.get_mut(&conn_id)
    }

    /// A DN comes into a call. Returns whether there was room.
    pub(super) fn enter(&mut self, dn: &Dn, conn_id: ConnId, party: DnInCall) -> bool {
        let here = self.on.get(dn).map_or(0, BTreeMap::len);
        let there = self.known.get(&conn_id).map_or(0, |known| known.dns.len());
        let is_full = !self.known.contains_key(&conn_id) && self.known.len() >= self.calls_max;
        if is_full || here >= CALLS_ON_DN_MAX || there >= PARTICIPANTS_MAX {
            self.left_out += 1;
            return false;
        }
        let known = self.known.entry(conn_id).or_insert_with(|| KnownCall {
            dns: BTreeSet::new(),
            user_data: party.user_data.clone(),
            last: None,
            changed: party.told,
        });
        known.dns.insert(dn.clone());
        self.on.entry(dn.clone()).or_default().insert(conn_id, party);
        true
    }

    fn leave(&mut self, dn: &Dn, conn_id: ConnId) -> Option<DnInCall> {
        let here = self.on.get_mut(dn)?;
        let party = here.remove(&conn_id)?;
        if here.is_empty() {
            self.on.remove(dn);
        }
        if let Some(known) = self.known.get_mut(&conn_id) {
            known.dns.remove(dn);
        }
        Some(party)
    }

    /// The data of a call, once for all of its parties that have been told the same.
    fn shared_data(&mut self, conn_id: ConnId, data: &UserData) -> Arc<UserData> {
        let Some(known) = self.known.get_mut(&conn_id) else { return Arc::new(data.clone()) };
        if *known.user_data != *data {
            known.user_data = Arc::new(data.clone());
        }
        Arc::clone(&known.user_data)
    }
}

/// Route points and queues name themselves as what delivers the call; desktops have nothing to do with them.
fn is_at_phone(event: &Event, dn: &Dn) -> bool {
    event.this_queue.as_deref() != Some(dn.as_str())
}

/// Whether a fact that changes nothing is told all the same: somebody waits for the answer.
const fn is_told_again(event: &Event) -> bool {
    event.reference.0 != 0
        && matches!(
            event.name,
            EventName::Dialing
                | EventName::Ringing
                | EventName::Established
                | EventName::Held
                | EventName::Retrieved
                | EventName::PartyAdded
                | EventName::PartyDeleted
                | EventName::PartyChanged
                | EventName::AttachedDataChanged
                | EventName::DtmfSent
        )
}

/// What has changed most of a call; `answers` names the fact that is told again.
fn notification(
    was: Option<&CallState>,
    is: &CallState,
    has_other_data: bool,
    answers: Option<EventName>,
) -> CallNotification {
    let Some(was) = was.filter(|was| was.state == is.state) else { return CallNotification::StateChange };
    if was.id != is.id || was.participants != is.participants {
        return CallNotification::ParticipantsUpdated;
    }
    if was.recording_state != is.recording_state {
        return CallNotification::CallRecordingStateChange;
    }
    if has_other_data {
        return CallNotification::AttachedDataChanged;
    }
    match answers.filter(|_| was == is) {
        Some(EventName::AttachedDataChanged) => CallNotification::AttachedDataChanged,
        Some(EventName::PartyAdded | EventName::PartyDeleted | EventName::PartyChanged) => {
            CallNotification::ParticipantsUpdated
        }
        _ => CallNotification::StateChange,
    }
}

/// The call as whoever has left it sees it.
fn released(call: &CallState, party: &DnInCall, at: Timestamp) -> CallState {
    let state = CallPhase::Released;
    let (pairing, others) = (CallPairing::Alone, party.others.len());
    let situation = CallSituation { phase: state, pairing, others, recording: call.recording_state, observes: None };
    let (capabilities, state_since) = (capabilities::of_call(situation), milliseconds(at));
    let mut call = CallState { state, state_since, capabilities, ..call.clone() };
    fill(&mut call, party);
    call.duration = at.since(party.began).as_secs();
    call
}

fn fill(call: &mut CallState, party: &DnInCall) {
    call.user_data = kv::pairs(&party.user_data);
    call.duration = party.told.since(party.began).as_secs();
}
