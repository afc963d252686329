//! Which calls of the agent come among the recents: each once, when it is answered, or when it is over without that.

use model::Timestamp;
use serde_json::Value;

use super::picture::{VoicePicture, call_id, text};
use super::{Desk, DeskOutput};

/// A call that the agent had, or did not take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentCall {
    /// The number of the other side.
    pub number: String,
    /// The call's type, as `Inbound`.
    pub call_type: String,
    /// When it began at the agent's DN.
    pub at: Timestamp,
    /// Whether it rang and went, and the agent has not sent it away.
    pub is_missed: bool,
}

impl Desk {
    /// Notes a call that is about to be told, while the picture has it as it was. `is_own`: an operation of this session has led to that.
    pub(super) fn note_recent(&mut self, call: &Value, is_own: bool, now: Timestamp) {
        let recent = self.channel.as_ref().and_then(|channel| recent_of(&channel.picture, call, is_own, now));
        self.outputs.extend(recent.map(DeskOutput::NoteRecent));
    }
}

/// Whether a call has not been answered yet.
fn is_early(call: &Value) -> bool {
    matches!(text(call, "state"), "Dialing" | "Ringing")
}

fn recent_of(picture: &VoicePicture, call: &Value, is_own: bool, now: Timestamp) -> Option<RecentCall> {
    let number = text(call, "phoneNumber");
    // Whom a supervisor listens to is nobody that the supervisor has called.
    if number.is_empty() || call.get("isMonitoredByMe").and_then(Value::as_bool).unwrap_or_default() {
        return None;
    }
    let before = picture.call(call_id(call));
    let is_missed = match text(call, "state") {
        "Established" | "Held" if is_begun(picture, before, call, number) => false,
        "Released" if before.is_some_and(is_early) => {
            !is_own && before.is_some_and(|it| text(it, "state") == "Ringing")
        }
        _ => return None,
    };
    // What is told again by another process, or by another session of the person, has the same time.
    let at = contracts::json::read_rfc3339(text(call, "startedAt")).unwrap_or(now);
    Some(RecentCall { number: number.to_owned(), call_type: text(call, "callType").to_owned(), at, is_missed })
}

/// Whether the agent talks in a call with somebody with whom it was not known to talk.
fn is_begun(picture: &VoicePicture, before: Option<&Value>, call: &Value, number: &str) -> bool {
    match before {
        Some(before) => is_early(before),
        // A transfer or a conference has given the call another id.
        None => picture.call(text(call, "previousConnId")).is_none_or(|it| text(it, "phoneNumber") != number),
    }
}
