//! Runs calls: inputs go to the call model, its outputs are carried out, and its timer is armed.

use call::Input;
use model::{ConnId, Timestamp};
use sip::agent::DialogId;

use crate::sip_cluster::limits::{EVENTS_PER_DIALOG, STEPS_MAX};
use crate::sip_cluster::node::Node;

impl Node {
    /// Gives an input to a call and carries out the result.
    pub(in crate::sip_cluster::node) fn feed(&mut self, conn_id: ConnId, input: Input, now: Timestamp) {
        self.set_current(conn_id);
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.thread.handle(input, now);
            self.call_changed(conn_id, now);
        }
    }

    /// Handles the user agent's events until none is left. Each event is an attempt of its own, because it concerns one dialog.
    pub(in crate::sip_cluster::node) fn settle(&mut self, now: Timestamp) {
        let most = STEPS_MAX as usize + self.agent.dialogs().saturating_mul(EVENTS_PER_DIALOG);
        for _ in 0..most {
            let Some(event) = self.agent.poll_event() else { break };
            self.attempt_for(None, now, |node| node.dialog_event(event, now));
        }
        if let Some(event) = self.agent.poll_event() {
            self.attempt_for(None, now, |node| {
                node.dialog_event(event, now);
                node.exceed("events of a dialog");
            });
        }
        for dialog in self.agent.take_changed() {
            self.mark_of(dialog);
        }
    }

    /// Carries out a call's outputs, arms its timer and rings supervisors for whom it is meant.
    pub(in crate::sip_cluster::node) fn call_changed(&mut self, conn_id: ConnId, now: Timestamp) {
        self.follow(conn_id, now);
        // A supervisor that the call refuses at once makes room for the next; a loop, since a thousand of them would be a deep recursion.
        while let Some(request) = self.next_monitoring(conn_id, now) {
            if let Some(entry) = self.calls.get_mut(&conn_id) {
                entry.thread.handle(Input::Request(request), now);
                self.follow(conn_id, now);
            }
            if !self.may_step("supervisors of a call") {
                break;
            }
        }
    }

    /// Carries out a call's outputs and arms its timer.
    fn follow(&mut self, conn_id: ConnId, now: Timestamp) {
        self.mark(conn_id);
        self.calls.know_calls_of(conn_id);
        self.carry_out_all(conn_id, now);
        let Some(entry) = self.calls.get_mut(&conn_id) else {
            return;
        };
        if let Some(limit) = entry.thread.take_limit() {
            self.metrics.call_limited();
            tracing::warn!(%conn_id, limit = limit.as_str(), "a call has reached a limit of work: it ends");
        }
        self.calls.arm(conn_id);
        self.anchor(conn_id, now);
        self.join_rooms(conn_id, now);
    }

    /// Carries out the outputs of a call.
    pub(super) fn carry_out_all(&mut self, conn_id: ConnId, now: Timestamp) {
        while let Some((call, output)) = self.calls.get_mut(&conn_id).and_then(|entry| entry.thread.poll_output()) {
            self.carry_out(conn_id, call, output, now);
            if !self.may_step("outputs of a call") {
                break;
            }
        }
    }

    /// The timer of a call is due.
    pub(in crate::sip_cluster::node) fn call_due(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        entry.armed = None;
        entry.thread.handle_timeout(now);
        self.call_changed(conn_id, now);
        if self.calls.get(&conn_id).is_some_and(|entry| entry.armed.is_some_and(|next| next <= now)) {
            self.exceed("a timer that is due again at once");
        }
    }

    /// Adds the call to the next commit.
    pub fn mark(&mut self, conn_id: ConnId) {
        self.calls.mark(conn_id);
    }

    /// Adds the call of a dialog to the next commit.
    pub(in crate::sip_cluster::node) fn mark_of(&mut self, dialog: DialogId) {
        if let Some(place) = self.calls.place_of(dialog) {
            self.mark(place.conn_id);
        }
    }
}
