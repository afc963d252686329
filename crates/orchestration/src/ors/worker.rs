//! Threads that run sessions: scripts take processor time, and the roles' own threads must not wait for them.
//!
//! A call always belongs to the same worker. After each input the worker emits a [`Step`]: the record to be written, and what to
//! do after that. A panic in a session's turn ends that session alone; so does a script that never returns ([`slot`]).

mod begin;
mod fair;
pub(super) mod slot;
mod turn;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::queue_outcome::Outcome;
use infra::{Change, Clock, EventEntry, Position, SessionId};
use model::{ConnId, EventName, Stamped, Subject, TenantId, Timestamp, Token};
use net::configuration::TenantConfig;
use runtime::fault::{Cause, FaultReport};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::applications::Application;
use super::call_session::{CallSession, Caller, Command, cancellation};
use super::intentions;
use super::metrics::Metrics;
use super::session_counts::SessionCounts;
use super::session_facts::SessionFacts;
use crate::ecmascript::ScriptLimits;
use fair::{Timers, Turn};
use slot::{Barred, Left, Published, Slot};

/// Inputs waiting for a worker; several seconds of a busy tenant's facts.
pub(super) const INBOX_MAX: usize = 8_192;
/// Inputs of one tenant waiting for workers; beyond that, its further inputs wait at their source.
pub(super) const INBOX_OF_TENANT_MAX: usize = 1_024;
/// Ended calls that are remembered, so that a late entry does not start a session for one.
const ENDED_MAX: usize = 4_096;
/// Sessions ended here that are remembered, to answer rq's late messages about their requests. Those come within seconds.
const PAST_MAX: usize = 1_024;
/// Steps of one session that may wait to be written; beyond that its timers wait too. This bounds a session's memory
/// while the tenant's store is away.
const STEPS_AHEAD_MAX: usize = 4;
/// When the timers of a session with too many waiting steps are checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A timer expires no earlier than this after it is set.
const TIMER_MIN: Duration = Duration::from_millis(1);

/// An input of a worker.
pub(super) enum Work {
    /// Run an application for a new call.
    Start(Box<Start>),
    /// Continue a session left by another node, or by a previous run of this one.
    Restore(Box<Restore>),
    /// A fact of the tenant.
    Fact(TenantId, EventEntry),
    /// A message of rq about a request.
    Outcome(TenantId, v1::QueueOutcome),
    /// A request did not reach its call.
    Refused { tenant: TenantId, conn_id: ConnId, reference: u64, error: String, description: String },
    /// Another node owns the session now: its changes under this token are void.
    Forget { tenant: TenantId, conn_id: ConnId, session: SessionId, token: Token },
    /// The store has refused this step for this reason: nothing of it was done.
    Unwritten(Box<Step>, String),
    /// A call has its default route: the step that waited for it.
    Afterwards(Box<Step>),
    /// A session that no node continues: these commands are still to be carried out for its call.
    Farewell { tenant: TenantId, session: SessionId, caller: Caller, commands: Vec<Command> },
    /// rq's stream broke: send the waiting requests again.
    Resubmit(TenantId),
    /// A client requests the data of a call.
    Describe { tenant: TenantId, conn_id: ConnId, reply: oneshot::Sender<Option<serde_json::Value>> },
}

/// An input in a worker's queue, with its permit from the tenant's share.
pub(super) struct Posted {
    work: Work,
    _right: Option<OwnedSemaphorePermit>,
}

impl Posted {
    /// An input that counts towards the tenant's limit.
    pub fn of_tenant(work: Work, right: OwnedSemaphorePermit) -> Self {
        Self { work, _right: Some(right) }
    }

    /// An input that is sent without waiting, or that results from a step.
    pub fn free(work: Work) -> Self {
        Self { work, _right: None }
    }
}

impl Work {
    /// The tenant of the input.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Start(start) => &start.tenant,
            Self::Restore(restore) => &restore.tenant,
            Self::Unwritten(step, _) | Self::Afterwards(step) => &step.tenant,
            Self::Fact(tenant, _)
            | Self::Outcome(tenant, _)
            | Self::Refused { tenant, .. }
            | Self::Forget { tenant, .. }
            | Self::Farewell { tenant, .. }
            | Self::Resubmit(tenant)
            | Self::Describe { tenant, .. } => tenant,
        }
    }
}

pub(super) struct Start {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub application: Arc<Application>,
    pub entry: Position,
}

#[derive(Clone)]
pub(super) struct Restore {
    pub tenant: TenantId,
    pub session: SessionId,
    pub record: v1::SessionRecord,
    pub token: Token,
    pub application: Option<Arc<Application>>,
    /// The session has failed, and its call may not have its default route yet.
    pub owes_default: bool,
}

/// The result of an input for one session.
pub(super) struct Step {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub token: Token,
    /// `None` if there is nothing to write, only commands.
    pub change: Option<Change>,
    /// Why its record is moved to quarantine, instead of a change.
    pub aside: Option<String>,
    pub due: Option<Timestamp>,
    pub began_with: Option<Position>,
    pub commands: Vec<Command>,
    /// Its facts for the event stream, in the same commit.
    pub facts: Vec<Stamped>,
    /// Whether the call waits on its route point.
    pub waits: bool,
    pub standing: Standing,
    /// What ends the session once frontend has its call's default route: a node that dies before leaves a record, from
    /// which its successor requests the route again.
    pub afterwards: Option<Box<Step>>,
    /// Held while the step waits to be written: the session counts the holders.
    pub _ahead: Arc<()>,
}

/// How a step depends on its session's earlier steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It builds on them: if one of them was refused, this one is void.
    GoesOn,
    /// It is the session's end after a refusal: it is carried out in any case.
    LastWord,
}

type Key = (TenantId, ConnId);

struct Live {
    session: CallSession,
    id: SessionId,
    token: Token,
    application: Arc<Application>,
    /// Its record as last emitted.
    state: Option<Bytes>,
    /// The entry to acknowledge, until the record is first written.
    entry: Option<Position>,
    due: Option<Timestamp>,
    facts: SessionFacts,
    /// Facts for the next step.
    told: Vec<Stamped>,
    /// Whether its record is in the ledger, as far as known.
    written: bool,
    standing: Standing,
    /// Cloned into each of its steps that waits to be written.
    ahead: Arc<()>,
}

/// Reads the objects of a tenant as they are now; none while they are not known.
pub(super) type ReadTenants = Arc<dyn Fn(&TenantId) -> Option<Arc<TenantConfig>> + Send + Sync>;

/// State shared by all workers.
#[derive(Clone)]
pub(super) struct Sharing {
    pub clock: Arc<dyn Clock>,
    pub limits: ScriptLimits,
    pub metrics: Metrics,
    /// Counts the sessions of all workers.
    pub sessions: Arc<SessionCounts>,
    /// Traces of calls.
    pub trace: runtime::Recorder,
    /// Documents that may not start any more.
    pub barred: Barred,
    /// Where fault reports are stored.
    pub reports: Reports,
    /// What applications look up.
    pub tenants: ReadTenants,
}

/// Sends fault reports to the task that stores them, so that script threads do not wait for the disk.
#[derive(Clone)]
pub(super) struct Reports(pub mpsc::Sender<FaultReport>);

// === impl Reports ===

impl Reports {
    /// Stores a report of a fault. If the queue is full it is dropped: further reports would show nothing new.
    pub fn keep(&self, at: Timestamp, subject: Option<String>, cause: Cause, input: String) {
        // If there is no room, the log line before it must suffice.
        let _ = self.0.try_send(FaultReport { at, subject, cause, name: "session", input });
    }
}

/// One thread's sessions.
pub(super) struct Worker {
    slot: Arc<Slot>,
    life: u32,
    steps: mpsc::Sender<Step>,
    clock: Arc<dyn Clock>,
    limits: ScriptLimits,
    metrics: Metrics,
    /// Sessions of all workers.
    sessions: Arc<SessionCounts>,
    trace: runtime::Recorder,
    live: HashMap<Key, Live>,
    timers: Timers,
    ended: VecDeque<Key>,
    past: VecDeque<(Key, SessionId, Caller)>,
    out: Vec<Step>,
    barred: Barred,
    reports: Reports,
    tenants: ReadTenants,
    /// Sessions changed since the thread last published its state.
    touched: HashSet<Key>,
}

impl Worker {
    /// A worker of the thread with number `life` in this slot.
    pub fn new(slot: Arc<Slot>, life: u32, steps: mpsc::Sender<Step>, shared: Sharing) -> Self {
        let Sharing { clock, limits, metrics, sessions, trace, barred, reports, tenants } = shared;
        let (live, timers, touched) = (HashMap::new(), Timers::default(), HashSet::new());
        let (ended, past, out) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Self {
            slot,
            life,
            steps,
            clock,
            limits,
            metrics,
            sessions,
            trace,
            live,
            timers,
            ended,
            past,
            out,
            barred,
            reports,
            tenants,
            touched,
        }
    }

    /// Continues with the sessions of an abandoned thread, then runs until the inbox closes or this thread is abandoned.
    pub async fn run(mut self, left: Left) {
        let Left { held_by, mut sessions, .. } = left;
        if let Some(what) = held_by {
            self.survive(|worker| worker.end_what_held(what, &mut sessions));
        }
        for (key, photo) in sessions {
            self.survive(|worker| worker.go_on(&key, photo));
            if !self.hand_over().await {
                return;
            }
        }
        while self.hand_over().await {
            let slot = Arc::clone(&self.slot);
            let mut inbox = slot.inbox.lock().await;
            let may_more_come = inbox.gather();
            let now = self.clock.now();
            if let Some((tenant, turn)) = inbox.next(self.timers.tenants_due(now)) {
                drop(inbox);
                self.serve(&tenant, turn);
                continue;
            }
            if !may_more_come {
                return;
            }
            let wait = self.timers.next().map(|due| due.since(now));
            tokio::select! {
                _ = inbox.arrive() => {}
                () = tokio::time::sleep(wait.unwrap_or(IDLE)), if wait.is_some() => {}
            }
        }
    }

    /// Runs one turn of a tenant and charges its time to the tenant.
    fn serve(&mut self, tenant: &TenantId, turn: Turn) {
        let began = self.clock.now();
        self.survive(|worker| match turn {
            Turn::Input(work) => worker.take(work),
            Turn::Timer => worker.fire(tenant),
        });
        // If this thread was abandoned meanwhile, another one holds the inbox.
        if let Ok(mut inbox) = self.slot.inbox.try_lock() {
            inbox.took(tenant, self.clock.now().since(began));
        }
    }

    /// Sends the steps; returns false if the role has ended or another thread has the slot.
    async fn hand_over(&mut self) -> bool {
        let has_place = self.release();
        for step in self.out.drain(..) {
            if !has_place || self.steps.send(step).await.is_err() {
                return false;
            }
        }
        has_place
    }

    /// Publishes the changed sessions; returns false if another thread has the slot, which continues from the state published before.
    fn release(&mut self) -> bool {
        let live = &self.live;
        let changed = self.touched.drain().map(|key| {
            let photo = live.get(&key).and_then(Live::snapshot);
            (key, photo)
        });
        let Some(changes) = self.slot.release(self.life, changed) else { return false };
        for (tenant, change) in &changes {
            match change {
                Published::Began => self.sessions.began(tenant),
                Published::Ended => self.sessions.ended(tenant),
            }
            self.metrics.sessions_run(if *change == Published::Began { 1 } else { -1 });
        }
        true
    }

    /// Catches a panic outside any session's turn: it must not end the sessions of this worker.
    fn survive(&mut self, turn: impl FnOnce(&mut Self)) {
        if let Err(panic) = turn::caught(|| turn(self)) {
            tracing::error!(panic, "a worker of sessions has met a fault of the program");
            self.report(None, panic, String::new());
        }
    }

    /// Stores a report of a panic, without phone numbers.
    fn report(&self, key: Option<&Key>, panic: String, input: String) {
        self.reports.keep(self.clock.now(), key.map(|key| key.1.to_string()), Cause::Panic(panic), input);
    }

    fn take(&mut self, work: Work) {
        let now = self.clock.now();
        match work {
            Work::Start(start) => self.start(*start, now),
            Work::Restore(restore) => self.restore(*restore, now),
            Work::Fact(tenant, entry) => self.fact(tenant, &entry, now),
            Work::Outcome(tenant, outcome) => self.outcome(tenant, outcome, now),
            Work::Refused { tenant, conn_id, reference, error, description } => {
                let what = || format!("refusal {error} of a request");
                self.with(&(tenant, conn_id), what, |s| s.request_refused(reference, &error, &description, now));
            }
            Work::Forget { tenant, conn_id, session, token } => {
                let key = (tenant, conn_id);
                // The call may have another session by now, or this one may have come back.
                if self.live.get(&key).is_some_and(|live| live.id == session && live.token <= token) {
                    self.remove(&key);
                }
            }
            Work::Farewell { tenant, session, caller, commands } => {
                self.out.push(Step::to_do(&tenant, &session, &caller, commands));
            }
            Work::Afterwards(step) => self.out.push(*step),
            Work::Unwritten(step, reason) => self.unwritten(*step, &reason, now),
            Work::Describe { tenant, conn_id, reply } => {
                let live = self.live.get(&(tenant, conn_id));
                // The client may have disconnected.
                let _ = reply.send(live.map(|live| live.session.call_data()));
            }
            Work::Resubmit(tenant) => self.resubmit(|(t, _)| *t == tenant),
        }
    }

    /// Fires the timers due in one session of the tenant; timers that it sets meanwhile are due later.
    fn fire(&mut self, tenant: &TenantId) {
        let now = self.clock.now();
        let Some(conn_id) = self.timers.first_due(tenant, now) else { return };
        let key = (tenant.clone(), conn_id);
        match self.live.get(&key).is_some_and(|live| Arc::strong_count(&live.ahead) > STEPS_AHEAD_MAX) {
            true => self.arm(&key, Some(now + LOOK_AGAIN), now),
            false => self.with(&key, || "a timer".to_owned(), |session| session.handle_timeout(now)),
        }
    }

    fn outcome(&mut self, tenant: TenantId, outcome: v1::QueueOutcome, now: Timestamp) {
        let conn = outcome.request_id.split('-').next().and_then(|id| id.parse().ok());
        let Some(key) = conn.map(|conn| (tenant, conn)) else { return };
        if self.live.contains_key(&key) {
            return self.with(&key, || "a word of rq".to_owned(), |session| session.handle_outcome(outcome, now));
        }
        // The outcome was on its way when the session ended here. If another node has the session, that node answers.
        let stands = matches!(outcome.outcome, Some(Outcome::Accepted(_) | Outcome::Selected(_)));
        if let Some((_, session, caller)) = self.past.iter().find(|(past, ..)| *past == key).filter(|_| stands) {
            let command = Command::Queue(cancellation(&outcome.request_id));
            self.out.push(Step::to_do(&key.0, session, caller, vec![command]));
        }
    }

    fn fact(&mut self, tenant: TenantId, entry: &EventEntry, now: Timestamp) {
        // Neither our own facts nor those of queues: their call reference may contain ids alone.
        let Subject::Call(conn_id) = entry.event.id.subject else { return };
        let key = (tenant, conn_id);
        if entry.event.event.name == EventName::CallDeleted {
            self.ended.push_back(key.clone());
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_front();
            }
        }
        // The stream is read again after a takeover; facts known already cause no commit.
        if self.live.get(&key).is_some_and(|live| entry.position > live.session.position) {
            let what = || format!("the fact {} at {}", entry.event.event.name.as_str(), entry.position);
            self.with(&key, what, |session| session.handle_fact(entry.position, &entry.event.event, now));
        }
    }
}

/// How long a worker with no timer sleeps; its inbox wakes it.
const IDLE: Duration = Duration::from_secs(3_600);

impl Step {
    /// A step with commands and nothing to write.
    fn to_do(tenant: &TenantId, session: &SessionId, caller: &Caller, commands: Vec<Command>) -> Self {
        Self {
            tenant: tenant.clone(),
            session: session.clone(),
            caller: caller.clone(),
            token: Token(0),
            change: None,
            aside: None,
            due: None,
            began_with: None,
            commands,
            facts: Vec::new(),
            waits: false,
            standing: Standing::GoesOn,
            afterwards: None,
            _ahead: Arc::default(),
        }
    }

    /// Acknowledges the entry of a new call without a session.
    pub(super) fn acknowledgement(tenant: &TenantId, session: &SessionId, caller: &Caller, entry: Position) -> Self {
        Self { began_with: Some(entry), ..Self::to_do(tenant, session, caller, Vec::new()) }
    }

    /// Puts the session's end behind the default route of its call, if this step has both. `state` is its record as last
    /// written: with it the intention is stored, and only by the node whose session it is.
    fn with_end_afterwards(mut self, state: Option<Bytes>) -> Self {
        if self.standing == Standing::LastWord || !self.commands.contains(&Command::DefaultRoute) {
            return self;
        }
        let intentions = intentions::encode(&self.tenant, &self.caller, &self.commands);
        let change = match (&self.change, state) {
            (Some(Change::End), Some(state)) => Some(Change::Save { state, intentions }),
            (None, _) if self.began_with.is_some() => None,
            _ => return self,
        };
        let end = Self {
            token: self.token,
            change: std::mem::replace(&mut self.change, change),
            began_with: self.began_with.take(),
            facts: std::mem::take(&mut self.facts),
            ..Self::to_do(&self.tenant, &self.session, &self.caller, Vec::new())
        };
        Self { afterwards: Some(Box::new(end)), ..self }
    }
}

#[cfg(test)]
mod tests;
