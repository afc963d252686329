//! A fault of one call is paid by that call.
//!
//! Whatever the node does, it does in an [`Node::attempt`]. A panic there, or more steps than honest work takes, ends the call in
//! hand: by the call model where that still works, else its record is put aside ([`super::quarantine`]). The loop, the batch and
//! every other call go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use call::Input;
use infra::CallWrite;
use model::{ConnId, Timestamp};
use runtime::fault::{Cause, FaultReport, InARow};
use sip::agent::Reply;
use sip::{Flow, Message, Method, StatusCode};

use super::entry::{Order, Stored};
use super::limits::{FAULTS_REPORTED_MAX, STEPS_MAX};
use super::node::Node;

/// What the node is doing, as it stands in the report of a fault.
#[derive(Clone, Debug, Default)]
pub(super) enum Doing {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It takes in a message that came by that connection.
    Message {
        /// As it came.
        bytes: Bytes,
        /// The connection.
        link: u64,
    },
    /// Time has passed.
    Time,
    /// It goes on with a call of the ledger.
    Record,
    /// It takes in an answer or a request of another role.
    Word(&'static str),
}

/// What a node keeps to know who pays.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// What is being done, since the outermost attempt began.
    doing: Doing,
    /// The call for which something is done.
    in_hand: Option<ConnId>,
    /// How many steps the attempt may still take.
    steps: u32,
    /// What has reached its limit.
    exceeded: Option<&'static str>,
    /// How many attempts stand around this one.
    depth: u8,
    /// Reports that the loop has not taken yet.
    reported: usize,
    /// When the last attempt was.
    at: Timestamp,
    in_a_row: InARow,
}

impl Node {
    /// Does a piece of work that an input has brought.
    pub(super) fn attempt(&mut self, doing: Doing, now: Timestamp, work: impl FnOnce(&mut Self)) {
        if self.faults.depth > 0 {
            return self.attempt_for(None, now, work);
        }
        // That time has passed shows nothing: it passes in each turn.
        let shows = matches!(doing, Doing::Message { .. } | Doing::Word(_));
        let before = self.faults.in_a_row;
        self.faults.doing = doing;
        self.attempt_for(None, now, work);
        if shows && self.faults.in_a_row == before {
            self.faults.in_a_row.went_well();
        }
    }

    /// Does a piece of work for a call; it may turn out to be for another.
    pub(super) fn attempt_for(&mut self, conn_id: Option<ConnId>, now: Timestamp, work: impl FnOnce(&mut Self)) {
        let around = (self.faults.in_hand, self.faults.steps, self.faults.exceeded.take());
        self.faults.in_hand = conn_id;
        self.faults.at = now;
        self.faults.steps = STEPS_MAX;
        self.faults.depth += 1;
        let panic = catch_unwind(AssertUnwindSafe(|| work(self))).err();
        self.faults.depth -= 1;
        let call = self.faults.in_hand;
        let exceeded = self.faults.exceeded.take();
        (self.faults.in_hand, self.faults.steps, self.faults.exceeded) = around;
        let cause = match (panic, exceeded) {
            (Some(panic), _) => {
                self.faults.in_a_row.failed();
                Cause::of_panic(&*panic)
            }
            (None, Some(what)) => Cause::Steps(what),
            (None, None) => return,
        };
        self.pay(call, cause, now);
    }

    /// Whether nothing works any more here: this life of the node is to end, and the next one goes on with what is stored.
    pub const fn is_beyond_help(&self) -> bool {
        self.faults.in_a_row.are_too_many()
    }

    /// When the last attempt was made.
    pub(super) const fn attempted_at(&self) -> Timestamp {
        self.faults.at
    }

    /// The call is what is worked for from here on.
    pub(super) const fn take_in_hand(&mut self, conn_id: ConnId) {
        self.faults.in_hand = Some(conn_id);
    }

    /// One step of a loop that inputs drive; false when the attempt has had all of its steps. Outside of attempts nothing is counted.
    pub(super) fn may_step(&mut self, what: &'static str) -> bool {
        if self.faults.depth == 0 {
            return true;
        }
        let Some(left) = self.faults.steps.checked_sub(1) else {
            self.exceed(what);
            return false;
        };
        self.faults.steps = left;
        true
    }

    /// The call in hand has reached a limit.
    pub(super) const fn exceed(&mut self, what: &'static str) {
        self.faults.exceeded = Some(what);
    }

    /// The call ends, and whoever has sent what brought it down is told.
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
        self.give_up(conn_id);
        match stored {
            Stored::No => self.refuse_message(),
            Stored::Live => self.put_aside(tenant, conn_id, cause.to_string()),
            Stored::Ended => {}
        }
    }

    /// What a call's part of the batch is, and what rq is told of it; none where there is nothing to write, or nothing can be written
    /// down of it. Then the call ends as it was stored last.
    pub(super) fn attempt_write(&mut self, conn_id: ConnId) -> Option<CallWrite> {
        let write = |node: &mut Self| {
            node.tell_routing(conn_id);
            node.write(conn_id)
        };
        match catch_unwind(AssertUnwindSafe(|| write(self))) {
            Ok(write) => write,
            Err(panic) => {
                self.faults.in_a_row.failed();
                let cause = Cause::of_panic(&*panic);
                self.metrics.fault();
                self.faults.doing = Doing::Word("commit");
                self.report(Some(conn_id), &cause, self.faults.at);
                self.end_unwritten(conn_id, cause.to_string());
                None
            }
        }
    }

    /// Forgets a call that cannot even be ended.
    pub(super) fn give_up(&mut self, conn_id: ConnId) {
        let forgotten = catch_unwind(AssertUnwindSafe(|| self.forget(conn_id)));
        if forgotten.is_err() {
            // Its dialogs are past knowing: messages for them find the call over.
            self.calls.remove(&conn_id);
            self.dialogs.retain(|_, place| place.conn_id != conn_id);
        }
    }

    fn report(&mut self, call: Option<ConnId>, cause: &Cause, now: Timestamp) {
        tracing::error!(conn_id = ?call, %cause, "a fault while a call was dealt with: it ends, all others go on");
        if self.faults.reported >= FAULTS_REPORTED_MAX {
            return;
        }
        self.faults.reported += 1;
        let (name, input) = match &self.faults.doing {
            Doing::Message { bytes, .. } => ("message", String::from_utf8_lossy(bytes).into_owned()),
            Doing::Nothing => ("nothing", String::new()),
            Doing::Time => ("time", String::new()),
            Doing::Record => ("record", String::new()),
            Doing::Word(what) => (*what, String::new()),
        };
        let report =
            FaultReport { at: now, subject: call.map(|call| call.to_string()), cause: cause.clone(), name, input };
        self.orders.push_back(Order::Report(Box::new(report)));
    }

    /// The loop has taken a report.
    pub(super) const fn reported(&mut self) {
        self.faults.reported = self.faults.reported.saturating_sub(1);
    }

    /// The call that the message in hand names by our tag.
    fn call_of_message(&self) -> Option<ConnId> {
        let Doing::Message { bytes, .. } = &self.faults.doing else { return None };
        let message = Message::parse(bytes.clone()).ok()?;
        let ours = if message.is_request() { message.to() } else { message.from() };
        sip::LocalTag::open(ours.ok()?.tag()?, &self.seal).map(|tag| tag.call)
    }

    /// The call whose dialog time was passing for.
    fn call_of_timer(&self) -> Option<ConnId> {
        let dialog = self.agent.in_hand().filter(|_| matches!(self.faults.doing, Doing::Time))?;
        self.dialogs.get(&dialog).map(|place| place.conn_id)
    }

    /// A request that nobody has answered, and nobody will.
    fn refuse_message(&mut self) {
        let Doing::Message { bytes, link } = std::mem::take(&mut self.faults.doing) else { return };
        let Ok(message) = Message::parse(bytes) else { return };
        if message.is_request() && message.method() != Method::Ack {
            let flow = Flow::Stream { connection: link };
            self.agent.answer_once(&message, Reply::new(StatusCode::SERVER_INTERNAL_ERROR), flow);
        }
    }
}
