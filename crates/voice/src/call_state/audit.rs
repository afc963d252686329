//! The auditor's comparison: calls, agents, queues, phones and media side by side. No I/O: lists and the time in, findings out.
//!
//! A single look may fall into the middle of something. So a fault counts only when it is seen, with the same evidence, in
//! consecutive rounds over [`Fault::seen_for`].

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use infra::RepairAction;
use model::{AgentId, ConnId, Dn, Owner, Seq, Subject, Timestamp, Token};

/// How long after a round the next one comes.
pub const ROUND: Duration = Duration::from_secs(10);
/// A timer that is overdue by this is one that its owner does not run.
const OVERDUE: Duration = Duration::from_secs(15);
/// A call without timer, media and event for this long goes nowhere. With two rounds it heals within 60 s.
const SILENT_WITHOUT_MEDIA: Duration = Duration::from_secs(30);
/// No call is without an event for longer, whatever media says.
const SILENT: Duration = Duration::from_secs(24 * 3_600);
/// A fault that is still there this long after its repair is repaired again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Faults that one round follows; more than this is no single fault, and repairing it piece by piece is no help.
const FAULTS_MAX: usize = 10_000;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// An agent counts a call that there is not.
    AgentOnMissingCall,
    /// An agent is busy and counts no call.
    AgentBusyAlone,
    /// An agent takes calls on a phone without registration.
    PhoneGone,
    /// The stream lacks the last event of an agent.
    EventMissing,
    /// Routing counts a call that there is not.
    QueuedMissingCall,
    /// A call's owner is dead, and nobody has claimed it.
    CallOrphaned,
    /// A call's timer is not run.
    CallOverdue,
    /// Nothing happens in a call.
    CallSilent,
    /// A thread waits for the end of a call that there is not.
    ThreadOfMissingCall,
}

impl Fault {
    /// Its name as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentOnMissingCall => "agent_on_missing_call",
            Self::AgentBusyAlone => "agent_busy_alone",
            Self::PhoneGone => "phone_gone",
            Self::EventMissing => "event_missing",
            Self::QueuedMissingCall => "queued_missing_call",
            Self::CallOrphaned => "call_orphaned",
            Self::CallOverdue => "call_overdue",
            Self::CallSilent => "call_silent",
            Self::ThreadOfMissingCall => "thread_of_missing_call",
        }
    }

    /// How long it must be seen, round after round, before it is repaired.
    pub const fn seen_for(self) -> Duration {
        match self {
            // Its heir may be on the way: claims take seconds, a restart of a lone node longer.
            Self::CallOrphaned => Duration::from_secs(30),
            _ => ROUND,
        }
    }
}

/// Who has to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The owner of a call, or its heir.
    Owner(Owner),
    /// agent-state.
    AgentState,
    /// rq.
    Routing,
    /// call-state itself.
    Here,
}

/// A fault and its repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// With what.
    pub subject: Subject,
    /// Who has to act.
    pub to: Whom,
    /// What it has to do.
    pub action: RepairAction,
    /// What was compared and found, in words.
    pub why: String,
    /// What tells this case from an earlier one of the same subject.
    evidence: (u64, u64),
}

type Key = (Subject, Fault, (u64, u64));

/// A call of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSeen {
    /// The call.
    pub conn_id: ConnId,
    /// Who owns it.
    pub owner: Owner,
    /// When its next timer is due.
    pub due: Option<Timestamp>,
    /// The time of its last event, if the stream has one.
    pub last_event: Option<Timestamp>,
}

/// An agent of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSeen {
    /// The agent.
    pub agent: AgentId,
    /// The identity of its last event by its record.
    pub stored: (Token, Seq),
    /// The same by the stream; none if the stream has no event of the agent.
    pub told: Option<(Token, Seq)>,
    /// The phone on which it is logged in.
    pub dn: Option<Dn>,
    /// Whether calls may come, or are there: it is logged in and not "not ready".
    pub takes_calls: bool,
    /// Whether it is on a business call.
    pub busy: bool,
    /// The calls that it counts.
    pub calls: Vec<ConnId>,
}

/// One look at a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The calls of the ledger.
    pub calls: Vec<CallSeen>,
    /// The sip-cluster nodes that hold a lease.
    pub nodes: Vec<Owner>,
    /// The agents of the ledger.
    pub agents: Vec<AgentSeen>,
    /// The calls that routing counts: requests, and agents that are promised or on a call.
    pub queued: HashSet<ConnId>,
    /// The phones with a registration; none where no phone has ever registered.
    pub phones: Option<HashSet<Dn>>,
    /// The calls with a media session; none where media keeps no records.
    pub media: Option<HashSet<ConnId>>,
    /// The calls of open threads.
    pub threads: HashSet<ConnId>,
}

/// Remembers what earlier rounds have seen.
#[derive(Debug, Default)]
pub struct Auditor {
    last_round: Option<Timestamp>,
    /// Faults of the last round, and since when they were seen in each.
    suspected: HashMap<Key, Timestamp>,
    repaired: HashMap<Key, Timestamp>,
    /// Since when calls have been seen as they are, by our own clock: what others have written is by theirs.
    seen: HashMap<ConnId, Seen>,
}

/// A call as it was seen last.
#[derive(Debug)]
struct Seen {
    due: Option<Timestamp>,
    /// By when, by our clock, that timer has fired at the latest; none where nothing is known of its owner's clock.
    fires_by: Option<Timestamp>,
    last_event: Option<Timestamp>,
    silent_since: Timestamp,
}

impl Seen {
    fn new(call: &CallSeen, now: Timestamp) -> Self {
        let mut seen = Self { due: call.due, fires_by: None, last_event: call.last_event, silent_since: now };
        seen.bound(now);
        seen
    }

    fn look(&mut self, call: &CallSeen, now: Timestamp) {
        let (timer, event) = (self.due != call.due, self.last_event != call.last_event);
        if timer {
            (self.due, self.fires_by) = (call.due, None);
        }
        if event {
            (self.last_event, self.silent_since) = (call.last_event, now);
        }
        if timer || event {
            self.bound(now);
        }
    }

    /// By its owner's clock the last event is over: from now on the timer runs no longer than from that event to when it is due. What was
    /// known before holds as well.
    fn bound(&mut self, now: Timestamp) {
        let (Some(due), Some(last_event)) = (self.due, self.last_event) else { return };
        let by = now + due.since(last_event);
        self.fires_by = Some(self.fires_by.map_or(by, |known| known.min(by)));
    }

    /// For how long the call's timer should have fired.
    fn overdue(&self, now: Timestamp) -> Option<Duration> {
        self.fires_by.filter(|by| *by <= now).map(|by| now.since(by))
    }
}

impl Auditor {
    /// When the next round is due.
    pub fn next_round(&self) -> Timestamp {
        self.last_round.map_or(Timestamp::ZERO, |last| last + ROUND)
    }

    /// Compares, and gives what must be repaired now. Nothing happens before [`Auditor::next_round`].
    pub fn round(&mut self, picture: &Picture, now: Timestamp) -> Vec<Finding> {
        if now < self.next_round() {
            return Vec::new();
        }
        self.last_round = Some(now);
        self.meet_calls(&picture.calls, now);
        let mut findings = Vec::new();
        self.look_at_calls(picture, now, &mut findings);
        look_at_agents(picture, &mut findings);
        look_at_missing_calls(picture, &mut findings);
        findings.truncate(FAULTS_MAX);
        self.confirm(findings, now)
    }

    fn confirm(&mut self, findings: Vec<Finding>, now: Timestamp) -> Vec<Finding> {
        let before = std::mem::take(&mut self.suspected);
        let mut confirmed = Vec::new();
        for finding in findings {
            let key = (finding.subject.clone(), finding.fault, finding.evidence);
            let since = before.get(&key).copied().unwrap_or(now);
            self.suspected.insert(key.clone(), since);
            let repaired = self.repaired.get(&key).is_some_and(|at| now.since(*at) < AGAIN_AFTER);
            if now.since(since) >= finding.fault.seen_for() && !repaired {
                self.repaired.insert(key, now);
                confirmed.push(finding);
            }
        }
        self.repaired.retain(|key, _| self.suspected.contains_key(key));
        confirmed
    }

    fn meet_calls(&mut self, calls: &[CallSeen], now: Timestamp) {
        let present: HashSet<ConnId> = calls.iter().map(|call| call.conn_id).collect();
        self.seen.retain(|call, _| present.contains(call));
        for call in calls {
            self.seen.entry(call.conn_id).or_insert_with(|| Seen::new(call, now)).look(call, now);
        }
    }

    // === calls ===

    fn look_at_calls(&self, picture: &Picture, now: Timestamp, findings: &mut Vec<Finding>) {
        let live: HashSet<&Owner> = picture.nodes.iter().collect();
        for call in &picture.calls {
            let found = if live.is_empty() || live.contains(&call.owner) {
                self.stuck(call, picture.media.as_ref(), now)
            } else {
                orphaned(call, &picture.nodes)
            };
            findings.extend(found);
        }
    }

    /// A call in which nothing happens and nothing will.
    fn stuck(&self, call: &CallSeen, media: Option<&HashSet<ConnId>>, now: Timestamp) -> Option<Finding> {
        let finding = |fault, why, evidence| Finding {
            fault,
            subject: Subject::Call(call.conn_id),
            to: Whom::Owner(call.owner.clone()),
            action: RepairAction::Clear,
            why,
            evidence,
        };
        let seen = self.seen.get(&call.conn_id)?;
        if let (Some(due), Some(overdue)) = (call.due, seen.overdue(now).filter(|overdue| *overdue >= OVERDUE)) {
            let why = format!("a timer of the call is overdue by {} s", overdue.as_secs());
            return Some(finding(Fault::CallOverdue, why, (due.as_micros(), 0)));
        }
        let silent = now.since(seen.silent_since);
        let alone = call.due.is_none() && media.is_some_and(|media| !media.contains(&call.conn_id));
        if silent < SILENT && !(alone && silent >= SILENT_WITHOUT_MEDIA) {
            return None;
        }
        let media = if alone { ", and it has neither a timer nor media" } else { "" };
        let why = format!("the call has had no event for {} s{media}", silent.as_secs());
        Some(finding(Fault::CallSilent, why, (seen.silent_since.as_micros(), u64::from(alone))))
    }
}

fn orphaned(call: &CallSeen, nodes: &[Owner]) -> Option<Finding> {
    // The same heir in each round, and heirs alike for many calls.
    Some(Finding {
        fault: Fault::CallOrphaned,
        subject: Subject::Call(call.conn_id),
        to: Whom::Owner(nodes.get(call.conn_id.share_of(nodes.len()))?.clone()),
        action: RepairAction::Clear,
        why: format!("the call's owner {} holds no lease, and nobody has claimed the call", call.owner),
        evidence: (call.owner.epoch.0, 0),
    })
}

// === agents ===

fn look_at_agents(picture: &Picture, findings: &mut Vec<Finding>) {
    for agent in &picture.agents {
        let (token, seq) = agent.stored;
        let of_agent = |fault, action, why| Finding {
            fault,
            subject: Subject::Agent(agent.agent.clone()),
            to: Whom::AgentState,
            action,
            why,
            evidence: (token.0, seq.0),
        };
        if agent.busy && agent.calls.is_empty() {
            let why = "the agent is busy and on no call".to_owned();
            findings.push(of_agent(Fault::AgentBusyAlone, RepairAction::Free, why));
        }
        if agent.told.is_some_and(|told| told < agent.stored) {
            let why = format!("the stream lacks the agent's event {}.{}", token.0, seq.0);
            findings.push(of_agent(Fault::EventMissing, RepairAction::Restate, why));
        }
        findings.extend(phone_gone(agent, picture.phones.as_ref()));
    }
}

fn phone_gone(agent: &AgentSeen, phones: Option<&HashSet<Dn>>) -> Option<Finding> {
    let dn = agent.dn.as_ref().filter(|_| agent.takes_calls)?;
    if phones?.contains(dn) {
        return None;
    }
    Some(Finding {
        fault: Fault::PhoneGone,
        subject: Subject::Dn(dn.clone()),
        to: Whom::AgentState,
        action: RepairAction::Free,
        why: format!("{dn} of agent {} has no registration", agent.agent),
        evidence: (agent.stored.0.0, agent.stored.1.0),
    })
}

// === calls that there are not ===

fn look_at_missing_calls(picture: &Picture, findings: &mut Vec<Finding>) {
    let there: HashSet<ConnId> = picture.calls.iter().map(|call| call.conn_id).collect();
    let missing = |fault, conn_id, to, action, why| Finding {
        fault,
        subject: Subject::Call(conn_id),
        to,
        action,
        why,
        evidence: (0, 0),
    };
    for agent in &picture.agents {
        for call in agent.calls.iter().filter(|call| !there.contains(call)) {
            let why = format!("agent {} counts call {call}, which there is not", agent.agent);
            findings.push(missing(Fault::AgentOnMissingCall, *call, Whom::AgentState, RepairAction::Free, why));
        }
    }
    for call in picture.queued.difference(&there) {
        let why = format!("routing counts call {call}, which there is not");
        findings.push(missing(Fault::QueuedMissingCall, *call, Whom::Routing, RepairAction::Clear, why));
    }
    for call in picture.threads.difference(&there) {
        let why = format!("a thread waits for the end of call {call}, which there is not");
        findings.push(missing(Fault::ThreadOfMissingCall, *call, Whom::Here, RepairAction::Clear, why));
    }
}

#[cfg(test)]
mod tests;
