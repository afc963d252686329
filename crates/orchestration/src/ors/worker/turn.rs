//! One session's turn: what follows from an input is put down, measured and handed out. What cannot be stored is not done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use infra::{Change, bounds};
use model::{TenantId, Timestamp, UserData};

use super::slot::{InHand, Photo};
use super::{Key, Live, PAST_MAX, Standing, Step, TIMER_MIN, Worker};
use crate::ors::call_session::{CallSession, Caller, Command, Ended, Fault, cancellation};
use crate::ors::{explain, intentions, records};

/// What follows from an input.
struct Turned {
    /// None if there is nothing that could be stored: the session is over then.
    state: Option<Bytes>,
    intentions: Bytes,
    commands: Vec<Command>,
}

/// Runs what may panic; the panic's own words, masked.
///
/// What is caught belongs to one session, which is not run again: nobody sees what it has left half done.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| runtime::fault::panic_text(&*panic))
}

impl Worker {
    /// Gives a session an input; `what` names it, without what anybody has said or typed.
    pub(super) fn with(&mut self, key: &Key, what: impl FnOnce() -> String, input: impl FnOnce(&mut CallSession)) {
        let Some(live) = self.live.get_mut(key) else { return };
        self.slot.hold(self.life, InHand::Session(key.clone()));
        let done = caught(|| input(&mut live.session));
        let now = self.clock.now();
        match done {
            Ok(()) => self.step(key, now),
            Err(panic) => self.crashed(key, what(), panic, now),
        }
    }

    /// Hands out what followed from an input.
    pub(super) fn step(&mut self, key: &Key, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        match caught(|| live.turned(&key.0, &self.trace, now)) {
            Ok(turned) => self.hand_out(key, turned, now),
            Err(panic) => self.crashed(key, "its record".to_owned(), panic, now),
        }
    }

    /// The session has panicked: it alone ends, and what it had wanted in this turn is not done.
    fn crashed(&mut self, key: &Key, what: String, panic: String, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        while live.session.poll_command().is_some() {}
        live.session.give_up(Fault::Panicked, &format!("a panic at {what}: {panic}"), now);
        let input = format!("application {}: {what}", live.session.caller.application);
        self.report(Some(key), panic, input);
        self.last_turn(key, now);
    }

    /// Ends a session without looking at its machine again.
    fn last_turn(&mut self, key: &Key, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let mut commands = live.commands();
        // Some may have been taken back in a step that was never done. What rq says then is answered from what is remembered of the session.
        for again in live.take_back() {
            if !commands.contains(&again) {
                commands.push(again);
            }
        }
        let intentions = intentions::encode(&key.0, &live.session.caller, &commands);
        self.hand_out(key, Turned { state: None, intentions, commands }, now);
    }

    /// The store has not taken a step: nothing of it was done, nor will what was built on it. The session ends, and its call takes
    /// its default.
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
        self.out.push(Step { change, due, commands, facts, standing, ..step });
    }

    fn hand_out(&mut self, key: &Key, turned: Turned, now: Timestamp) {
        let Some(live) = self.live.get_mut(key) else { return };
        let Turned { state, intentions, commands } = turned;
        live.state = state.clone().or_else(|| live.state.take());
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
        // Made and ended at once: the record goes in a step of its own, after what is to be done.
        let end = ends_at_once.then(|| Step {
            token: step.token,
            change: Some(Change::End),
            ..Step::to_do(&key.0, &step.session, &step.caller, Vec::new())
        });
        self.out.push(step);
        self.out.extend(end);
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
        // One that was here before has lost its record to another node meanwhile.
        self.remove(&key);
        self.live.insert(key, live);
    }

    /// The session has ended here.
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
    /// Puts down where the session stands. One that cannot be stored ends here, and what it wanted in this turn is not done.
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

    /// Takes back from rq what it may not have heard of.
    fn take_back(&mut self) -> Vec<Command> {
        let withdrawn = std::mem::take(&mut self.session.withdrawn);
        withdrawn.into_iter().map(|w| Command::Queue(cancellation(&w.request_id))).collect()
    }

    /// What another thread could go on with.
    pub(super) fn photo(&self) -> Option<Photo> {
        Some(Photo {
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
