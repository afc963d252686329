//! Calls on their way to the recents of their person. Nothing waits for that: a call that cannot be noted is left out.

use super::super::behind::{SettingFault, SettingQuestion};
use super::super::desk::RecentCall;
use super::super::metrics::AskOutcome;
use super::{DeskSession, SessionState};
use crate::setting_api::{KeptTarget, RecentEntry};

/// The most that are under way for a session; further ones are left out. An agent has no more calls within the seconds that one takes.
const UNDER_WAY_MAX: usize = 16;
/// The type of a target of which nothing but a number is known.
const NUMBER_ALONE: &str = "custom-contact";

/// The other side of a call, as recents have it.
fn entry_of(call: RecentCall) -> RecentEntry {
    let target = KeptTarget {
        target_type: NUMBER_ALONE.to_owned(),
        id: call.number.clone(),
        number: Some(call.number.clone()),
        numbers: vec![call.number],
        ..KeptTarget::default()
    };
    let call_type = Some(call.call_type).filter(|known| !known.is_empty());
    RecentEntry { target, media: "voice".to_owned(), call_type, at: call.at.as_millis(), is_missed: call.is_missed }
}

impl DeskSession {
    /// Has the call noted among the recents.
    pub(super) fn note_recent(&self, state: &mut SessionState, call: RecentCall) {
        let Some(session) = self.me.upgrade() else { return };
        if state.recents_under_way >= UNDER_WAY_MAX {
            self.parts.metrics.recents.inc(AskOutcome::Refused);
            return;
        }
        state.recents_under_way += 1;
        let question = SettingQuestion::NoteRecent(Box::new(entry_of(call)));
        let noted = self.parts.setting.ask(self.cookie.tenant.clone(), state.sign_in.person.user.clone(), question);
        tokio::spawn(async move {
            let outcome = match noted.await {
                Ok(_) => AskOutcome::Taken,
                Err(fault) => {
                    tracing::debug!(%fault, tenant = %session.cookie.tenant, "a call is not among the recents");
                    if fault == SettingFault::Away { AskOutcome::Unanswered } else { AskOutcome::Refused }
                }
            };
            session.parts.metrics.recents.inc(outcome);
            session.lock().recents_under_way -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    #[test]
    fn the_other_side_of_a_call_is_its_number() {
        let call = |number: &str, call_type: &str| RecentCall {
            number: number.to_owned(),
            call_type: call_type.to_owned(),
            at: Timestamp::from_millis(7),
            is_missed: true,
        };
        let entry = entry_of(call("0301", "Inbound"));
        assert_eq!(entry.fault(), None);
        assert_eq!((entry.target.id.as_str(), entry.target.numbers.as_slice()), ("0301", &["0301".to_owned()][..]));
        assert_eq!((entry.at, entry.is_missed, entry.call_type.as_deref()), (7, true, Some("Inbound")));
        assert_eq!(entry_of(call("0301", "")).call_type, None);
    }
}
