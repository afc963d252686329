//! The auditor's comparison of calls, agents, queues and phones. No I/O: lists and the time go in, findings come out.
//!
//! A single snapshot may show an operation in progress. A fault therefore counts only after consecutive rounds have shown it with the same
//! evidence for [`Fault::seen_for`].

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use infra::RepairAction;
use model::{AgentId, ConnId, Dn, Owner, Seq, Subject, Timestamp, Token};

/// The interval between rounds.
pub const ROUND: Duration = Duration::from_secs(10);
/// After this delay a due timer counts as not run by its owner.
const OVERDUE: Duration = Duration::from_secs(15);
/// A call without an event for this long is stuck: twice the longest life of a call. It finds calls of which the stream tells too little to
/// know when their timers are due.
const SILENT: Duration = Duration::from_secs(24 * 3_600);
/// A fault that persists this long after its repair is repaired again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The most faults of one round. More faults have a common cause that single repairs do not remove.
const FAULTS_MAX: usize = 10_000;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// An agent counts a call that does not exist.
    AgentOnMissingCall,
    /// An agent is busy but counts no call.
    AgentBusyAlone,
    /// An agent is available on a phone without registration.
    PhoneGone,
    /// The stream lacks the last event of an agent.
    EventMissing,
    /// Routing counts a call that does not exist.
    QueuedMissingCall,
    /// A call's owner has failed, and no node has claimed the call.
    CallOrphaned,
    /// A call's timer is due but not run.
    CallOverdue,
    /// A call has had no event for a day.
    CallSilent,
    /// A thread waits for the end of a call that does not exist.
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

    /// How long consecutive rounds must show it before it is repaired.
    pub const fn seen_for(self) -> Duration {
        match self {
            // Its successor may be about to claim it: claims take seconds, a restart of a lone node longer.
            Self::CallOrphaned => Duration::from_secs(30),
            _ => ROUND,
        }
    }
}

/// The role that must carry out a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairTarget {
    /// The owner of a call, or its successor.
    Owner(Owner),
    /// agent-state.
    AgentState,
    /// rq.
    Routing,
    /// call-state, the auditor's own role.
    Here,
}

/// A fault and its repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of fault.
    pub fault: Fault,
    /// The faulty subject.
    pub subject: Subject,
    /// The role that must repair it.
    pub to: RepairTarget,
    /// The repair.
    pub action: RepairAction,
    /// The comparison's result, for a human reader.
    pub why: String,
    /// Distinguishes this case from an earlier one of the same subject.
    evidence: (u64, u64),
}

type Key = (Subject, Fault, (u64, u64));

/// A call of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSeen {
    /// The call.
    pub conn_id: ConnId,
    /// Its owner.
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
    /// The identity of its last event in the stream; `None` if the stream has no event of the agent.
    pub told: Option<(Token, Seq)>,
    /// The phone on which it is logged in.
    pub dn: Option<Dn>,
    /// Whether calls may be or are on its phone: it is logged in and not "not ready".
    pub takes_calls: bool,
    /// Whether it is on a business call.
    pub busy: bool,
    /// The calls that it counts.
    pub calls: Vec<ConnId>,
}

/// A snapshot of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSnapshot {
    /// The calls of the ledger.
    pub calls: Vec<CallSeen>,
    /// The sip-cluster nodes that hold a lease.
    pub nodes: Vec<Owner>,
    /// The agents of the ledger.
    pub agents: Vec<AgentSeen>,
    /// The calls that routing counts: those of requests, of reserved agents, and of agents on a call.
    pub queued: HashSet<ConnId>,
    /// The registered phones; `None` if no phone has ever registered.
    pub phones: Option<HashSet<Dn>>,
    /// The calls of open threads.
    pub threads: HashSet<ConnId>,
}

/// Compares snapshots and remembers the findings of earlier rounds.
#[derive(Debug, Default)]
pub struct Auditor {
    last_round: Option<Timestamp>,
    /// The faults of the last round, each with the time since which every round has shown it.
    suspected: HashMap<Key, Timestamp>,
    repaired: HashMap<Key, Timestamp>,
    /// The calls' last states with the time of their last change, by our own clock: the records' times are by their owners' clocks.
    seen: HashMap<ConnId, Seen>,
}

/// The last seen state of a call.
#[derive(Debug)]
struct Seen {
    due: Option<Timestamp>,
    /// When that timer must have fired at the latest, by our clock; `None` if nothing is known about its owner's clock.
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

    /// The owner's clock has passed the last event. The timer therefore fires within the time between that event and its due time, counted
    /// from now. An earlier bound stays valid.
    fn bound(&mut self, now: Timestamp) {
        let (Some(due), Some(last_event)) = (self.due, self.last_event) else { return };
        let by = now + due.since(last_event);
        self.fires_by = Some(self.fires_by.map_or(by, |known| known.min(by)));
    }

    /// How long ago the call's timer should have fired; `None` if it is not overdue.
    fn overdue(&self, now: Timestamp) -> Option<Duration> {
        self.fires_by.filter(|by| *by <= now).map(|by| now.since(by))
    }
}

impl Auditor {
    /// When the next round is due.
    pub fn next_round(&self) -> Timestamp {
        self.last_round.map_or(Timestamp::ZERO, |last| last + ROUND)
    }

    /// Compares, and returns the repairs that are due. Does nothing before [`Auditor::next_round`].
    pub fn round(&mut self, picture: &TenantSnapshot, now: Timestamp) -> Vec<Finding> {
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

    fn look_at_calls(&self, picture: &TenantSnapshot, now: Timestamp, findings: &mut Vec<Finding>) {
        let live: HashSet<&Owner> = picture.nodes.iter().collect();
        for call in &picture.calls {
            let found = if live.is_empty() || live.contains(&call.owner) {
                self.stuck(call, now)
            } else {
                orphaned(call, &picture.nodes)
            };
            findings.extend(found);
        }
    }

    /// A call without activity in which nothing more is expected.
    fn stuck(&self, call: &CallSeen, now: Timestamp) -> Option<Finding> {
        let finding = |fault, why, evidence| Finding {
            fault,
            subject: Subject::Call(call.conn_id),
            to: RepairTarget::Owner(call.owner.clone()),
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
        if silent < SILENT {
            return None;
        }
        let why = format!("the call has had no event for {} s", silent.as_secs());
        Some(finding(Fault::CallSilent, why, (seen.silent_since.as_micros(), 0)))
    }
}

fn orphaned(call: &CallSeen, nodes: &[Owner]) -> Option<Finding> {
    // The same successor in each round, and the calls spread evenly over the nodes.
    Some(Finding {
        fault: Fault::CallOrphaned,
        subject: Subject::Call(call.conn_id),
        to: RepairTarget::Owner(nodes.get(call.conn_id.share_of(nodes.len()))?.clone()),
        action: RepairAction::Clear,
        why: format!("the call's owner {} holds no lease, and no node has claimed the call", call.owner),
        evidence: (call.owner.epoch.0, 0),
    })
}

// === agents ===

fn look_at_agents(picture: &TenantSnapshot, findings: &mut Vec<Finding>) {
    for agent in &picture.agents {
        let (token, seq) = agent.stored;
        let of_agent = |fault, action, why| Finding {
            fault,
            subject: Subject::Agent(agent.agent.clone()),
            to: RepairTarget::AgentState,
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
        to: RepairTarget::AgentState,
        action: RepairAction::Free,
        why: format!("{dn} of agent {} has no registration", agent.agent),
        evidence: (agent.stored.0.0, agent.stored.1.0),
    })
}

// === calls that do not exist ===

fn look_at_missing_calls(picture: &TenantSnapshot, findings: &mut Vec<Finding>) {
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
            findings.push(missing(Fault::AgentOnMissingCall, *call, RepairTarget::AgentState, RepairAction::Free, why));
        }
    }
    for call in picture.queued.difference(&there) {
        let why = format!("routing counts call {call}, which there is not");
        findings.push(missing(Fault::QueuedMissingCall, *call, RepairTarget::Routing, RepairAction::Clear, why));
    }
    for call in picture.threads.difference(&there) {
        let why = format!("a thread waits for the end of call {call}, which there is not");
        findings.push(missing(Fault::ThreadOfMissingCall, *call, RepairTarget::Here, RepairAction::Clear, why));
    }
}

#[cfg(test)]
mod tests;
