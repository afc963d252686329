//! Threads that run sessions: scripts take processor time, which the roles' own threads must not wait for.
//!
//! A call belongs to one worker for good. After each input the worker hands out a [`Step`]: the record to be written
//! and what to do once it is.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use contracts::v1;
use infra::{Change, Clock, EventEntry, Position, SessionId};
use model::{ConnId, EventName, Stamped, Subject, TenantId, Timestamp, Token};
use scxml::Session;
use tokio::sync::{mpsc, oneshot};

use super::applications::Application;
use super::call_session::{CallSession, Caller, Command, Fault, start_parameters};
use super::metrics::Metrics;
use super::session_facts::SessionFacts;
use super::{intentions, records};
use crate::ecmascript::{Ecmascript, PlatformObjects, ScriptLimits};

/// Inputs that wait for a worker; several seconds of a busy tenant's facts.
pub(super) const INBOX_MAX: usize = 8_192;
/// Ended calls that are remembered, so that a late entry starts no session for one.
const ENDED_MAX: usize = 4_096;

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
    /// Another node owns the session now.
    Forget(TenantId, ConnId),
    /// rq's stream broke: say again what waits.
    Resubmit(TenantId),
    /// Somebody asks what is known of a call.
    Describe { tenant: TenantId, conn_id: ConnId, reply: oneshot::Sender<Option<serde_json::Value>> },
}

pub(super) struct Start {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub application: Arc<Application>,
    pub entry: Position,
}

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
    pub due: Option<Timestamp>,
    pub began_with: Option<Position>,
    pub commands: Vec<Command>,
    /// What it tells of itself, in the same commit.
    pub facts: Vec<Stamped>,
}

type Key = (TenantId, ConnId);

struct Live {
    session: CallSession,
    id: SessionId,
    token: Token,
    digest: u64,
    /// The entry to acknowledge, until the record is first written.
    entry: Option<Position>,
    due: Option<Timestamp>,
    facts: SessionFacts,
    /// Facts for the next step.
    told: Vec<Stamped>,
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
}

/// One thread's sessions.
pub(super) struct Worker {
    inbox: mpsc::Receiver<Work>,
    steps: mpsc::Sender<Step>,
    clock: Arc<dyn Clock>,
    limits: ScriptLimits,
    metrics: Metrics,
    /// Sessions of all workers.
    sessions: Arc<AtomicUsize>,
    trace: runtime::Recorder,
    live: HashMap<Key, Live>,
    due: BTreeSet<(Timestamp, Key)>,
    ended: VecDeque<Key>,
    out: Vec<Step>,
}

impl Worker {
    pub fn new(inbox: mpsc::Receiver<Work>, steps: mpsc::Sender<Step>, shared: Sharing) -> Self {
        let Sharing { clock, limits, metrics, sessions, trace } = shared;
        let (live, due) = (HashMap::new(), BTreeSet::new());
        let (ended, out) = (VecDeque::new(), Vec::new());
        Self { inbox, steps, clock, limits, metrics, sessions, trace, live, due, ended, out }
    }

    /// Runs until the inbox closes.
    pub async fn run(mut self) {
        loop {
            let wait = self.due.first().map(|(due, _)| due.since(self.clock.now()));
            tokio::select! {
                work = self.inbox.recv() => match work {
                    Some(work) => self.take(work),
                    None => return,
                },
                () = tokio::time::sleep(wait.unwrap_or(IDLE)), if wait.is_some() => self.fire(),
            }
            for step in self.out.drain(..) {
                if self.steps.send(step).await.is_err() {
                    return;
                }
            }
        }
    }

    fn take(&mut self, work: Work) {
        let now = self.clock.now();
        match work {
            Work::Start(start) => self.start(*start, now),
            Work::Restore(restore) => self.restore(*restore, now),
            Work::Fact(tenant, entry) => self.fact(tenant, &entry, now),
            Work::Outcome(tenant, outcome) => {
                let conn = outcome.request_id.split('-').next().and_then(|id| id.parse().ok());
                if let Some(conn) = conn {
                    self.with(&(tenant, conn), |session| session.handle_outcome(outcome, now));
                }
            }
            Work::Refused { tenant, conn_id, reference, error, description } => {
                self.with(&(tenant, conn_id), |s| s.request_refused(reference, &error, &description, now));
            }
            Work::Forget(tenant, conn_id) => {
                self.remove(&(tenant, conn_id));
            }
            Work::Describe { tenant, conn_id, reply } => {
                let live = self.live.get(&(tenant, conn_id));
                // Who has asked may be gone.
                let _ = reply.send(live.map(|live| super::server::describe(&live.session)));
            }
            Work::Resubmit(tenant) => self.resubmit(|(t, _)| *t == tenant),
        }
    }

    fn fire(&mut self) {
        let now = self.clock.now();
        while let Some((due, key)) = self.due.first().filter(|(due, _)| *due <= now).cloned() {
            self.with(&key, |session| session.handle_timeout(now));
            if self.due.remove(&(due, key.clone())) {
                tracing::error!(call = %key.1, "a session's timer did not run out");
            }
        }
    }

    fn start(&mut self, start: Start, now: Timestamp) {
        let key = (start.tenant.clone(), start.caller.call.conn_id);
        let here = |live: &Live| live.session.caller.this_dn == start.caller.this_dn;
        if self.live.get(&key).is_some_and(|live| !here(live)) {
            self.with(&key, |session| session.moved(now));
        }
        if self.live.contains_key(&key) || self.ended.contains(&key) {
            // The session hears of the call's return by itself; an ended call needs none.
            return self.acknowledge(key.0, start);
        }
        let platform = Rc::new(RefCell::new(PlatformObjects::default()));
        let parameters = start_parameters(&start.caller);
        let session = match Ecmascript::new(self.limits, Arc::clone(&self.clock), parameters, Rc::clone(&platform)) {
            Ok(data) => {
                let document = Arc::clone(&start.application.document);
                CallSession::start(document, data, platform, start.caller, &start.session.0, now)
            }
            Err(error) => {
                tracing::error!(call = %key.1, %error, "the script engine did not start");
                return;
            }
        };
        let mut facts = SessionFacts::new(&start.session, Token(1));
        let told = facts.started(&key.0, &session.caller, now).into_iter().collect();
        let live = Live {
            session,
            facts,
            told,
            id: start.session,
            token: Token(1),
            digest: start.application.digest,
            entry: Some(start.entry),
            due: None,
        };
        super::explain::began(&self.trace, &key.0, &live.session.caller, "started", now);
        self.insert(key.clone(), live);
        self.metrics.session_started();
        self.step(&key, now);
    }

    fn acknowledge(&mut self, tenant: TenantId, start: Start) {
        self.out.push(Step {
            tenant,
            session: start.session,
            caller: start.caller,
            token: Token(0),
            change: None,
            due: None,
            began_with: Some(start.entry),
            commands: Vec::new(),
            facts: Vec::new(),
        });
    }

    fn restore(&mut self, restore: Restore, now: Timestamp) {
        let Ok(caller) = records::caller(&restore.record) else {
            tracing::error!(session = %restore.session.0, "a session's record cannot be read");
            return;
        };
        let key = (restore.tenant.clone(), caller.call.conn_id);
        let digest = restore.application.as_ref().map_or(0, |a| a.digest);
        match self.restored(&restore, caller.clone(), now) {
            Ok(session) => {
                let facts = SessionFacts::new(&restore.session, restore.token);
                let (id, token) = (restore.session, restore.token);
                let live = Live { session, id, token, digest, entry: None, due: None, facts, told: Vec::new() };
                super::explain::began(&self.trace, &key.0, &live.session.caller, "gone on with after a restart", now);
                self.insert(key.clone(), live);
                self.metrics.session_restored();
                self.step(&key, now);
                // The outcome shall come to this node.
                self.resubmit(|k| *k == key);
            }
            Err(reason) => {
                tracing::error!(call = %key.1, application = caller.application, reason, "a session cannot go on");
                let facts = SessionFacts::new(&restore.session, restore.token).given_up(&restore.tenant, &caller, now);
                self.out.push(Step {
                    facts,
                    tenant: restore.tenant,
                    session: restore.session,
                    caller,
                    token: restore.token,
                    change: Some(Change::End),
                    due: None,
                    began_with: None,
                    commands: vec![Command::DefaultRoute],
                });
            }
        }
    }

    fn restored(&self, restore: &Restore, caller: Caller, now: Timestamp) -> Result<CallSession, String> {
        let application = restore.application.as_ref().ok_or("its application cannot be loaded")?;
        let platform = Rc::new(RefCell::new(PlatformObjects::default()));
        let (parameters, clock) = (start_parameters(&caller), Arc::clone(&self.clock));
        let data = Ecmascript::new(self.limits, clock, parameters, Rc::clone(&platform)).map_err(|e| e.to_string())?;
        let snapshot = records::machine(&restore.record).map_err(|e| e.to_string())?;
        let machine = Session::restore(snapshot, Arc::clone(&application.document), Box::new(data), now)
            .map_err(|e| e.to_string())?;
        let mut session = CallSession::with_machine(machine, platform, caller);
        records::fill(&mut session, restore.record.clone()).map_err(|e| e.to_string())?;
        Ok(session)
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
            self.with(&key, |session| session.handle_fact(entry.position, &entry.event.event, now));
        }
    }

    fn resubmit(&mut self, which: impl Fn(&Key) -> bool) {
        for ((tenant, _), live) in self.live.iter().filter(|(key, _)| which(key)) {
            if let Some(command) = live.session.resubmission() {
                self.out.push(Step {
                    tenant: tenant.clone(),
                    session: live.id.clone(),
                    caller: live.session.caller.clone(),
                    token: live.token,
                    change: None,
                    due: None,
                    began_with: None,
                    commands: vec![Command::Queue(command)],
                    facts: Vec::new(),
                });
            }
        }
    }

    // ---- one session ----

    fn with(&mut self, key: &Key, input: impl FnOnce(&mut CallSession)) {
        if let Some(live) = self.live.get_mut(key) {
            input(&mut live.session);
            self.step(key, self.clock.now());
        }
    }

    /// Hands out what followed from an input.
    fn step(&mut self, key: &Key, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let state = match live.session.machine.snapshot() {
            Ok(snapshot) => records::encode(&live.session, &snapshot, live.digest),
            Err(error) => {
                live.session.fail(Fault::Unstorable, &error.to_string(), now);
                bytes::Bytes::new()
            }
        };
        let commands: Vec<Command> = std::iter::from_fn(|| live.session.poll_command()).collect();
        let mut facts = std::mem::take(&mut live.told);
        facts.extend(live.facts.of_step(&key.0, &live.session, &commands, now));
        super::explain::steps(&self.trace, &key.0, &mut live.session, &commands, now);
        let over = live.session.is_over();
        let intentions = intentions::encode(&key.0, &live.session.caller, &commands);
        let entry = live.entry.take();
        let change = match (entry.is_some(), over) {
            (true, _) => Change::Create { state, intentions },
            (false, true) => Change::End,
            (false, false) => Change::Save { state, intentions },
        };
        let due = live.session.next_timeout();
        let mut step = Step {
            tenant: key.0.clone(),
            session: live.id.clone(),
            caller: live.session.caller.clone(),
            token: live.token,
            change: Some(change),
            due,
            began_with: entry,
            commands,
            facts,
        };
        if over && entry.is_some() {
            // Made and ended at once: the record goes in a step of its own, after what is to be done.
            let end = Step { change: Some(Change::End), began_with: None, commands: Vec::new(), ..step.again() };
            self.out.push(step);
            step = end;
        }
        self.out.push(step);
        if over {
            self.remove(key);
        } else {
            self.arm(key, due);
        }
    }

    fn arm(&mut self, key: &Key, due: Option<Timestamp>) {
        let Some(live) = self.live.get_mut(key) else { return };
        if let Some(before) = std::mem::replace(&mut live.due, due) {
            self.due.remove(&(before, key.clone()));
        }
        if let Some(due) = due {
            self.due.insert((due, key.clone()));
        }
    }

    fn insert(&mut self, key: Key, live: Live) {
        // One that was here before has lost its record to another node meanwhile.
        self.remove(&key);
        self.live.insert(key, live);
        self.sessions.fetch_add(1, Relaxed);
        self.metrics.sessions_run(1);
    }

    fn remove(&mut self, key: &Key) {
        self.arm(key, None);
        if self.live.remove(key).is_some() {
            self.sessions.fetch_sub(1, Relaxed);
            self.metrics.sessions_run(-1);
        }
    }
}

/// How long a worker sleeps that has nothing to wait for; its inbox wakes it.
const IDLE: Duration = Duration::from_secs(3_600);

impl Step {
    fn again(&self) -> Self {
        Self {
            tenant: self.tenant.clone(),
            session: self.session.clone(),
            caller: self.caller.clone(),
            token: self.token,
            change: None,
            due: None,
            began_with: None,
            commands: Vec::new(),
            facts: Vec::new(),
        }
    }
}
