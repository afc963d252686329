//! Threads that run sessions: scripts take processor time, which the roles' own threads must not wait for.
//!
//! A call belongs to one worker for good. After each input the worker hands out a [`Step`]: the record to be written
//! and what to do once it is. A panic within a session's turn costs that session alone; so does a script that holds the thread ([`slot`]).

mod begin;
mod fair;
pub(super) mod slot;
mod turn;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::queue_outcome::Outcome;
use infra::{Change, Clock, EventEntry, Position, SessionId};
use model::{ConnId, EventName, Stamped, Subject, TenantId, Timestamp, Token};
use runtime::fault::{Cause, FaultReport};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::applications::Application;
use super::call_session::{CallSession, Caller, Command, cancellation};
use super::metrics::Metrics;
use super::session_facts::SessionFacts;
use crate::ecmascript::ScriptLimits;
use fair::{Timers, Turn};
use slot::{Barred, Left, Slot};

/// Inputs that wait for a worker; several seconds of a busy tenant's facts.
pub(super) const INBOX_MAX: usize = 8_192;
/// Inputs of one tenant that wait for workers; with more its own next ones wait where they come from.
pub(super) const INBOX_OF_TENANT_MAX: usize = 1_024;
/// Ended calls that are remembered, so that a late entry starts no session for one.
const ENDED_MAX: usize = 4_096;
/// Sessions that ended here and are remembered, so that what rq still says of their requests is answered. rq says it within seconds.
const PAST_MAX: usize = 1_024;
/// Steps of one session that may wait to be written; with more its timers wait too. While a tenant's store is away a session so costs no
/// more than these.
const STEPS_AHEAD_MAX: usize = 4;
/// When a session is looked at again whose steps wait.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A timer never runs out at or before the moment in which it is set.
const TIMER_MIN: Duration = Duration::from_millis(1);

/// An input of a worker.
pub(super) enum Work {
    /// Run an application for a new call.
    Start(Box<Start>),
    /// Go on with a session that another node, or an earlier life of this one, has left.
    Restore(Box<Restore>),
    /// A fact of the tenant.
    Fact(TenantId, EventEntry),
    /// rq's word.
    Outcome(TenantId, v1::QueueOutcome),
    /// A request did not reach its call.
    Refused { tenant: TenantId, conn_id: ConnId, reference: u64, error: String, description: String },
    /// Another node owns the session now: whatever it had by this token is void.
    Forget { tenant: TenantId, conn_id: ConnId, session: SessionId, token: Token },
    /// The store does not take this step, for that reason: nothing of it was done.
    Unwritten(Box<Step>, String),
    /// A session that nobody goes on with: this is to be done for its call.
    Farewell { tenant: TenantId, session: SessionId, caller: Caller, commands: Vec<Command> },
    /// rq's stream broke: say again what waits.
    Resubmit(TenantId),
    /// Somebody asks what is known of a call.
    Describe { tenant: TenantId, conn_id: ConnId, reply: oneshot::Sender<Option<serde_json::Value>> },
}

/// An input on its way, with the tenant's right to have it wait.
pub(super) struct Posted {
    work: Work,
    _right: Option<OwnedSemaphorePermit>,
}

impl Posted {
    /// What counts among the tenant's inputs.
    pub fn of_tenant(work: Work, right: OwnedSemaphorePermit) -> Self {
        Self { work, _right: Some(right) }
    }

    /// What is sent without waiting, or follows from the program's own doing.
    pub fn free(work: Work) -> Self {
        Self { work, _right: None }
    }
}

impl Work {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Start(start) => &start.tenant,
            Self::Restore(restore) => &restore.tenant,
            Self::Unwritten(step, _) => &step.tenant,
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
}

/// What follows from an input, for one session.
pub(super) struct Step {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub token: Token,
    /// None: there is nothing to write, only to do.
    pub change: Option<Change>,
    /// Why its record is put aside, in the place of a change.
    pub aside: Option<String>,
    pub due: Option<Timestamp>,
    pub began_with: Option<Position>,
    pub commands: Vec<Command>,
    /// What it tells of itself, in the same commit.
    pub facts: Vec<Stamped>,
    /// Whether the call waits on its route point.
    pub waits: bool,
    pub standing: Standing,
    /// Held while it waits to be written: its session counts the holders.
    pub _ahead: Arc<()>,
}

/// How a step stands to those of its session before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It goes on from them: where one of them was refused, it does not count.
    GoesOn,
    /// It is the end that follows from a refusal: it is carried out in any case.
    LastWord,
}

type Key = (TenantId, ConnId);

struct Live {
    session: CallSession,
    id: SessionId,
    token: Token,
    application: Arc<Application>,
    /// Its record as it was last handed out.
    state: Option<Bytes>,
    /// The entry to acknowledge, until the record is first written.
    entry: Option<Position>,
    due: Option<Timestamp>,
    facts: SessionFacts,
    /// Facts for the next step.
    told: Vec<Stamped>,
    /// Whether its record is in the ledger, as far as is known.
    written: bool,
    standing: Standing,
    /// Held by each of its steps that waits to be written.
    ahead: Arc<()>,
}

/// What all workers share.
#[derive(Clone)]
pub(super) struct Sharing {
    pub clock: Arc<dyn Clock>,
    pub limits: ScriptLimits,
    pub metrics: Metrics,
    /// Counts the sessions of all workers.
    pub sessions: Arc<AtomicUsize>,
    /// What is remembered of calls.
    pub trace: runtime::Recorder,
    /// Documents that do not begin any more.
    pub barred: Barred,
    /// Where reports of faults are kept.
    pub reports: Reports,
}

/// The way to the folder of reports, off the threads that run scripts.
#[derive(Clone)]
pub(super) struct Reports(pub mpsc::Sender<FaultReport>);

// === impl Reports ===

impl Reports {
    /// A report of a fault; more than can be written at once show nothing new.
    pub fn keep(&self, at: Timestamp, subject: Option<String>, cause: Cause, input: String) {
        // Where there is no room the log line that came before has to do.
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
    sessions: Arc<AtomicUsize>,
    trace: runtime::Recorder,
    live: HashMap<Key, Live>,
    timers: Timers,
    ended: VecDeque<Key>,
    past: VecDeque<(Key, SessionId, Caller)>,
    out: Vec<Step>,
    barred: Barred,
    reports: Reports,
    /// Sessions that have changed since the thread was last found to have its place.
    touched: HashSet<Key>,
}

impl Worker {
    /// A thread's part, for a place that it has taken in that life.
    pub fn new(slot: Arc<Slot>, life: u32, steps: mpsc::Sender<Step>, shared: Sharing) -> Self {
        let Sharing { clock, limits, metrics, sessions, trace, barred, reports } = shared;
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
            touched,
        }
    }

    /// Goes on with what an abandoned thread has left, and runs until the inbox closes or this thread is abandoned itself.
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

    /// One turn of a tenant; what it takes counts against it.
    fn serve(&mut self, tenant: &TenantId, turn: Turn) {
        let began = self.clock.now();
        self.survive(|worker| match turn {
            Turn::Input(work) => worker.take(work),
            Turn::Timer => worker.fire(tenant),
        });
        // Another thread has it when this one was abandoned meanwhile.
        if let Ok(mut inbox) = self.slot.inbox.try_lock() {
            inbox.took(tenant, self.clock.now().since(began));
        }
    }

    /// Sends out what has followed; false where nobody wants it any more: the role has ended, or another thread has the place.
    async fn hand_over(&mut self) -> bool {
        let has_place = self.release();
        for step in self.out.drain(..) {
            if !has_place || self.steps.send(step).await.is_err() {
                return false;
            }
        }
        has_place
    }

    /// Shows what has changed; false if another thread has the place: it goes on from what was shown before.
    fn release(&mut self) -> bool {
        let live = &self.live;
        let changed = self.touched.drain().map(|key| {
            let photo = live.get(&key).and_then(Live::photo);
            (key, photo)
        });
        let Some(more) = self.slot.release(self.life, changed) else { return false };
        match usize::try_from(more) {
            Ok(more) => self.sessions.fetch_add(more, Relaxed),
            Err(_) => self.sessions.fetch_sub(more.unsigned_abs() as usize, Relaxed),
        };
        self.metrics.sessions_run(more);
        true
    }

    /// What panics outside a session's own turn belongs to nobody; the sessions of this worker must not go with it.
    fn survive(&mut self, turn: impl FnOnce(&mut Self)) {
        if let Err(panic) = turn::caught(|| turn(self)) {
            tracing::error!(panic, "a worker of sessions has met a fault of the program");
            self.report(None, panic, String::new());
        }
    }

    /// Keeps a report of a panic, without anybody's numbers.
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
                // Its call may have another session by now, or this one may have come back.
                if self.live.get(&key).is_some_and(|live| live.id == session && live.token <= token) {
                    self.remove(&key);
                }
            }
            Work::Farewell { tenant, session, caller, commands } => {
                self.out.push(Step::to_do(&tenant, &session, &caller, commands));
            }
            Work::Unwritten(step, reason) => self.unwritten(*step, &reason, now),
            Work::Describe { tenant, conn_id, reply } => {
                let live = self.live.get(&(tenant, conn_id));
                // Who has asked may be gone.
                let _ = reply.send(live.map(|live| super::server::describe(&live.session)));
            }
            Work::Resubmit(tenant) => self.resubmit(|(t, _)| *t == tenant),
        }
    }

    /// Lets run out what is due in one session of the tenant; what it sets anew is due later.
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
        // It was on its way when the session ended here. Where another node has the session, that is for it to say.
        let stands = matches!(outcome.outcome, Some(Outcome::Accepted(_) | Outcome::Selected(_)));
        if let Some((_, session, caller)) = self.past.iter().find(|(past, ..)| *past == key).filter(|_| stands) {
            let command = Command::Queue(cancellation(&outcome.request_id));
            self.out.push(Step::to_do(&key.0, session, caller, vec![command]));
        }
    }

    fn fact(&mut self, tenant: TenantId, entry: &EventEntry, now: Timestamp) {
        // Not our own, nor those of queues: what names a call there may know its ids alone.
        let Subject::Call(conn_id) = entry.event.id.subject else { return };
        let key = (tenant, conn_id);
        if entry.event.event.name == EventName::CallDeleted {
            self.ended.push_back(key.clone());
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_front();
            }
        }
        // The stream is read again after a takeover; what is known already costs no commit.
        if self.live.get(&key).is_some_and(|live| entry.position > live.session.position) {
            let what = || format!("the fact {} at {}", entry.event.event.name.as_str(), entry.position);
            self.with(&key, what, |session| session.handle_fact(entry.position, &entry.event.event, now));
        }
    }
}

/// How long a worker sleeps that has nothing to wait for; its inbox wakes it.
const IDLE: Duration = Duration::from_secs(3_600);

impl Step {
    /// Nothing to write, only to do.
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
            _ahead: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests;
