//! Programs beside the application: they consult, transfer, confer, listen in and mute for agents' phones, at any time and in
//! any order, by what the facts say. A request may be refused; none may leave anything behind or end a caller's call.

use std::collections::{BTreeMap, BTreeSet};

use infra::CallWrite;
use model::entropy::Seeded;
use model::event::Event;
use model::request::{MonitorMode, RequestKind};
use model::{CallType, ConnId, Dn, Entropy as _, EventName, UserData};

use super::desk::Step;
use super::phones::dn_of;
use super::plan::{ACTIVE, HEARD_WITHIN};
use super::world::{Action, World};

/// Requests of one seed.
const REQUESTS_MAX: u32 = 60;
/// How often those who are still in a call hang up at the end, when transfers and ringing may have brought others in.
const HANG_UP_TIMES: u32 = 4;
/// Pause between those.
const HANG_UP_EVERY: std::time::Duration = std::time::Duration::from_secs(9);

/// A fact of a call, as programs get it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The thread that the call belongs to.
    pub thread: ConnId,
    pub event: Event,
}

impl Heard {
    pub fn new(write: &CallWrite, event: &Event) -> Self {
        Self { thread: write.conn_id, event: event.clone() }
    }

    /// The call that it is about.
    pub fn conn_id(&self) -> ConnId {
        self.event.call.as_ref().map_or(self.thread, |call| call.conn_id)
    }
}

/// State of a DN in a call, by its facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Ringing,
    Talking,
    Held,
}

/// A call, by its facts.
#[derive(Debug)]
struct Known {
    thread: ConnId,
    parties: BTreeMap<String, At>,
    /// The call that it is a consultation about.
    about: Option<ConnId>,
}

pub struct Programs {
    /// Whether they do anything in this seed.
    pub work: bool,
    calls: BTreeMap<ConnId, Known>,
    /// Threads where somebody was made mute or deaf, or is monitored.
    muted: BTreeSet<ConnId>,
    left: u32,
    chance: Seeded,
}

impl Programs {
    pub fn new(seed: u64) -> Self {
        Self {
            work: false,
            calls: BTreeMap::new(),
            muted: BTreeSet::new(),
            left: REQUESTS_MAX,
            chance: Seeded::new(seed ^ 0x9806_0000),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.chance.below(end.max(1) as u64) as usize
    }

    /// Follows a call by its facts.
    fn follow(&mut self, heard: &Heard) {
        let (conn_id, event) = (heard.conn_id(), &heard.event);
        if event.name == EventName::CallDeleted {
            self.calls.remove(&conn_id);
            return;
        }
        let call = event.call.as_ref();
        // A party that changes calls is in both for a moment, and holds the new one if it held the old one.
        let old = call.and_then(|call| call.previous).and_then(|previous| self.calls.get(&previous));
        let dn = event.this_dn.as_ref().map(ToString::to_string);
        let before = dn.as_ref().and_then(|dn| old?.parties.get(dn).copied());
        let known = self.calls.entry(conn_id).or_insert_with(|| Known {
            thread: heard.thread,
            parties: BTreeMap::new(),
            about: call.filter(|call| call.call_type == CallType::Consult).and_then(|call| call.previous),
        });
        let Some(dn) = dn else { return };
        let before = before.or_else(|| known.parties.get(&dn).copied());
        let at = match event.name {
            EventName::Ringing => At::Ringing,
            EventName::Established | EventName::Retrieved | EventName::Dialing => At::Talking,
            EventName::PartyChanged => before.unwrap_or(At::Talking),
            EventName::Held => At::Held,
            EventName::Released | EventName::Abandoned => {
                known.parties.remove(&dn);
                return;
            }
            _ => return,
        };
        known.parties.insert(dn, at);
    }

    /// The consultation about a call that a DN is in.
    fn consultation(&self, conn_id: ConnId, dn: &str) -> Option<ConnId> {
        let is_it = |known: &Known| known.about == Some(conn_id) && known.parties.contains_key(dn);
        self.calls.iter().find(|(_, known)| is_it(known)).map(|(consultation, _)| *consultation)
    }

    /// A call of another thread in which a DN talks, too.
    fn other_call(&self, conn_id: ConnId, dn: &str) -> Option<ConnId> {
        let thread = self.calls.get(&conn_id)?.thread;
        let talks = |known: &Known| known.parties.get(dn).is_some_and(|at| *at != At::Ringing);
        let is_it = |known: &Known| known.thread != thread && known.about.is_none() && talks(known);
        self.calls.iter().find(|(_, known)| is_it(known)).map(|(other, _)| *other)
    }

    /// Whether the number that was consulted has answered.
    fn is_answered(&self, consultation: ConnId) -> bool {
        let talks = |known: &Known| known.parties.values().filter(|at| **at != At::Ringing).count() >= 2;
        self.calls.get(&consultation).is_some_and(talks)
    }

    /// Whether the two who are left in a call must hear each other: no program has muted anybody there, nobody holds.
    pub fn leaves_alone(&self, thread: ConnId) -> bool {
        let mut here = self.calls.values().filter(|known| known.thread == thread);
        let Some(known) = here.next().filter(|_| !self.muted.contains(&thread)) else { return false };
        here.next().is_none() && known.parties.values().all(|at| *at == At::Talking)
    }

    /// What a program asks for a DN in a call.
    fn request(&mut self, conn_id: ConnId, dn: &str, other: Dn) -> RequestKind {
        let data: UserData = [("Note", "5")].into_iter().collect();
        let peers: Vec<String> = self.calls[&conn_id].parties.keys().filter(|peer| *peer != dn).cloned().collect();
        let peer =
            peers.get(self.below(peers.len())).and_then(|peer| Dn::parse(peer).ok()).unwrap_or_else(|| other.clone());
        if let Some(consultation) = self.consultation(conn_id, dn) {
            return match self.chance.below(12) {
                0..4 => RequestKind::CompleteTransfer(conn_id, consultation),
                4..7 => RequestKind::CompleteConference(conn_id, consultation),
                7 => RequestKind::ReconnectCall(consultation, conn_id),
                8 => RequestKind::AlternateCall(consultation, conn_id),
                9 => RequestKind::AlternateCall(conn_id, consultation),
                10 => RequestKind::MergeCalls(consultation, conn_id),
                _ => RequestKind::ReleaseCall(consultation),
            };
        }
        if let Some(other) = self.other_call(conn_id, dn) {
            match self.chance.below(8) {
                0 => return RequestKind::CompleteTransfer(conn_id, other),
                1 => return RequestKind::CompleteConference(conn_id, other),
                2 => return RequestKind::MergeCalls(conn_id, other),
                3 => return RequestKind::AlternateCall(conn_id, other),
                4 => return RequestKind::ReconnectCall(conn_id, other),
                _ => {}
            }
        }
        match self.chance.below(42) {
            0..14 => RequestKind::InitiateTransfer(conn_id, other, data),
            14..16 => RequestKind::MuteTransfer(conn_id, other, data),
            16..19 => RequestKind::SingleStepTransfer(conn_id, other),
            19..23 => RequestKind::SingleStepConference(conn_id, other),
            23 => RequestKind::HoldCall(conn_id),
            24..26 => RequestKind::RetrieveCall(conn_id),
            26 => RequestKind::SetMuteOn(conn_id, Some(peer)),
            27 => RequestKind::SetMuteOff(conn_id, None),
            28 => RequestKind::ListenDisconnect(conn_id, Some(peer)),
            29 => RequestKind::ListenReconnect(conn_id, None),
            30..33 => {
                let mode = [MonitorMode::Mute, MonitorMode::Coach, MonitorMode::Connect][self.below(3)];
                RequestKind::MonitorCall(conn_id, Dn::parse(dn).unwrap_or_else(|_| other.clone()), mode)
            }
            33 => RequestKind::SendDtmf(conn_id, "12".to_owned()),
            34 => RequestKind::DeleteFromConference(conn_id, peer),
            35 => RequestKind::RedirectCall(conn_id, other),
            36 => RequestKind::ReleaseCall(conn_id),
            37 => RequestKind::QueryCall(conn_id),
            38 => RequestKind::StartRecording(conn_id, self.below(2) == 0),
            39 => [RequestKind::PauseRecording, RequestKind::ResumeRecording, RequestKind::StopRecording]
                [self.below(3)](conn_id),
            _ => RequestKind::MakeCall(other, data),
        }
    }

    /// Whether it may end a caller's call: its party leaves, or nobody answers where the call goes.
    fn may_end(&self, kind: &RequestKind) -> bool {
        match kind {
            RequestKind::CompleteTransfer(_, consultation) => !self.is_answered(*consultation),
            RequestKind::SingleStepTransfer(..)
            | RequestKind::MuteTransfer(..)
            | RequestKind::ReleaseCall(_)
            | RequestKind::RedirectCall(..)
            | RequestKind::DeleteFromConference(..) => true,
            _ => false,
        }
    }
}

impl World {
    /// The same seed, with programs that do what they like with calls.
    pub fn programmed(seed: u64, loud: bool) -> Self {
        let mut world = Self::new(seed, loud);
        world.programs.work = true;
        for time in 0..HANG_UP_TIMES {
            world.after(ACTIVE + HANG_UP_EVERY * time, Action::SharedHangUp);
        }
        world.agenda.retain(|_, action| !matches!(action, Action::Judge { .. }));
        world.after(ACTIVE + HANG_UP_EVERY * HANG_UP_TIMES + HEARD_WITHIN * 3, Action::Judge { last: true });
        world
    }

    pub fn programs_hear(&mut self, heard: &Heard) {
        self.programs.follow(heard);
        if !self.programs.work {
            return;
        }
        let begins = matches!(heard.event.name, EventName::Established | EventName::Held | EventName::Ringing);
        if begins && self.programs.chance.below(100) < 70 {
            let pause = self.between(20, 6_000);
            self.after(pause, Action::Program(heard.conn_id()));
        }
    }

    /// A program makes a request for one of the phones in a call.
    pub fn program_asks(&mut self, conn_id: ConnId) {
        let is_time = self.elapsed() < ACTIVE;
        let phones: Vec<String> = (0..self.phones.len()).map(|at| dn_of(at).to_string()).collect();
        let programs = &mut self.programs;
        let Some(known) = programs.calls.get(&conn_id).filter(|_| is_time && programs.left > 0) else { return };
        let thread = known.thread;
        let here: Vec<String> = known.parties.keys().filter(|dn| phones.contains(dn)).cloned().collect();
        if here.is_empty() || self.rules.is_hostile(thread) {
            return;
        }
        programs.left -= 1;
        let dn = here[programs.below(here.len())].clone();
        let other = dn_of(programs.below(phones.len()));
        let kind = programs.request(conn_id, &dn, other.clone());
        // The supervisor's phone, and the one that makes a call, is not the agent's.
        let this_dn = match kind {
            RequestKind::MonitorCall(..) => other,
            _ => Dn::parse(&dn).expect("a phone's number"),
        };
        if programs.may_end(&kind) {
            self.rules.may_end(Some(thread));
        }
        // Callers who came separately and talk with each other end each other's calls.
        let other = kind.other_call().and_then(|other| programs.calls.get(&other)).map(|other| other.thread);
        if let Some(other) = other.filter(|other| *other != thread) {
            self.rules.is_shared(other);
            self.rules.may_end(Some(thread));
            self.rules.may_end(Some(other));
            programs.muted.extend([thread, other]);
        }
        self.rules.is_shared(thread);
        // What is recorded is mixed: other samples come out than went in.
        let is_heard = !matches!(
            kind,
            RequestKind::SetMuteOn(..)
                | RequestKind::ListenDisconnect(..)
                | RequestKind::MonitorCall(..)
                | RequestKind::StartRecording(..)
        );
        if !is_heard {
            programs.muted.insert(thread);
        }
        self.seen.program_requests += 1;
        self.say(|| format!("a program asks for {this_dn}: {kind:?}"));
        self.ask_for(conn_id, this_dn, kind, Step::Program);
        let pause = self.between(50, 5_000);
        self.after(pause, Action::Program(conn_id));
    }

    /// The phones that talk in calls of several phones hang up: there need not be a caller.
    pub fn shared_hang_up(&mut self) {
        let mut talking = Vec::new();
        for (at, phone) in self.phones.iter().enumerate() {
            let here = phone.lines.iter().filter(|(_, line)| line.conn_id.is_some_and(|id| self.rules.shares(id)));
            talking.extend(here.map(|(dialog, _)| (at, *dialog)));
        }
        for (at, dialog) in talking {
            self.phone_hangs_up(at, dialog);
        }
        for call in 0..self.scripts.len() {
            self.caller_hangs_up(call);
        }
    }
}
