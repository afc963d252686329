//! Time within dialogs: the one place where their timers are armed and served.

use model::Timestamp;

use super::UserAgent;
use super::command::DialogId;

impl UserAgent {
    /// Lets time pass. Each transaction and each dialog is served once at most: what is due again at once comes in the next
    /// turn, by the law of [`crate::transaction::TimerQueue`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.layer.handle_timeout(now);
        self.follow_transactions(now);
        while let Some((due, id)) = self.timers.pop_due(now) {
            let Some(leg) = self.dialogs.get_mut(id.0) else { continue };
            if leg.armed != due {
                continue;
            }
            leg.armed = Timestamp::MAX;
            if leg.next_due().is_some_and(|next| next <= now) {
                self.dialog_due(id, now);
            }
            self.arm(id);
        }
        self.follow_transactions(now);
    }

    fn dialog_due(&mut self, id: DialogId, now: Timestamp) {
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

    /// Sees to it that a dialog is woken for what it waits for next.
    pub(super) fn arm(&mut self, id: DialogId) {
        if let Some(leg) = self.dialogs.get_mut(id.0)
            && let Some(due) = leg.next_due()
        {
            self.timers.arm(id, due, &mut leg.armed);
        }
    }
}
