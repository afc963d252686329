//! Timers of dialogs: the only place where they are armed and served.

use model::Timestamp;

use super::UserAgent;
use super::command::DialogId;
use super::event::Release;

/// The most steps of one dialog in one turn: all requests that may wait in it, sixteen each way, at once, and as much again.
const STEPS_MAX: u32 = 64;

impl UserAgent {
    /// Runs the timers that are due. Each transaction and each dialog is served at most once: a timer due again at once comes
    /// in the next turn, as [`crate::transaction::TimerQueue`] ensures.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.turn += 1;
        self.in_hand = None;
        self.layer.handle_timeout(now);
        self.follow_transactions(now);
        while let Some((due, id)) = self.timers.pop_due(now) {
            let Some(leg) = self.dialogs.get_mut(id.0) else { continue };
            if leg.armed != due {
                continue;
            }
            leg.armed = Timestamp::MAX;
            self.in_hand = Some(id);
            if leg.next_due().is_some_and(|next| next <= now) {
                self.dialog_due(id, now);
            }
            self.arm(id);
        }
        self.follow_transactions(now);
    }

    /// Counts a step of a dialog; a dialog with too many in this turn is ended. Returns false when it is over.
    pub(super) fn spend_step(&mut self, id: DialogId, now: Timestamp) -> bool {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return true };
        let (turn, steps) = leg.steps;
        leg.steps = (self.turn, if turn == self.turn { steps + 1 } else { 1 });
        if leg.steps.1 <= STEPS_MAX {
            return true;
        }
        self.bounds_reached.overruns += 1;
        self.leave(id, Release::Overrun, now);
        false
    }

    /// The dialog whose timers ran last: a caller that catches a panic of [`Self::handle_timeout`] learns from this which
    /// dialog caused it.
    pub const fn in_hand(&self) -> Option<DialogId> {
        self.in_hand
    }

    fn dialog_due(&mut self, id: DialogId, now: Timestamp) {
        if !self.spend_step(id, now) {
            return;
        }
        self.repeat_due_responses(id, now);
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let glare = leg.state.glare.as_ref().is_some_and(|g| g.due <= now);
        let session = leg.state.session.due.is_some_and(|due| due <= now);
        if glare {
            self.glare_due(id, now);
        }
        if session {
            self.session_due(id, now);
        }
    }

    /// Ensures that a dialog is woken for its next timer.
    pub(super) fn arm(&mut self, id: DialogId) {
        if let Some(leg) = self.dialogs.get_mut(id.0)
            && let Some(due) = leg.next_due()
        {
            self.timers.arm(id, due, &mut leg.armed);
        }
    }
}

#[cfg(test)]
mod tests;
