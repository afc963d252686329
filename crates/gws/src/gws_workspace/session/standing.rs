//! What the person of a session may: the token that it has begun by is over long before it, and auth says from time to time what the next
//! one would open.

use std::time::Duration;

use super::super::desk::DeskEnd;
use super::super::desk_sign_in::{DeskSignIn, SignInStanding};
use super::phase::SessionPhase;
use super::{DeskSession, SessionState};

/// How often: as often as a program refreshes its token.
const ASKED_EACH: Duration = Duration::from_secs(300);
/// The pause behind a question without an answer; so long nobody else asks either.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long an answer is good for whoever asks by itself.
const FRESH_FOR: Duration = Duration::from_secs(5);

impl DeskSession {
    /// The sign-in of which auth is to be asked now, which is so noted; none where it is not time to. `is_asked_for`: somebody wants to
    /// know.
    pub fn standing_due(&self, is_asked_for: bool) -> Option<DeskSignIn> {
        let mut state = self.lock();
        let now = self.parts.now();
        let due = if is_asked_for { state.standing_asked_at + FRESH_FOR } else { state.standing_due };
        if state.phase != SessionPhase::Open || now < due {
            return None;
        }
        (state.standing_asked_at, state.standing_due) = (now, now + ASKED_AGAIN_AFTER);
        Some(state.sign_in.clone())
    }

    /// Takes what auth has said of that sign-in.
    pub fn stands(&self, asked: &DeskSignIn, standing: SignInStanding) {
        let mut state = self.lock();
        // A later sign-in may have come meanwhile.
        if state.phase != SessionPhase::Open || state.sign_in != *asked {
            return;
        }
        let now = self.parts.now();
        let of_now = match standing {
            SignInStanding::Unanswered => return,
            SignInStanding::Over => None,
            SignInStanding::GoesOn(may) => asked.as_of_now(may),
        };
        let Some(sign_in) = of_now else { return self.begin_end(&mut state, None, DeskEnd::SignedOut) };
        state.standing_due = now + ASKED_EACH;
        if sign_in == *asked {
            // What was asked for so before may not have been carried out.
            state.desk.keep_to_rights(now);
            self.carry(&mut state);
        } else {
            self.go_on_by(&mut state, sign_in);
        }
    }

    /// Goes on by another sign-in, or by what is left of this one.
    pub(super) fn go_on_by(&self, state: &mut SessionState, sign_in: DeskSignIn) {
        state.desk.renew(sign_in.desk_person());
        state.desk.keep_to_rights(self.parts.now());
        state.sign_in = sign_in;
        state.writes.pace.is_due = true;
        self.carry(state);
        self.close_hidden(state);
    }
}
