//! A stay of a DN in a call: what it did there, and for how long.

use std::time::Duration;

use model::{AgentId, CallState, ConnId, DnRole, Event, Timestamp};

/// The most spans of one stay: one for each hold and its end. Further ones count in the sums alone.
pub const SPANS_MAX: usize = 64;
/// The most others that a stay names.
pub const OTHERS_MAX: usize = 64;

/// The kind of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyKind {
    /// A phone.
    Phone,
    /// A route point or virtual queue.
    Queue,
}

/// What a party does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The call waits there.
    Queue,
    /// It rings, or hears ring-back.
    Ring,
    /// It talks.
    Talk,
    /// It holds the call.
    Hold,
    /// It has left.
    Over,
}

/// A time in which a party did one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// What.
    pub phase: Phase,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
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
    /// The others whom it heard in the call, in the order in which they were named; before it talks, whom it calls or who
    /// calls it.
    pub others: Vec<String>,
    /// Who brought it in: who transferred the call here, or made a conference.
    pub brought_by: Option<String>,
    /// Where the call went from here.
    pub sent_to: Option<String>,
    /// The call from which it came when two became one.
    pub came_from: Option<ConnId>,
    /// The call to which it went then.
    pub went_to: Option<ConnId>,
    /// Time waiting in the queue.
    pub queue: Duration,
    /// Time ringing, or hearing ring-back.
    pub ring: Duration,
    /// Time talking.
    pub talk: Duration,
    /// Time in which the party held the call.
    pub hold: Duration,
    /// The same one after the other.
    pub spans: Vec<PhaseSpan>,
    /// What it does.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
}

impl Party {
    /// A stay that begins.
    pub fn new(conn_id: ConnId, dn: String, event: &Event, phase: Phase, at: Timestamp) -> Self {
        let mut party = Self {
            conn_id,
            dn,
            kind: if phase == Phase::Queue { PartyKind::Queue } else { PartyKind::Phone },
            role: event.this_role,
            agent: event.agent.clone(),
            began_at: at,
            ended_at: None,
            established: false,
            call_state: None,
            others: Vec::new(),
            brought_by: event.third_party_dn.clone(),
            sent_to: None,
            came_from: None,
            went_to: None,
            queue: Duration::ZERO,
            ring: Duration::ZERO,
            talk: Duration::ZERO,
            hold: Duration::ZERO,
            spans: Vec::new(),
            phase,
            since: at,
        };
        party.meet(event.other_dn.as_deref());
        party
    }

    /// Whether it has left.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it is in the call, not only called to it.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Talk | Phase::Hold)
    }

    /// Notes another party. A park slot, as any feature code, is nobody.
    pub fn meet(&mut self, other: Option<&str>) {
        if let Some(other) = other
            && other != self.dn
            && !other.starts_with('*')
            && self.others.len() < OTHERS_MAX
            && !self.others.iter().any(|known| known == other)
        {
            self.others.push(other.to_owned());
        }
    }

    /// Goes on to another phase.
    pub fn enter(&mut self, phase: Phase, at: Timestamp) {
        let passed = at.since(self.since);
        match self.phase {
            Phase::Queue => self.queue += passed,
            Phase::Ring => self.ring += passed,
            Phase::Talk => self.talk += passed,
            Phase::Hold => self.hold += passed,
            Phase::Over => {}
        }
        if self.phase != phase && self.phase != Phase::Over && self.spans.len() < SPANS_MAX {
            let from = self.spans.last().map_or(self.began_at, |last| last.until);
            self.spans.push(PhaseSpan { phase: self.phase, from, until: at.max(from) });
        }
        self.established |= phase == Phase::Talk;
        self.phase = phase;
        self.since = at;
    }

    /// Leaves.
    pub fn end(&mut self, why: Option<CallState>, at: Timestamp) {
        self.enter(Phase::Over, at);
        self.ended_at = Some(at);
        self.call_state = why;
    }
}
