//! Requests to frontend: each has a deadline, and its failure is an event for the application.

use std::time::Duration;

use model::Timestamp;
use model::request::RequestKind;

use super::{CallSession, Command, Pending};

/// Time that frontend and the call's owner have to report the result of a request.
pub(in super::super) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// Requests under way at once.
const PENDING_MAX: usize = 64;
/// The error of a request for a call that no node has.
const NO_SUCH_CALL: &str = "56";
/// How long that error must persist before it is believed: a call in takeover briefly has no node.
const GONE_AFTER: Duration = Duration::from_secs(2);

impl CallSession {
    /// A request could not be delivered, or frontend refused it.
    pub fn request_refused(&mut self, reference: u64, error: &str, description: &str, now: Timestamp) {
        if let Some(at) = self.pending.iter().position(|p| p.reference == reference) {
            let pending = self.pending.remove(at);
            let gone = error == NO_SUCH_CALL && now.since(*self.gone_since.get_or_insert(now)) >= GONE_AFTER;
            if gone {
                // The fact of its end came before the entry that started this session: rq has read it too.
                self.withdrawn.clear();
                self.call_ended(now);
            } else {
                self.request_failed(&pending, error, description, now);
            }
            self.settle(now);
        }
    }

    /// Sends a request to frontend; the answer is an event with the reference, or the request times out.
    pub(super) fn request(&mut self, kind: RequestKind, request_id: &str, action: &str, now: Timestamp) -> Option<u64> {
        if self.pending.len() >= PENDING_MAX {
            self.tell_failed(request_id, action, "overload", "too many requests under way");
            return None;
        }
        let reference = self.next_reference;
        self.next_reference += 1;
        self.pending.push(Pending {
            reference,
            request_id: request_id.to_owned(),
            action: action.to_owned(),
            due: now + REQUEST_DEADLINE,
        });
        self.commands.push_back(Command::Request { reference, kind });
        Some(reference)
    }

    pub(super) fn request_failed(&mut self, pending: &Pending, error: &str, description: &str, now: Timestamp) {
        if self.playing.as_ref().is_some_and(|p| p.reference == pending.reference) {
            let playing = self.playing.take();
            if playing.is_some_and(|p| p.while_waiting) {
                return self.play_later(now);
            }
        }
        if self.queueing.as_ref().is_some_and(|q| q.route_reference == pending.reference) {
            return self.return_to_queue(error, now);
        }
        if !pending.request_id.is_empty() {
            self.tell_failed(&pending.request_id, &pending.action, error, description);
        }
    }
}
