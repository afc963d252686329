//! How a worker gets a session: from a new call, or from a record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use infra::{Change, Position, SessionId};
use model::{TenantId, Timestamp, Token};
use scxml::{EvalError, Session};

use super::slot::{Beginning, CurrentWork, SlotSnapshot};
use super::turn::caught;
use super::{Key, Live, Restore, Standing, Start, Step, Worker};
use crate::ecmascript::{Ecmascript, PlatformObjects, ReadTenant};
use crate::ors::applications::Application;
use crate::ors::call_session::{CallSession, Caller, Command, Ended, Fault, Withdrawn, cancellation, start_parameters};
use crate::ors::records;
use crate::ors::session_facts::SessionFacts;

/// Why a document that blocked a thread does not run.
const HELD: &str = "its script has held a thread for good: it does not run before it is changed";

impl Worker {
    pub(super) fn start(&mut self, start: Start, now: Timestamp) {
        let key = (start.tenant.clone(), start.caller.call.conn_id);
        let here = |live: &Live| live.session.caller.this_dn == start.caller.this_dn;
        if self.live.get(&key).is_some_and(|live| !here(live)) {
            self.with(&key, || "a route point that it moved to".to_owned(), |session| session.moved(now));
        }
        let stands = |live: &Live| !live.session.machine.is_over();
        if self.live.get(&key).is_some_and(stands) || self.ended.contains(&key) {
            // The session learns of the call's return from the facts; an ended call needs no session.
            return self.acknowledge(&start);
        }
        let (id, caller, entry) = (start.session.clone(), start.caller.clone(), start.entry);
        let application = Arc::clone(&start.application);
        if self.barred.is_barred(&key.0, application.digest) {
            return self.not_begun(&key, &id, &caller, entry, (Fault::Held, HELD));
        }
        let withdrawn = self.let_go(&key, now);
        let (tenant, session) = (key.0.clone(), id.clone());
        let beginning = Beginning { tenant, session, caller: caller.clone(), application: application.clone(), entry };
        self.slot.hold(self.life, CurrentWork::Start(Box::new(beginning)));
        match caught(|| self.run_application(start, now)) {
            Ok(Ok(mut session)) => {
                // It may have cancelled requests itself already.
                session.withdrawn.extend(withdrawn);
                let mut facts = SessionFacts::new(&id, Token(1));
                let told = facts.started(&key.0, &session.caller, now).into_iter().collect();
                let live = Live { told, entry: Some(entry), ..Live::new(session, id, Token(1), application, facts) };
                crate::ors::explain::began(&self.trace, &key.0, &live.session.caller, "started", now);
                self.insert(key.clone(), live);
                self.metrics.session_started();
                self.step(&key, now);
            }
            Ok(Err(EvalError::Limit(limit))) => {
                self.not_begun(&key, &id, &caller, entry, (Fault::Limit(limit), "the script engine did not start"));
            }
            Ok(Err(EvalError::Execution(reason))) => {
                self.not_begun(&key, &id, &caller, entry, (Fault::UnhandledError, &reason));
            }
            Err(panic) => {
                let reason = format!("a panic while its application began: {panic}");
                self.report(Some(&key), panic, format!("application {}: it began", caller.application));
                self.not_begun(&key, &id, &caller, entry, (Fault::Panicked, &reason));
            }
        }
    }

    fn run_application(&self, start: Start, now: Timestamp) -> Result<CallSession, EvalError> {
        let platform = Rc::new(RefCell::new(PlatformObjects::default()));
        let parameters = start_parameters(&start.caller);
        let (clock, tenant) = (Arc::clone(&self.clock), self.reader_of(&start.tenant));
        let options = &start.application.options;
        let data = Ecmascript::new(self.limits, clock, parameters, Rc::clone(&platform), &tenant, options)?;
        let document = Arc::clone(&start.application.document);
        Ok(CallSession::start(document, data, platform, start.caller, &start.session.0, now))
    }

    /// What reads a tenant's objects for a session, at each look-up anew.
    fn reader_of(&self, tenant: &TenantId) -> ReadTenant {
        let (tenants, tenant) = (Arc::clone(&self.tenants), tenant.clone());
        Rc::new(move || tenants(&tenant))
    }

    /// Ends a finished application in favour of the call's next one, which takes over its unconfirmed cancellations.
    fn let_go(&mut self, key: &Key, now: Timestamp) -> Vec<Withdrawn> {
        let Some(live) = self.live.get_mut(key) else { return Vec::new() };
        self.slot.hold(self.life, CurrentWork::Session(key.clone()));
        live.session.replaced(now);
        let withdrawn = std::mem::take(&mut live.session.withdrawn);
        self.step(key, now);
        withdrawn
    }

    /// The application could not start: its call takes its default.
    fn not_begun(
        &mut self,
        key: &Key,
        session: &SessionId,
        caller: &Caller,
        entry: Position,
        (fault, reason): (Fault, &str),
    ) {
        let failed = Command::Ended(Ended::Failed { fault, reason: reason.to_owned() });
        let step = Step::to_do(&key.0, session, caller, vec![Command::DefaultRoute, failed]);
        self.out.push(Step { began_with: Some(entry), ..step }.with_end_afterwards(None));
    }

    fn acknowledge(&mut self, start: &Start) {
        self.out.push(Step::acknowledgement(&start.tenant, &start.session, &start.caller, start.entry));
    }

    pub(super) fn restore(&mut self, restore: Restore, now: Timestamp) {
        let facts = SessionFacts::new(&restore.session, restore.token);
        self.restore_with(restore, facts, "continued after a restart", now);
    }

    fn restore_with(&mut self, restore: Restore, facts: SessionFacts, how: &'static str, now: Timestamp) {
        let Ok(caller) = records::caller(&restore.record) else {
            tracing::error!(session = %restore.session.0, "a session's record cannot be read");
            return;
        };
        let key = (restore.tenant.clone(), caller.call.conn_id);
        if restore.owes_default {
            let reason = "it had failed, and its call may not have its default route";
            return self.given_up(restore, caller, facts, (Fault::NotRestored, reason), now);
        }
        let Some(application) = restore.application.clone() else {
            return self.given_up(
                restore,
                caller,
                facts,
                (Fault::NotRestored, "its application cannot be loaded"),
                now,
            );
        };
        if self.barred.is_barred(&key.0, application.digest) {
            return self.given_up(restore, caller, facts, (Fault::Held, HELD), now);
        }
        self.slot.hold(self.life, CurrentWork::Restore(Box::new(restore.clone())));
        let restored = caught(|| self.restored(&restore, &application, caller.clone(), now)).unwrap_or_else(|panic| {
            self.report(Some(&key), panic.clone(), format!("application {}: it was restored", caller.application));
            Err(NotRestored::ByItsRecord(format!("a panic while it was restored: {panic}")))
        });
        match restored {
            Ok(session) => {
                let live = Live::new(session, restore.session, restore.token, application, facts);
                let live = Live { written: true, ..live };
                crate::ors::explain::began(&self.trace, &key.0, &live.session.caller, how, now);
                self.insert(key.clone(), live);
                self.metrics.session_restored();
                self.step(&key, now);
                // rq must send the outcome to this node.
                self.resubmit(|k| *k == key);
            }
            Err(NotRestored::ByItsApplication(reason)) => {
                self.given_up(restore, caller, facts, (Fault::NotRestored, &reason), now);
            }
            Err(NotRestored::ByItsRecord(reason)) => {
                self.given_up(restore, caller, facts, (Fault::Quarantined, &reason), now);
            }
        }
    }

    /// Continues a session of an abandoned thread.
    pub(super) fn go_on(&mut self, key: &Key, snapshot: SlotSnapshot) {
        self.touched.insert(key.clone());
        if let Some((restore, facts)) = record_of(key, snapshot) {
            self.restore_with(restore, facts, "continued by another thread", self.clock.now());
        }
    }

    /// Ends the session that blocked its thread: it is not run again.
    pub(super) fn end_what_held(&mut self, what: CurrentWork, left: &mut HashMap<Key, SlotSnapshot>) {
        let now = self.clock.now();
        let (restore, facts) = match what {
            CurrentWork::Start(beginning) => {
                let Beginning { tenant, session, caller, entry, .. } = *beginning;
                let key = (tenant, caller.call.conn_id);
                return self.not_begun(&key, &session, &caller, entry, (Fault::Held, HELD));
            }
            CurrentWork::Restore(restore) => {
                let facts = SessionFacts::new(&restore.session, restore.token);
                (*restore, facts)
            }
            CurrentWork::Session(key) => {
                self.touched.insert(key.clone());
                let Some(known) = left.remove(&key).and_then(|snapshot| record_of(&key, snapshot)) else { return };
                known
            }
        };
        if let Ok(caller) = records::caller(&restore.record) {
            self.given_up(restore, caller, facts, (Fault::Held, HELD), now);
        }
    }

    /// Ends a session that is not continued: its record ends or is quarantined, its queue requests are cancelled, a
    /// waiting call takes its default.
    fn given_up(
        &mut self,
        restore: Restore,
        caller: Caller,
        mut facts: SessionFacts,
        (fault, reason): (Fault, &str),
        now: Timestamp,
    ) {
        tracing::error!(call = %caller.call.conn_id, application = caller.application, reason, "a session cannot go on");
        let queued = records::queue_requests(&restore.record).map(|id| Command::Queue(cancellation(id)));
        // A call that has left must not be routed.
        let default = (restore.owes_default || records::waits(&restore.record)).then_some(Command::DefaultRoute);
        let failed = Command::Ended(Ended::Failed { fault, reason: reason.to_owned() });
        let commands: Vec<Command> = queued.chain(default).chain([failed]).collect();
        let facts = facts.of_commands(&restore.tenant, &caller, None, &commands, now);
        let step = Step::to_do(&restore.tenant, &restore.session, &caller, commands);
        let (change, aside) = match fault {
            Fault::Quarantined => (None, Some(reason.to_owned())),
            _ => (Some(Change::End), None),
        };
        let step = Step { change, aside, token: restore.token, facts, ..step };
        self.out.push(step.with_end_afterwards(Some(records::written(&restore.record))));
    }

    fn restored(
        &self,
        restore: &Restore,
        application: &Application,
        caller: Caller,
        now: Timestamp,
    ) -> Result<CallSession, NotRestored> {
        let by_record = |error: &dyn std::fmt::Display| NotRestored::ByItsRecord(error.to_string());
        let by_application = |error: &dyn std::fmt::Display| NotRestored::ByItsApplication(error.to_string());
        let platform = Rc::new(RefCell::new(PlatformObjects::default()));
        let (parameters, clock) = (start_parameters(&caller), Arc::clone(&self.clock));
        let tenant = self.reader_of(&restore.tenant);
        let options = &application.options;
        let data = Ecmascript::new(self.limits, clock, parameters, Rc::clone(&platform), &tenant, options)
            .map_err(|e| by_application(&e))?;
        let snapshot = records::machine(&restore.record).map_err(|e| by_record(&e))?;
        // The states and data are those of a document that may have changed since.
        let machine = Session::restore(snapshot, Arc::clone(&application.document), Box::new(data), now)
            .map_err(|e| by_application(&e))?;
        let mut session = CallSession::with_machine(machine, platform, caller);
        records::fill(&mut session, restore.record.clone()).map_err(|e| by_record(&e))?;
        Ok(session)
    }

    /// Repeats the commands that rq's broken stream may have lost.
    pub(super) fn resubmit(&mut self, which: impl Fn(&Key) -> bool) {
        for ((tenant, _), live) in self.live.iter_mut().filter(|(key, _)| which(key)) {
            let commands: Vec<Command> = live.session.resubmissions().into_iter().map(Command::Queue).collect();
            if !commands.is_empty() {
                self.out.push(Step::to_do(tenant, &live.id, &live.session.caller, commands));
            }
        }
    }
}

/// Why a session cannot be continued.
enum NotRestored {
    /// Its record is invalid: it goes to quarantine.
    ByItsRecord(String),
    /// Its application cannot continue from there.
    ByItsApplication(String),
}

/// The record in a snapshot.
fn record_of(key: &Key, snapshot: SlotSnapshot) -> Option<(Restore, SessionFacts)> {
    let SlotSnapshot { session, token, application, state, facts } = snapshot;
    let unreadable = |error: &_| tracing::error!(call = %key.1, %error, "a session's own record cannot be read");
    let record = records::decode(&state).inspect_err(unreadable).ok()?;
    let (tenant, application) = (key.0.clone(), Some(application));
    Some((Restore { tenant, session, record, token, application, owes_default: false }, facts))
}

impl Live {
    fn new(
        session: CallSession,
        id: SessionId,
        token: Token,
        application: Arc<Application>,
        facts: SessionFacts,
    ) -> Self {
        Self {
            session,
            id,
            token,
            application,
            state: None,
            entry: None,
            due: None,
            facts,
            told: Vec::new(),
            written: false,
            standing: Standing::GoesOn,
            ahead: Arc::default(),
        }
    }
}
