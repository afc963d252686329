//! The session of one call, without I/O: the application's actions become requests, and facts become its events.
//!
//! No call gets stuck. Each request has a deadline, and an application that fails, ends early, or leaves the call
//! waiting with no request under way returns the call to the route point's default.

mod actions;
mod call_data;
mod command;
mod facts;
mod platform;
mod queueing;
mod requests;
#[cfg(test)]
mod tests;
mod withdrawal;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use infra::Position;
use model::event::CallRef;
use model::request::RequestKind;
use model::{Dn, Owner, Timestamp, UserData};
use scxml::{Document, End, Event, LimitKind, Output, Session, Value};

pub(super) use command::{Command, Ended, Fault};
use platform::platform_objects;
pub(super) use platform::start_parameters;
pub(super) use queueing::Queueing;
pub(super) use requests::REQUEST_DEADLINE;
pub(super) use withdrawal::{Withdrawn, cancellation};

use super::hidden_digits;
use crate::ecmascript::{Ecmascript, PlatformObjects};

/// The call that a session starts for, from an entry of the stream of new calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The call.
    pub call: CallRef,
    /// The route point on which the call waits.
    pub this_dn: Dn,
    /// The application that the route point names.
    pub application: String,
    /// Business data of the call.
    pub user_data: UserData,
    /// The sip-cluster node that owns the call.
    pub owner: Option<Owner>,
}

/// The call's state, as the session last saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// On the route point: can be treated and routed.
    Waiting,
    /// Sent to a target that has not answered yet.
    Offered,
    /// Answered by a target.
    Answered,
    /// The call has ended or left.
    Over,
}

/// A request under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pending {
    pub reference: u64,
    /// The action's id; empty for a request that the platform made itself.
    pub request_id: String,
    /// The action, such as `dialog.play`.
    pub action: String,
    /// When it is considered lost.
    pub due: Timestamp,
}

/// The current treatment, or the one that will play when its request is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Playing {
    pub reference: u64,
    pub request_id: String,
    pub action: String,
    /// Whether it plays while a queue request waits; the next treatment of the list follows it.
    pub while_waiting: bool,
}

/// A call with its application.
pub(super) struct CallSession {
    pub(super) machine: Session,
    platform: Rc<RefCell<PlatformObjects>>,
    pub(super) caller: Caller,
    pub(super) stage: Stage,
    /// Position of the last entry processed from the tenant's events.
    pub(super) position: Position,
    pub(super) next_reference: u64,
    pub(super) pending: Vec<Pending>,
    pub(super) playing: Option<Playing>,
    pub(super) queueing: Option<Queueing>,
    /// Cancelled queue requests that rq has not confirmed yet.
    pub(super) withdrawn: Vec<Withdrawn>,
    /// Whether the application has asked for digits that are a secret: from then on no digit that it says is told.
    pub(super) heard_secret: bool,
    /// Since when the call waits with no request under way.
    pub(super) idle_since: Option<Timestamp>,
    /// Since when no node has the call, according to refused requests for it. Not stored: a successor queries again.
    gone_since: Option<Timestamp>,
    commands: VecDeque<Command>,
    /// Events for the application that arose while it was running.
    feedback: VecDeque<Event>,
    ended: bool,
}

/// Time that a call may wait with no request under way before the application counts as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Events that one input may cause by failed actions: stops an application that answers each failure with another action.
const FEEDBACK_MAX: usize = 64;
/// The action that sends the call elsewhere.
const REDIRECT: &str = "interaction.redirect";
/// The action that ends the call.
const TERMINATE: &str = "interaction.terminate";

impl CallSession {
    /// Starts the application and sends it the event `interaction.present`.
    pub fn start(
        document: Arc<Document>,
        data: Ecmascript,
        platform: Rc<RefCell<PlatformObjects>>,
        caller: Caller,
        id: &str,
        now: Timestamp,
    ) -> Self {
        platform.borrow_mut().set(platform_objects(&caller));
        let machine = Session::start(document, Box::new(data), id, now);
        let mut session = Self::with_machine(machine, platform, caller);
        // The call may have had an earlier session; its references must not be reused. Below 2^53, as JSON requires.
        session.next_reference = now.as_micros();
        let present = session.about_call([]);
        session.feedback.push_back(Event::external("interaction.present", present));
        session.settle(now);
        session
    }

    pub(super) fn with_machine(machine: Session, platform: Rc<RefCell<PlatformObjects>>, caller: Caller) -> Self {
        platform.borrow_mut().set(platform_objects(&caller));
        Self {
            machine,
            platform,
            caller,
            stage: Stage::Waiting,
            position: Position::START,
            next_reference: 1,
            pending: Vec::new(),
            playing: None,
            queueing: None,
            withdrawn: Vec::new(),
            heard_secret: false,
            idle_since: None,
            gone_since: None,
            commands: VecDeque::new(),
            feedback: VecDeque::new(),
            ended: false,
        }
    }

    /// The next command for the shell.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Whether the application is over. The session may have to stay until rq has confirmed its cancelled requests.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the session is over and its record can be deleted.
    pub const fn is_over(&self) -> bool {
        self.ended && self.withdrawn.is_empty()
    }

    /// When [`Self::handle_timeout`] is due next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let told_again = self.withdrawn.iter().map(|w| w.again_at).min();
        if self.ended {
            return told_again;
        }
        let pending = self.pending.iter().map(|p| p.due);
        let stalled = self.idle_since.map(|since| since + STALLED_AFTER);
        let again = self.queueing.as_ref().and_then(|q| q.play_again_at);
        pending.chain(stalled).chain(again).chain(told_again).chain(self.machine.next_timeout()).min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.withdraw_again(now);
        if self.ended {
            return;
        }
        let late: Vec<Pending> = self.pending.extract_if(.., |p| p.due <= now).collect();
        for pending in late {
            self.request_failed(&pending, "timeout", "the outcome of the request was not reported", now);
        }
        self.play_again(now);
        self.machine.handle_timeout(now);
        if self.idle_since.is_some_and(|since| since + STALLED_AFTER <= now) {
            return self.fail(Fault::Stalled, "the call waits and nothing is under way", now);
        }
        self.settle(now);
    }

    /// After a restore: the session of a finished application has ended, unless its call was still leaving.
    pub(super) fn resume_end(&mut self) {
        self.ended = self.machine.is_over() && !self.is_leaving();
    }

    /// Ends the session from outside: its record cannot be stored, or its document no longer exists.
    pub fn fail(&mut self, fault: Fault, reason: &str, now: Timestamp) {
        if self.ended {
            return;
        }
        self.machine.terminate(now);
        // Its last actions no longer count, nor do commands not handed out yet.
        while self.machine.poll_output().is_some() {}
        self.give_up(fault, reason, now);
    }

    /// Like [`Self::fail`], but does not run the machine again: the actions of this turn are dropped.
    pub fn give_up(&mut self, fault: Fault, reason: &str, now: Timestamp) {
        if self.ended {
            return;
        }
        self.leave_queue(now);
        if self.waits() {
            // The call's own data say why it took its default.
            let mut why = UserData::new();
            why.set("RStrategyName", self.caller.application.as_str());
            why.set("RStrategyError", fault.as_str());
            let kind = RequestKind::UpdateUserData(self.caller.call.conn_id, why);
            self.commands.push_back(Command::Request { reference: 0, kind });
            self.commands.push_back(Command::DefaultRoute);
        }
        self.end(Ended::Failed { fault, reason: reason.to_owned() });
    }

    /// The call has come back to its route point after this application ended: another one starts.
    pub fn replaced(&mut self, now: Timestamp) {
        if !self.ended {
            self.leave_queue(now);
            self.end(Ended::Through);
        }
    }

    /// Whether the call waits on its route point, as far as the session knows.
    pub fn waits(&self) -> bool {
        self.stage == Stage::Waiting
    }

    // ---- one input ----

    /// Carries out the application's actions and sends it their results, until none are left.
    fn settle(&mut self, now: Timestamp) {
        let mut told = 0;
        while !self.ended {
            self.drain_machine(now);
            let Some(event) = self.feedback.pop_front() else { break };
            told += 1;
            if told > FEEDBACK_MAX {
                return self.fail(Fault::Limit(LimitKind::EventsPerInput), "actions fail one after the other", now);
            }
            self.platform_changed();
            self.machine.handle(event, now);
        }
        if !self.ended && self.stage == Stage::Over {
            self.machine.terminate(now);
            self.drain_machine(now);
        }
        self.finish(now);
        self.watch_idle(now);
    }

    fn drain_machine(&mut self, now: Timestamp) {
        while !self.ended {
            let Some(output) = self.machine.poll_output() else { return };
            match output {
                Output::Action(action) => self.act(action, now),
                Output::Log { label, level, text } => {
                    let text = if label.is_empty() { text } else { format!("{label} {text}") };
                    self.commands.push_back(Command::Log { level, text: self.fit_to_tell(text) });
                }
                Output::UnhandledError(event) => {
                    let reason = self.fit_to_tell(format!("{} {}", event.name, event.data.to_display()));
                    self.fail(Fault::UnhandledError, &reason, now);
                }
                Output::Done(End::Limit(limit)) => {
                    self.fail(Fault::Limit(limit), &format!("the limit {limit} was reached"), now);
                }
                // The consequence depends on the call's stage after all other outputs.
                Output::Done(End::Final(_) | End::Terminated) => {}
            }
        }
    }

    /// What the application says, without digits where some may be a secret.
    fn fit_to_tell(&self, text: String) -> String {
        if self.heard_secret { hidden_digits::without_any(&text) } else { text }
    }

    /// Ends the session of a finished application, once the call has left or is known to stay.
    fn finish(&mut self, now: Timestamp) {
        if self.ended || !self.machine.is_over() || self.is_leaving() {
            return;
        }
        if self.stage == Stage::Waiting {
            return self.fail(Fault::EndedEarly, "the application ended while the call waited", now);
        }
        self.leave_queue(now);
        self.end(Ended::Through);
    }

    /// Whether the call still waits here and a request is moving it elsewhere or ending it. No other request may move
    /// it then. Attaching user data does not count.
    pub(super) fn is_leaving(&self) -> bool {
        let leads_away = |p: &Pending| matches!(p.action.as_str(), REDIRECT | TERMINATE);
        self.stage == Stage::Waiting && self.pending.iter().any(leads_away)
    }

    fn end(&mut self, how: Ended) {
        self.ended = true;
        self.pending.clear();
        self.feedback.clear();
        self.commands.push_back(Command::Ended(how));
    }

    fn watch_idle(&mut self, now: Timestamp) {
        let idle = self.stage == Stage::Waiting
            && self.playing.is_none()
            && self.queueing.is_none()
            && self.pending.is_empty()
            && !self.machine.has_timers();
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
    }

    // ---- the application's events ----

    fn tell_done(&mut self, request_id: &str, action: &str, more: impl IntoIterator<Item = (&'static str, Value)>) {
        let mut data = vec![("requestid", Value::from(request_id))];
        data.extend(more);
        let data = self.about_call(data);
        self.feedback.push_back(Event::external(format!("{action}.done"), data));
    }

    fn tell_failed(&mut self, request_id: &str, action: &str, error: &str, description: &str) {
        let data = self.about_call([
            ("requestid", Value::from(request_id)),
            ("error", Value::from(error)),
            ("description", Value::from(description)),
        ]);
        self.feedback.push_back(Event::external(format!("error.{action}"), data));
    }

    fn about_call(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        let own = ("interactionid", Value::from(self.caller.call.conn_id.to_string()));
        std::iter::once(own).chain(more).collect()
    }

    fn platform_changed(&mut self) {
        self.platform.borrow_mut().set(platform_objects(&self.caller));
    }
}
