//! One session's turn: its result is recorded, measured and emitted. A result that cannot be stored is not carried out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use infra::{Change, bounds};
use model::{TenantId, Timestamp, UserData};

use super::slot::{CurrentWork, SlotSnapshot};
use super::{Key, Live, PAST_MAX, Standing, Step, TIMER_MIN, Worker};
use crate::ors::call_session::{CallSession, Caller, Command, Ended, Fault, cancellation};
use crate::ors::{explain, intentions, records};

/// The result of an input.
struct Turned {
    /// `None` if it cannot be stored: the session is over then.
    state: Option<Bytes>,
    intentions: Bytes,
    commands: Vec<Command>,
}

/// Runs code that may panic; the error is the panic's message, masked.
///
/// The affected session is not run again: its half-changed state is never used.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| runtime::fault::panic_text(&*panic))
}

impl Worker {
    /// Gives a session an input; `what` names it for reports, without user data.
    pub(super) fn with(&mut self, key: &Key, what: impl FnOnce() -> String, input: impl FnOnce(&mut CallSession)) {
        let Some(live) = self.live.get_mut(key) else { return };
        self.slot.hold(self.life, CurrentWork::Session(key.clone()));
        let done = caught(|| input(&mut live.session));
        let now = self.clock.now();
        match done {
            Ok(()) => self.step(key, now),
            Err(panic) => self.crashed(key, what(), panic, now),
        }
    }

    /// Emits the result of an input.
    pub(super) fn step(&mut self, key: &Key, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        match caught(|| live.turned(&key.0, &self.trace, now)) {
            Ok(turned) => self.hand_out(key, turned, now),
            Err(panic) => self.crashed(key, "its record".to_owned(), panic, now),
        }
    }

    /// The session has panicked: it alone ends, and its actions of this turn are dropped.
    fn crashed(&mut self, key: &Key, what: String, panic: String, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        while live.session.poll_command().is_some() {}
        live.session.give_up(Fault::Panicked, &format!("a panic at {what}: {panic}"), now);
        let input = format!("application {}: {what}", live.session.caller.application);
        self.report(Some(key), panic, input);
        self.last_turn(key, now);
    }

    /// Ends a session without running its machine again.
    fn last_turn(&mut self, key: &Key, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let mut commands = live.commands();
        // Some requests may have been cancelled in a step that was never done. rq's later messages are answered from `past`.
        for again in live.take_back() {
            if !commands.contains(&again) {
                commands.push(again);
            }
        }
        let intentions = intentions::encode(&key.0, &live.session.caller, &commands);
        self.hand_out(key, Turned { state: None, intentions, commands }, now);
    }

    /// The store has refused a step: nothing of it was done, and later steps are void. The session ends, and its call
    /// takes its default.
    pub(super) fn unwritten(&mut self, step: Step, reason: &str, now: Timestamp) {
        let key = (step.tenant.clone(), step.caller.call.conn_id);
        let written = !matches!(step.change, Some(Change::Create { .. }));
        let runs = |live: &Live| live.id == step.session && !live.session.has_ended();
        if let Some(live) = self.live.get_mut(&key).filter(|live| runs(live)) {
            live.written = written;
            live.entry = step.began_with;
            live.standing = Standing::LastWord;
            live.session.give_up(Fault::Unwritten, reason, now);
            return self.last_turn(&key, now);
        }
        let mut commands = Vec::new();
        if let Some(live) = self.live.get_mut(&key).filter(|live| live.id == step.session) {
            commands = live.take_back();
            self.remove(&key);
        }
        commands.extend(step.waits.then_some(Command::DefaultRoute));
        commands.push(Command::Ended(Ended::Failed { fault: Fault::Unwritten, reason: reason.to_owned() }));
        let change = written.then_some(Change::End);
        let (due, facts, standing) = (None, Vec::new(), Standing::LastWord);
        self.out.push(Step { change, due, commands, facts, standing, afterwards: None, ..step });
    }

    fn hand_out(&mut self, key: &Key, turned: Turned, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let Turned { state, intentions, commands } = turned;
        let before = live.state.take();
        live.state = state.clone().or_else(|| before.clone());
        self.touched.insert(key.clone());
        let mut facts = std::mem::take(&mut live.told);
        facts.extend(live.facts.of_step(&key.0, &live.session, &commands, now));
        let over = live.session.is_over();
        let entry = live.entry.take();
        let change = match (live.written, over, state) {
            (true, true, _) => Some(Change::End),
            (true, false, Some(state)) => Some(Change::Save { state, intentions }),
            (false, _, Some(state)) => Some(Change::Create { state, intentions }),
            (_, _, None) => None,
        };
        let ends_at_once = over && matches!(change, Some(Change::Create { .. }));
        live.written |= change.is_some();
        let due = live.session.next_timeout();
        let step = Step {
            token: live.token,
            change,
            due,
            began_with: entry,
            facts,
            waits: live.session.waits(),
            standing: live.standing,
            _ahead: Arc::clone(&live.ahead),
            ..Step::to_do(&key.0, &live.id, &live.session.caller, commands)
        };
        // Started and ended at once: the record is ended in its own step, after the commands.
        let end = ends_at_once.then(|| Step {
            token: step.token,
            change: Some(Change::End),
            ..Step::to_do(&key.0, &step.session, &step.caller, Vec::new())
        });
        let step = step.with_end_afterwards(before);
        match end {
            Some(end) if step.commands.contains(&Command::DefaultRoute) => {
                self.out.push(Step { afterwards: Some(Box::new(end)), ..step });
            }
            end => self.out.extend(std::iter::once(step).chain(end)),
        }
        if over {
            self.forget(key);
        } else {
            self.arm(key, due, now);
        }
    }

    // ---- the table ----

    pub(super) fn arm(&mut self, key: &Key, due: Option<Timestamp>, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let due = due.map(|due| due.max(now + TIMER_MIN));
        if let Some(before) = std::mem::replace(&mut live.due, due) {
            self.timers.unset(key, before);
        }
        if let Some(due) = due {
            self.timers.set(key, due);
        }
    }

    pub(super) fn insert(&mut self, key: Key, live: Live) {
        // An earlier entry has lost its record to another node.
        self.remove(&key);
        self.live.insert(key, live);
    }

    /// Removes a session that has ended here, and remembers it in `past`.
    fn forget(&mut self, key: &Key) {
        if let Some(live) = self.live.get(key) {
            let caller = Caller { user_data: UserData::new(), ..live.session.caller.clone() };
            self.past.push_back((key.clone(), live.id.clone(), caller));
            self.past.drain(..self.past.len().saturating_sub(PAST_MAX));
        }
        self.remove(key);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(live) = self.live.remove(key) else { return };
        if let Some(due) = live.due {
            self.timers.unset(key, due);
        }
        self.touched.insert(key.clone());
        if let Err(panic) = caught(|| drop(live)) {
            tracing::error!(call = %key.1, panic, "a session's memory could not be given back");
        }
    }
}

impl Live {
    /// Encodes the session's state. A session that cannot be stored ends here, and its actions of this turn are dropped.
    fn turned(&mut self, tenant: &TenantId, trace: &runtime::Recorder, now: Timestamp) -> Turned {
        let mut commands = self.commands();
        let mut state = None;
        if !(self.written && self.session.is_over()) {
            match self.state(tenant, &commands) {
                Ok(bytes) => state = Some(bytes),
                Err((fault, reason)) => {
                    if !self.session.has_ended() {
                        self.session.fail(fault, &reason, now);
                        commands = self.commands();
                    }
                    self.session.withdrawn.clear();
                }
            }
        }
        explain::steps(trace, tenant, &mut self.session, &commands, now);
        let intentions = intentions::encode(tenant, &self.session.caller, &commands);
        Turned { state, intentions, commands }
    }

    /// Cancels the queue requests whose cancellation rq has not confirmed.
    fn take_back(&mut self) -> Vec<Command> {
        let withdrawn = std::mem::take(&mut self.session.withdrawn);
        withdrawn.into_iter().map(|w| Command::Queue(cancellation(&w.request_id))).collect()
    }

    /// The state from which another thread could continue.
    pub(super) fn snapshot(&self) -> Option<SlotSnapshot> {
        Some(SlotSnapshot {
            session: self.id.clone(),
            token: self.token,
            application: Arc::clone(&self.application),
            state: self.state.clone()?,
            facts: self.facts.clone(),
        })
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.session.poll_command()).collect()
    }

    fn state(&mut self, tenant: &TenantId, commands: &[Command]) -> Result<Bytes, (Fault, String)> {
        let snapshot = self.session.machine.snapshot().map_err(|error| (Fault::Unstorable, error.to_string()))?;
        let state = records::encode(&self.session, &snapshot, self.application.digest);
        let bytes = state.len() + intentions::encode(tenant, &self.session.caller, commands).len();
        if bytes > bounds::STATE_MAX {
            return Err((Fault::TooLarge, format!("its record has {bytes} bytes: at most {}", bounds::STATE_MAX)));
        }
        Ok(state)
    }
}
