//! A fault costs only the call in which it occurs.
//!
//! The node does all its work in an [`Node::attempt`]. A panic, or more steps than honest work takes, ends the call being
//! processed: by the call model where that still works, else its record is quarantined ([`super::ownership::quarantine`]). The loop, the
//! batch and every other call continue.

use std::panic::{AssertUnwindSafe, catch_unwind};

use call::Input;
use infra::CallWrite;
use model::{ConnId, Timestamp};
use runtime::fault::{Cause, FaultReport};
use sip::agent::Reply;
use sip::{Flow, Message, Method, StatusCode};

use super::Node;
use super::calls::call::Stored;
use super::faults::Doing;
use super::order::Order;

impl Node {
    /// Handles an input.
    pub fn attempt(&mut self, doing: Doing, now: Timestamp, work: impl FnOnce(&mut Self)) {
        if self.faults.is_in_attempt() {
            return self.attempt_for(None, now, work);
        }
        // Passing time proves nothing: it passes in each turn.
        let shows = matches!(doing, Doing::Message { .. } | Doing::OtherInput(_));
        let before = self.faults.begin(doing);
        self.attempt_for(None, now, work);
        if shows {
            self.faults.went_well(before);
        }
    }

    /// Does a piece of work for a call. The work may set another call by [`Node::set_current`].
    pub fn attempt_for(&mut self, conn_id: Option<ConnId>, now: Timestamp, work: impl FnOnce(&mut Self)) {
        let outer = self.faults.enter(conn_id, now);
        let panic = catch_unwind(AssertUnwindSafe(|| work(self))).err();
        let (call, exceeded) = self.faults.leave(outer);
        let cause = match (panic, exceeded) {
            (Some(panic), _) => {
                self.faults.failed();
                Cause::of_panic(&*panic)
            }
            (None, Some(what)) => Cause::Steps(what),
            (None, None) => return,
        };
        self.pay(call, cause, now);
    }

    /// Whether nothing works any more here: this run of the node must end; the next run continues from what is stored.
    pub const fn is_beyond_help(&self) -> bool {
        self.faults.are_too_many()
    }

    /// When the last attempt began.
    pub(super) const fn attempted_at(&self) -> Timestamp {
        self.faults.attempted_at()
    }

    /// From here on, the work is done for this call.
    pub(super) const fn set_current(&mut self, conn_id: ConnId) {
        self.faults.set_current(conn_id);
    }

    /// Counts one step of a loop that inputs drive; false when the attempt has used up its steps. Outside of attempts nothing is
    /// counted.
    pub fn may_step(&mut self, what: &'static str) -> bool {
        self.faults.may_step(what)
    }

    /// The call being processed has reached a limit.
    pub(super) const fn exceed(&mut self, what: &'static str) {
        self.faults.exceed(what);
    }

    /// Ends the call that caused a fault. A request without a stored call is refused.
    fn pay(&mut self, call: Option<ConnId>, cause: Cause, now: Timestamp) {
        self.metrics.fault();
        let call = call.or_else(|| self.call_of_message()).or_else(|| self.call_of_timer());
        self.report(call, &cause, now);
        let Some(conn_id) = call.filter(|conn_id| self.calls.contains_key(conn_id)) else {
            return self.refuse_message();
        };
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let first = !std::mem::replace(&mut entry.faulty, true);
        if first && entry.settled {
            return self.attempt_for(Some(conn_id), now, |node| {
                node.feed(conn_id, Input::Fault, now);
            });
        }
        let (stored, tenant) = (entry.stored, entry.tenant.clone());
        self.drop_call(conn_id);
        match stored {
            Stored::No => self.refuse_message(),
            Stored::Live => self.quarantine_call(tenant, conn_id, cause.to_string()),
            Stored::Ended => {}
        }
    }

    /// A call's part of the batch, and its details for rq. None if there is nothing to write, or if writing fails; then the call
    /// ends as it was stored last.
    pub(super) fn attempt_write(&mut self, conn_id: ConnId) -> Option<CallWrite> {
        let write = |node: &mut Self| {
            node.tell_routing(conn_id);
            node.write(conn_id)
        };
        match catch_unwind(AssertUnwindSafe(|| write(self))) {
            Ok(write) => write,
            Err(panic) => {
                self.faults.failed();
                let cause = Cause::of_panic(&*panic);
                self.metrics.fault();
                self.faults.now_does(Doing::OtherInput("commit"));
                self.report(Some(conn_id), &cause, self.attempted_at());
                self.end_unwritten(conn_id, cause.to_string());
                None
            }
        }
    }

    /// Forgets a call that cannot even be ended.
    pub(super) fn drop_call(&mut self, conn_id: ConnId) {
        let forgotten = catch_unwind(AssertUnwindSafe(|| self.forget(conn_id)));
        if forgotten.is_err() {
            // Its dialogs cannot be known any more: their messages find the call over.
            self.calls.remove(conn_id);
            self.calls.unbind_all_of(conn_id);
        }
    }

    fn report(&mut self, call: Option<ConnId>, cause: &Cause, now: Timestamp) {
        tracing::error!(conn_id = ?call, %cause, "a fault while a call was dealt with: it ends, all others go on");
        if !self.faults.may_report() {
            return;
        }
        let (name, input) = match self.faults.doing() {
            Doing::Message { bytes, .. } => ("message", String::from_utf8_lossy(bytes).into_owned()),
            Doing::Nothing => ("nothing", String::new()),
            Doing::Time => ("time", String::new()),
            Doing::Record => ("record", String::new()),
            Doing::OtherInput(what) => (*what, String::new()),
        };
        let report =
            FaultReport { at: now, subject: call.map(|call| call.to_string()), cause: cause.clone(), name, input };
        self.orders.push_back(Order::Report(Box::new(report)));
    }

    /// The loop has taken a report.
    pub const fn reported(&mut self) {
        self.faults.reported();
    }

    /// The call that the message being processed names by our tag.
    fn call_of_message(&self) -> Option<ConnId> {
        let Doing::Message { bytes, .. } = self.faults.doing() else { return None };
        let message = Message::parse(bytes.clone()).ok()?;
        let ours = if message.is_request() { message.to() } else { message.from() };
        let call = self.ids.call_of(ours.ok()?.tag())?;
        Some(self.calls.thread_of(call).unwrap_or(call))
    }

    /// The call whose dialog's timer was running.
    fn call_of_timer(&self) -> Option<ConnId> {
        let dialog = self.agent.in_hand().filter(|_| matches!(self.faults.doing(), Doing::Time))?;
        self.calls.place_of(dialog).map(|place| place.conn_id)
    }

    /// Answers 500 to the request being processed: nobody else will answer it.
    fn refuse_message(&mut self) {
        let Doing::Message { bytes, link } = self.faults.take_doing() else { return };
        let Ok(message) = Message::parse(bytes) else { return };
        if message.is_request() && message.method() != Method::Ack {
            let flow = Flow::Stream { connection: link };
            self.agent.answer_once(&message, Reply::new(StatusCode::SERVER_INTERNAL_ERROR), flow);
        }
    }
}
