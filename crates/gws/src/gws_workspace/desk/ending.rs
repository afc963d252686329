//! The logout of the agent at the end of a session. Where gws-voice cannot be reached it is asked for again.

use std::time::Duration;

use model::Timestamp;

use super::outputs::AskFault;
use super::{Desk, SessionLife, frames};

/// How often the logout is asked for.
const LOGOUT_TRIES_MAX: u32 = 5;
/// The pause before the second time; it doubles with each further one.
const LOGOUT_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Desk {
    /// gws-voice has taken a request of a session that ends, or not.
    pub(super) fn logout_asked(&mut self, reference: u64, answer: &Result<(), AskFault>, now: Timestamp) {
        let SessionLife::Ending(ending) = &mut self.life else { return };
        if ending.logout != reference {
            return;
        }
        // What is refused for what it is would be refused again.
        let is_worth_more = answer.as_ref().is_err_and(|fault| matches!(fault.status, 429 | 500..=504));
        if is_worth_more && ending.tries < LOGOUT_TRIES_MAX {
            ending.again = Some(now + LOGOUT_AGAIN_AFTER * 2_u32.pow(ending.tries - 1));
            return;
        }
        let why = ending.why;
        self.finish(why, now);
    }

    /// Asks for the logout again, or waits for it no longer.
    pub(super) fn go_on_ending(&mut self, now: Timestamp) {
        let SessionLife::Ending(ending) = &self.life else { return };
        if ending.until <= now {
            let why = ending.why;
            return self.finish(why, now);
        }
        if ending.again.is_none_or(|again| again > now) {
            return;
        }
        let dn = ending.dn.clone();
        let reference = self.next_reference(now);
        if let SessionLife::Ending(ending) = &mut self.life {
            (ending.logout, ending.again) = (reference, None);
            ending.tries += 1;
        }
        let frame = frames::logout(&dn, self.agent.as_deref());
        self.send(frame, reference);
    }
}
