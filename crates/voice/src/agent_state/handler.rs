//! One tenant's agents: requests, facts and repairs go in; records and events come out.

mod leavers;
mod repairs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use call::address::Addresses;
use call::agent::{AgentSnapshot, AgentTable, Input, Output, Profile};
use infra::{AgentBatch, AgentWrite, Change, Consumed, EventEntry, Numbers, Position, Posted, Record};
use model::event::ErrorCode;
use model::{
    AgentId, Dn, Event, EventId, EventName, Owner, Request, RequestKind, Seq, Stamped, Subject, TenantId, Timestamp,
    Token,
};
use runtime::fact_in_hand::FoldsFacts;
use runtime::fault::InARow;

use super::intervals::Intervals;
use super::metrics::Metrics;
use super::people::People;
use super::phone::SetPhone;
use super::records::{self, OwnerRecord, StoredAgent};
use crate::reporting::Reporter;
use leavers::Leavers;

/// The view's name in the ledger.
pub(super) const VIEW: &str = "agent-state";
/// How many events may be folded without effect before their position is written anyway.
const POSITION_LAG_MAX: usize = 500;
/// Events of DNs in one write, each with the user data of its request: all of them together must not exceed
/// [`infra::bounds::WRITE_MAX`].
const DN_FACTS_PER_BATCH: usize = 16;
/// How long due timers wait after the store has refused a write.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// One tenant's agents, owned by this node.
pub(super) struct TenantAgents {
    pub(super) tenant: TenantId,
    pub(super) owner: Owner,
    /// The key and token of the record that names the owner of the tenant's agents.
    owner_record: (AgentId, Token),
    pub(super) table: AgentTable,
    /// Agents that have a record.
    stored: BTreeSet<AgentId>,
    pub(super) people: Arc<People>,
    /// Phones that have a record, or get one.
    pub(super) phones: BTreeMap<Dn, SetPhone>,
    /// What is on the tenant's DNs.
    pub(super) addresses: Addresses,
    facts: BTreeMap<AgentId, Vec<Stamped>>,
    /// Events of DNs, which have no record of their own.
    pub(super) dn_facts: Vec<Stamped>,
    /// Agents whose configuration may have changed, until that is applied.
    pub(super) profiles_due: VecDeque<AgentId>,
    /// Agents who may be forgotten.
    leavers: Leavers,
    /// What is stored with the owner of the agents; `changed` if it is not stored yet.
    pub(super) own: OwnerRecord,
    pub(super) changed: bool,
    position: Position,
    numbers: Numbers,
    unwritten: usize,
    logged_in: i64,
    intervals: Intervals,
    metrics: Metrics,
    faults: InARow,
    /// Timers wait until then, so that a write the store has just refused is not repeated without pause.
    pub(super) again_from: Timestamp,
}

impl TenantAgents {
    /// Continues from the ledger: `owner_record` is the claimed record of the tenant, `agents` are the claimed records of its agents.
    pub fn restore(
        owner_record: &Record<AgentId>,
        agents: Vec<Record<AgentId>>,
        position: Position,
        metrics: Metrics,
        now: Timestamp,
    ) -> Self {
        let own = records::decode_owner_record(&owner_record.state).unwrap_or_else(|error| {
            tracing::error!(tenant = %owner_record.tenant, %error, "events of DNs are numbered from the clock, nobody monitors calls");
            OwnerRecord::default()
        });
        let mut this = Self {
            tenant: owner_record.tenant.clone(),
            owner: owner_record.owner.clone(),
            owner_record: (owner_record.key.clone(), owner_record.token),
            table: AgentTable::new(owner_record.tenant.clone()),
            stored: BTreeSet::new(),
            people: Arc::default(),
            phones: BTreeMap::new(),
            addresses: Addresses::default(),
            facts: BTreeMap::new(),
            dn_facts: Vec::new(),
            own,
            changed: false,
            position,
            numbers: Numbers::default(),
            unwritten: 0,
            logged_in: 0,
            intervals: Intervals::default(),
            metrics,
            faults: InARow::default(),
            profiles_due: VecDeque::new(),
            leavers: Leavers::default(),
            again_from: Timestamp::ZERO,
        };
        // Somebody may have been forgotten under a name that comes back.
        this.table.begin_with(this.own.last_token.max(Token(1)));
        for record in agents {
            this.attempt("an agent's record", |this| {
                if !this.restore_phone(&record) {
                    this.restore_agent(&record, now);
                }
            });
        }
        this.count_logged_in();
        this
    }

    fn restore_agent(&mut self, record: &Record<AgentId>, now: Timestamp) {
        let stored = records::decode(&self.tenant, &record.state).unwrap_or_else(|error| {
            tracing::error!(agent = %record.key, %error, "the agent must log in again");
            StoredAgent { agent: logged_out(record, now), interval_since: None }
        });
        let finished = records::decode_intervals(&record.intentions).unwrap_or_else(|error| {
            tracing::error!(agent = %record.key, %error, "the agent's last times may be missing in the reporting log");
            Vec::new()
        });
        let StoredAgent { agent: snapshot, interval_since } = stored;
        let claimed = snapshot.token != record.token;
        self.intervals.restore(&snapshot, interval_since, finished);
        self.table.restore(snapshot);
        if claimed {
            self.table.claim(&record.key, record.token);
        }
        self.stored.insert(record.key.clone());
    }

    /// The stream position up to which the tenant's events are folded.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Begins with what is on the tenant's DNs.
    pub fn addresses_stand(&mut self, addresses: Addresses) {
        self.addresses = addresses;
    }

    /// The tenant's people and DNs.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// The agent that is logged in there.
    pub(super) fn agent_on(&self, dn: &Dn) -> Option<&AgentSnapshot> {
        self.table.on_dn(dn)
    }

    /// How many agents are logged in.
    pub(super) fn logged_in(&self) -> i64 {
        self.logged_in
    }

    /// When [`TenantAgents::turn`] must be called without input.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        if !self.profiles_due.is_empty() || self.has_phone_writes() {
            return Some(self.again_from);
        }
        let due = self.table.next_timeout().into_iter().chain(self.leavers.next_due()).min();
        Some(due?.max(self.again_from))
    }

    // === Inputs ===

    /// Carries out a posted request or repair.
    pub fn posted(&mut self, posted: Posted, now: Timestamp) {
        match posted {
            Posted::Request(mut request) => {
                self.metrics.request();
                let asked = request.clone();
                let done = self.attempt("a request", |this| {
                    if this.monitoring(&request, now) || this.user_event(&request, now) || this.set_phone(&request, now)
                    {
                        return;
                    }
                    if let Err((code, text)) = this.people.admit(&mut request) {
                        return this.refuse(request, code, text, now);
                    }
                    if this.address_request(&request, now) {
                        return;
                    }
                    let profile = this.people.concerned(&request);
                    this.table.handle(Input::Request { request, profile }, now);
                    this.collect(None, now);
                });
                if done {
                    self.faults.went_well();
                } else {
                    self.refuse(asked, ErrorCode::INTERNAL, "it failed inside", now);
                }
            }
            Posted::Repair(repair) => {
                self.attempt("a repair", |this| this.repair(repair, now));
            }
            // Calls are not here.
            Posted::HandOver(_) => {}
        }
    }

    /// Runs `work`; a panic affects only that input. Returns whether the work was completed.
    pub(super) fn attempt(&mut self, what: &'static str, work: impl FnOnce(&mut Self)) -> bool {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(()) => true,
            Err(panic) => {
                self.metrics.fault();
                let cause = self.faults.caught(panic);
                tracing::error!(tenant = %self.tenant, %cause, what, "a fault: it has no effect on anything else");
                false
            }
        }
    }

    /// Folds entries of the tenant's event stream. A panic leaves agents half changed: restore them again.
    pub fn observe(&mut self, entries: &[EventEntry], now: Timestamp) {
        for entry in entries {
            self.position = entry.position;
            self.fold_fact(&entry.event, now);
            self.faults.went_well();
        }
        self.note_in_calls();
        self.unwritten += entries.len();
        self.metrics.parties_left_out(self.addresses.take_left_out());
        self.collect(None, now);
    }

    fn fold_fact(&mut self, fact: &Stamped, now: Timestamp) {
        let (event, at) = (&fact.event, fact.at.min(now));
        self.supervisor_rings(event);
        self.addresses.fold(event, at);
        match (event.name, &event.this_dn) {
            (EventName::DNOutOfService, Some(dn)) => self.table.handle(Input::PhoneLost(dn.clone()), at),
            _ => self.table.handle(Input::Call(event), at),
        }
    }

    // === Outputs ===

    fn collect(&mut self, repaired: Option<&str>, now: Timestamp) {
        while let Some(output) = self.table.poll_output() {
            match output {
                Output::Fact(mut fact) => {
                    if let Some(why) = repaired {
                        fact.event.extensions.push("Repair", why);
                    }
                    if fact.event.name == EventName::Error {
                        self.metrics.refused();
                    }
                    if let (EventName::AgentLogin | EventName::AgentLogout, Some(dn)) =
                        (fact.event.name, &fact.event.this_dn)
                    {
                        self.note_who_is_logged_in(dn);
                    }
                    if let Subject::Agent(agent) = &fact.id.subject {
                        self.facts.entry(agent.clone()).or_default().push(fact);
                    }
                }
                Output::Refused { request, code, text } => self.refuse(request, code, text, now),
            }
        }
    }

    /// A request has waited for too long.
    pub fn refuse_late(&mut self, request: Request, now: Timestamp) {
        self.metrics.request();
        self.refuse(request, ErrorCode::TIMEOUT, "it waited for too long and was not carried out: send it again", now);
    }

    /// Refuses a request at which turns have failed again and again.
    pub fn refuse_hopeless(&mut self, request: Request, now: Timestamp) {
        self.metrics.request();
        self.refuse(request, ErrorCode::INTERNAL, "it could not be carried out", now);
    }

    /// Refuses a request that concerns no agent.
    pub(super) fn refuse(&mut self, request: Request, code: ErrorCode, text: &str, now: Timestamp) {
        let event = Event {
            this_dn: Some(request.this_dn),
            reference: request.reference,
            requester: Some(request.requester),
            extensions: request.extensions,
            error: Some((code, text.to_owned())),
            ..Event::new(EventName::Error)
        };
        self.tell_refusal(event, now);
    }

    fn tell_refusal(&mut self, event: Event, now: Timestamp) {
        self.metrics.refused();
        self.tell_of_dn(event, now);
    }

    /// Publishes the pairs of a request at its DN. Returns whether it asks for that.
    fn user_event(&mut self, request: &Request, now: Timestamp) -> bool {
        let RequestKind::UserEvent(user_data) = &request.kind else { return false };
        let event = Event {
            this_dn: Some(request.this_dn.clone()),
            reference: request.reference,
            requester: Some(request.requester.clone()),
            user_data: user_data.clone(),
            extensions: request.extensions.clone(),
            ..Event::new(EventName::UserEvent)
        };
        self.tell_of_dn(event, now);
        true
    }

    /// Publishes an event of a DN. Returns its token, which never repeats.
    pub(super) fn tell_of_dn(&mut self, event: Event, now: Timestamp) -> Token {
        // No record counts the events of a DN without an agent. Each is therefore the only event of its own token. The token comes from the
        // clock: it is far from the registrar's tokens.
        self.own.last_token = Token(now.as_micros().max(self.own.last_token.0 + 1));
        self.changed = true;
        if let Some(dn) = event.this_dn.clone() {
            let id = EventId { subject: Subject::Dn(dn), token: self.own.last_token, seq: Seq(1) };
            self.dn_facts.push(Stamped { id, tenant: self.tenant.clone(), at: now, trace: None, event });
        }
        self.own.last_token
    }

    /// Handles due timers and collects the turn's results; `None` when there is nothing to write.
    pub fn turn(&mut self, now: Timestamp) -> Option<AgentBatch> {
        for agent in self.table.due(now) {
            // One that fails is tried again after a pause, and keeps no other one's timer.
            if !self.attempt("an agent's timer", |this| this.table.handle_due(&agent, now)) {
                self.again_from = now + AFTER_REFUSAL;
            }
        }
        self.attempt("changed configuration", |this| this.apply_profiles(now));
        self.collect(None, now);
        let mut writes: Vec<AgentWrite> = Vec::new();
        for agent in self.table.take_changed() {
            self.attempt("an agent's record", |this| writes.extend(this.write(&agent, now)));
            self.note_leaver(&agent, now);
        }
        writes.extend(self.leaver_writes(now));
        writes.extend(self.phone_writes(now));
        let is_nothing_new = writes.is_empty() && self.dn_facts.is_empty() && !self.changed;
        if is_nothing_new && self.unwritten < POSITION_LAG_MAX {
            return None;
        }
        self.unwritten = 0;
        // Part of every batch, so that a newer owner of the tenant is noticed at once.
        writes.insert(0, self.owner_record_write());
        self.count_logged_in();
        Some(AgentBatch {
            number: self.numbers.take(writes.len(), now),
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            writes,
            consumed: Some(Consumed { view: VIEW, position: self.position }),
        })
    }

    /// The store has refused the write of an agent. The agent returns to the state in `stored` or becomes unknown, and its requester is
    /// notified.
    pub fn not_stored(&mut self, write: &AgentWrite, stored: Option<&Record<AgentId>>, now: Timestamp) {
        self.again_from = now + AFTER_REFUSAL;
        if !self.phone_not_stored(&write.agent, stored) {
            let was_at = self.dn_of(&write.agent);
            self.table.forget(&write.agent);
            self.stored.remove(&write.agent);
            self.intervals.forget(&write.agent);
            if let Some(record) = stored {
                self.attempt("an agent's record", |this| this.restore_agent(record, now));
            }
            self.note_logged_in_again(&write.agent, was_at);
            self.note_leaver(&write.agent, now);
        }
        let mut told = BTreeSet::new();
        for event in write.events.iter().map(|fact| &fact.event).filter(|event| event.requester.is_some()) {
            if told.insert((event.requester.clone(), event.reference.0)) {
                let refusal = Event {
                    this_dn: event.this_dn.clone(),
                    reference: event.reference,
                    requester: event.requester.clone(),
                    error: Some((ErrorCode::INTERNAL, "it could not be stored".to_owned())),
                    ..Event::new(EventName::Error)
                };
                self.tell_refusal(refusal, now);
            }
        }
    }

    /// Reports the intervals that are committed.
    pub fn report_intervals(&mut self, reporter: &Reporter) {
        self.intervals.report(reporter);
    }

    /// The intervals whose records may not be safe yet.
    #[cfg(test)]
    pub fn intervals(&self) -> Vec<infra::LogRecord> {
        self.intervals.waiting().cloned().collect()
    }

    fn owner_record_write(&mut self) -> AgentWrite {
        let change = if std::mem::take(&mut self.changed) {
            Change::Save { state: records::encode_owner_record(&self.own), intentions: bytes::Bytes::new() }
        } else {
            Change::Keep
        };
        let (agent, token) = self.owner_record.clone();
        let rest = self.dn_facts.split_off(self.dn_facts.len().min(DN_FACTS_PER_BATCH));
        let events = std::mem::replace(&mut self.dn_facts, rest);
        AgentWrite { agent, token, change, due: None, events }
    }

    fn write(&mut self, agent: &AgentId, now: Timestamp) -> Option<AgentWrite> {
        let session = self.table.agent(agent)?;
        let interval_since = self.intervals.observe(session, now);
        let (state, intentions) = (records::encode(session, interval_since), self.intervals.intentions(agent));
        // Counts as stored unless the store refuses it, see `not_stored`.
        let change = if self.stored.insert(agent.clone()) {
            Change::Create { state, intentions }
        } else {
            Change::Save { state, intentions }
        };
        let events = self.facts.remove(agent).unwrap_or_default();
        Some(AgentWrite { agent: agent.clone(), token: session.token, change, due: session.next_due(), events })
    }

    fn count_logged_in(&mut self) {
        let count = i64::try_from(self.table.logged_in()).unwrap_or(i64::MAX);
        self.metrics.logged_in(count - std::mem::replace(&mut self.logged_in, count));
    }
}

impl FoldsFacts for TenantAgents {
    fn fold(&mut self, entry: &EventEntry, now: Timestamp) {
        self.observe(std::slice::from_ref(entry), now);
    }

    fn skip(&mut self, position: Position) {
        self.position = position;
        // The next turn writes it.
        self.unwritten = POSITION_LAG_MAX;
    }
}

impl Drop for TenantAgents {
    fn drop(&mut self) {
        self.metrics.logged_in(-self.logged_in);
    }
}

/// The session of an agent whose record has only a readable frame.
fn logged_out(record: &Record<AgentId>, now: Timestamp) -> AgentSnapshot {
    let profile = Profile::new(record.key.clone());
    AgentSnapshot { token: record.token, ..AgentSnapshot::logged_out(record.tenant.clone(), profile, now) }
}
