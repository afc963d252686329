//! Call threads: the history of each call, by party, folded from the tenant's events.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use model::event::CallRef;
use model::{AgentId, CallState, CallUuid, ConnId, DnRole, Event, EventName, Stamped, Subject, Timestamp, UserData};

/// A thread closes when all its calls have been over for this long: later events of an ended call have arrived by then.
pub const GRACE: Duration = Duration::from_secs(5);
/// The most open threads of one tenant: as many as the ledger has calls.
const THREADS_MAX: usize = infra::bounds::CALLS_MAX;
/// The most parties of one thread; a call that is routed more often keeps its first ones.
const PARTIES_MAX: usize = 64;

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A phone or an agent answered the call.
    Answered,
    /// The caller left before that.
    Abandoned,
    /// It ended otherwise: a service, a refusal, a failure.
    Ended,
}

/// The kind of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyKind {
    /// A phone.
    Phone,
    /// A route point or virtual queue.
    Queue,
}

/// A stay of a call at a DN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The call.
    pub conn_id: ConnId,
    /// The DN.
    pub dn: String,
    /// Its kind.
    pub kind: PartyKind,
    /// The role of the DN.
    pub role: Option<DnRole>,
    /// The agent on the DN, if events name one.
    pub agent: Option<AgentId>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether it was answered.
    pub established: bool,
    /// How it ended.
    pub call_state: Option<CallState>,
    /// Time waiting in the queue.
    pub queue: Duration,
    /// Time ringing, or hearing ring-back.
    pub ring: Duration,
    /// Time talking.
    pub talk: Duration,
    /// Time in which the party held the call.
    pub hold: Duration,
    phase: Phase,
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Queue,
    Ring,
    Talk,
    Hold,
    Over,
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
    /// Its calls, each with its end if it has ended.
    pub calls: BTreeMap<ConnId, Option<Timestamp>>,
    /// Its parties, in the order of joining.
    pub parties: Vec<Party>,
    /// The last known business data.
    pub user_data: UserData,
    /// Whether a caller left while waiting or ringing.
    pub abandoned: bool,
}

impl CallThread {
    fn new(call: &CallRef, complete: bool, at: Timestamp) -> Self {
        Self {
            id: call.thread,
            first: call.clone(),
            complete,
            began_at: at,
            last_at: at,
            calls: BTreeMap::new(),
            parties: Vec::new(),
            user_data: UserData::new(),
            abandoned: false,
        }
    }

    /// Its outcome so far.
    pub fn outcome(&self) -> Outcome {
        let answered = |party: &Party| party.established && party.role != Some(DnRole::Origination);
        if self.parties.iter().any(answered) {
            Outcome::Answered
        } else if self.abandoned {
            Outcome::Abandoned
        } else {
            Outcome::Ended
        }
    }

    /// When the last of its calls ended; `None` while one is open.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.calls.values().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn fold(&mut self, call: &CallRef, stamped: &Stamped) -> Folded {
        let (event, at) = (&stamped.event, stamped.at);
        self.last_at = self.last_at.max(at);
        if event.name == EventName::CallDeleted {
            self.calls.insert(call.conn_id, Some(at));
            // A caller that leaves between the queue and a phone that does not ring yet causes no separate fact.
            let waited = |party: &Party| party.conn_id == call.conn_id && party.kind == PartyKind::Queue;
            self.abandoned |= event.call_state == Some(CallState::Ok) && self.parties.iter().any(waited);
            self.end_parties(call.conn_id, event.call_state, at);
        } else {
            self.calls.entry(call.conn_id).or_insert(None);
        }
        if !event.user_data.is_empty() {
            self.user_data = event.user_data.clone();
        }
        let queue = matches!(stamped.id.subject, Subject::Queue(_));
        match event.name {
            EventName::Queued => self.join(call.conn_id, event, Phase::Queue, at),
            EventName::Ringing | EventName::Dialing => self.join(call.conn_id, event, Phase::Ring, at),
            EventName::Established => {
                let joined = self.join(call.conn_id, event, Phase::Talk, at);
                self.pass(call.conn_id, event, Phase::Talk, at);
                joined
            }
            EventName::PartyChanged => self.moved(call, event, at),
            // Who took a party in has come back to the call without a fact of its own.
            EventName::PartyAdded if is_own_act(event) => self.pass(call.conn_id, event, Phase::Talk, at),
            EventName::Held => self.pass(call.conn_id, event, Phase::Hold, at),
            EventName::Retrieved => self.pass(call.conn_id, event, Phase::Talk, at),
            EventName::Released | EventName::Diverted => self.leave(call.conn_id, event, at),
            EventName::Abandoned => {
                self.abandoned |= !queue || event.call_state != Some(CallState::Redirected);
                self.leave(call.conn_id, event, at)
            }
            _ => Folded::Done,
        }
    }

    fn party(&mut self, conn_id: ConnId, dn: &str) -> Option<&mut Party> {
        self.parties.iter_mut().rev().find(|p| p.conn_id == conn_id && p.dn == dn && p.phase != Phase::Over)
    }

    fn join(&mut self, conn_id: ConnId, event: &Event, phase: Phase, at: Timestamp) -> Folded {
        let Some(dn) = event.this_dn.as_ref().map(ToString::to_string) else { return Folded::Done };
        if self.party(conn_id, &dn).is_some() {
            return Folded::Done;
        }
        if self.parties.len() >= PARTIES_MAX {
            return Folded::NoRoom;
        }
        self.parties.push(Party {
            conn_id,
            dn,
            kind: if phase == Phase::Queue { PartyKind::Queue } else { PartyKind::Phone },
            role: event.this_role,
            agent: event.agent.clone(),
            began_at: at,
            ended_at: None,
            established: false,
            call_state: None,
            queue: Duration::ZERO,
            ring: Duration::ZERO,
            talk: Duration::ZERO,
            hold: Duration::ZERO,
            phase,
            since: at,
        });
        Folded::Done
    }

    /// A party comes from a consultation into the call that it was about.
    fn moved(&mut self, call: &CallRef, event: &Event, at: Timestamp) -> Folded {
        let (Some(dn), Some(previous)) = (&event.this_dn, call.previous) else { return Folded::Done };
        // A consultation names the call that it is about in the same place.
        if self.party(call.conn_id, dn.as_str()).is_some() {
            return Folded::Done;
        }
        let Some(party) = self.party(previous, dn.as_str()) else { return Folded::Done };
        let phase = if party.established { Phase::Talk } else { Phase::Ring };
        party.end(event.call_state, at);
        let joined = self.join(call.conn_id, event, phase, at);
        self.pass(call.conn_id, event, phase, at);
        joined
    }

    fn pass(&mut self, conn_id: ConnId, event: &Event, phase: Phase, at: Timestamp) -> Folded {
        if let Some(dn) = &event.this_dn
            && let Some(party) = self.party(conn_id, dn.as_str())
        {
            party.enter(phase, at);
            if party.agent.is_none() {
                party.agent = event.agent.clone();
            }
        }
        Folded::Done
    }

    fn leave(&mut self, conn_id: ConnId, event: &Event, at: Timestamp) -> Folded {
        if let Some(dn) = &event.this_dn
            && let Some(party) = self.party(conn_id, dn.as_str())
        {
            party.end(event.call_state, at);
        }
        Folded::Done
    }

    fn end_parties(&mut self, conn_id: ConnId, why: Option<CallState>, at: Timestamp) {
        for party in self.parties.iter_mut().filter(|p| p.conn_id == conn_id && p.phase != Phase::Over) {
            party.end(why, at);
        }
    }
}

impl Party {
    fn enter(&mut self, phase: Phase, at: Timestamp) {
        let passed = at.since(self.since);
        match self.phase {
            Phase::Queue => self.queue += passed,
            Phase::Ring => self.ring += passed,
            Phase::Talk => self.talk += passed,
            Phase::Hold => self.hold += passed,
            Phase::Over => {}
        }
        self.established |= phase == Phase::Talk;
        self.phase = phase;
        self.since = at;
    }

    fn end(&mut self, why: Option<CallState>, at: Timestamp) {
        self.enter(Phase::Over, at);
        self.ended_at = Some(at);
        self.call_state = why;
    }
}

/// The result of folding an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It was folded, or concerns no thread.
    Done,
    /// There was no room for it.
    NoRoom,
}

/// The open threads of a tenant.
#[derive(Debug, Default)]
pub struct Threads {
    open: HashMap<CallUuid, CallThread>,
    /// Threads whose calls have all ended, by the time when they close.
    closing: BTreeSet<(Timestamp, u128)>,
    /// The time of each open call's last event, and its thread.
    calls: HashMap<ConnId, (Timestamp, CallUuid)>,
}

impl Threads {
    /// Folds an event.
    pub fn fold(&mut self, stamped: &Stamped) -> Folded {
        let Some(call) = &stamped.event.call else { return Folded::Done };
        if !is_of_call(stamped.event.name) {
            return Folded::Done;
        }
        if !self.open.contains_key(&call.thread) {
            if !begins(stamped.event.name) {
                return Folded::Done;
            }
            if self.open.len() >= THREADS_MAX {
                return Folded::NoRoom;
            }
            let complete = stamped.event.name == EventName::CallCreated;
            self.open.insert(call.thread, CallThread::new(call, complete, stamped.at));
        }
        let Some(thread) = self.open.get_mut(&call.thread) else { return Folded::Done };
        let before = thread.ended_at();
        let folded = thread.fold(call, stamped);
        let (after, id) = (thread.ended_at(), thread.id);
        if thread.calls.get(&call.conn_id).is_some_and(Option::is_none) {
            self.calls.insert(call.conn_id, (stamped.at, id));
        } else {
            self.calls.remove(&call.conn_id);
        }
        self.rearm(id, before, after);
        folded
    }

    fn rearm(&mut self, id: CallUuid, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.closing.remove(&(before + GRACE, id.0));
        }
        if let Some(after) = after {
            self.closing.insert((after + GRACE, id.0));
        }
    }

    /// Ends a call whose end was never reported.
    pub fn call_missing(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some((_, id)) = self.calls.remove(&conn_id) else { return };
        let Some(thread) = self.open.get_mut(&id) else { return };
        let before = thread.ended_at();
        thread.complete = false;
        thread.calls.insert(conn_id, Some(now));
        thread.end_parties(conn_id, None, now);
        let after = thread.ended_at();
        self.rearm(id, before, after);
    }

    /// Removes and returns the threads that close by `now`.
    pub fn close(&mut self, now: Timestamp) -> Vec<CallThread> {
        let mut closed = Vec::new();
        while let Some((at, id)) = self.closing.first().copied().filter(|(at, _)| *at <= now) {
            self.closing.remove(&(at, id));
            closed.extend(self.open.remove(&CallUuid(id)));
        }
        closed
    }

    /// The number of open threads.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The time of an open call's last event.
    pub fn last_event(&self, conn_id: ConnId) -> Option<Timestamp> {
        self.calls.get(&conn_id).map(|(at, _)| *at)
    }

    /// The open calls.
    pub fn open_calls(&self) -> HashSet<ConnId> {
        self.calls.keys().copied().collect()
    }
}

/// Whether an event concerns the call itself, and not an agent that wraps it up.
const fn is_of_call(name: EventName) -> bool {
    !matches!(
        name,
        EventName::AgentLogin
            | EventName::AgentLogout
            | EventName::AgentReady
            | EventName::AgentNotReady
            | EventName::AgentReserved
            | EventName::AddressInfo
            | EventName::PartyInfo
            | EventName::Registered
            | EventName::Unregistered
            | EventName::ServerInfo
            | EventName::SessionStarted
            | EventName::TargetSelected
            | EventName::SessionEnded
            | EventName::Error
            | EventName::ACK
    )
}

/// Whether the DN that the event is for has done it.
fn is_own_act(event: &Event) -> bool {
    event.third_party_dn.is_some() && event.third_party_dn.as_deref() == event.this_dn.as_ref().map(|dn| dn.as_str())
}

/// Whether an event of an unknown thread shows that the thread exists; an event that ends something does not.
const fn begins(name: EventName) -> bool {
    matches!(
        name,
        EventName::CallCreated
            | EventName::Dialing
            | EventName::Ringing
            | EventName::Established
            | EventName::Queued
            | EventName::RouteRequest
    )
}

#[cfg(test)]
mod tests;
