//! Cancellations of queue requests: repeated until rq confirms, since a request that rq still has reserves ready
//! agents and ends as if the caller had hung up.

use std::time::Duration;

use contracts::v1;
use contracts::v1::queue_command::Command as QueueCommand;
use contracts::v1::queue_outcome::Outcome;
use model::Timestamp;

use super::{CallSession, Command};

/// A cancelled request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Withdrawn {
    pub request_id: String,
    /// When the cancellation is repeated.
    pub again_at: Timestamp,
}

/// Time that rq has to confirm a cancellation; it confirms in its next turn.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// Cancelled requests that rq has not confirmed. An application has one at a time; more than a few exist only while rq is unavailable.
const WITHDRAWN_MAX: usize = 32;

impl CallSession {
    /// Cancels the queue request, if there is one.
    pub(super) fn leave_queue(&mut self, now: Timestamp) {
        if let Some(queueing) = self.queueing.take() {
            self.withdraw(queueing.request_id, now);
        }
    }

    fn withdraw(&mut self, request_id: String, now: Timestamp) {
        if self.withdrawn.iter().any(|w| w.request_id == request_id) {
            return;
        }
        self.commands.push_back(Command::Queue(cancellation(&request_id)));
        if self.withdrawn.len() >= WITHDRAWN_MAX {
            // It was sent once; rq ends the request with the call.
            self.withdrawn.remove(0);
        }
        self.withdrawn.push(Withdrawn { request_id, again_at: now + TELL_AGAIN });
    }

    /// Repeats the cancellations that rq has not confirmed.
    pub(super) fn withdraw_again(&mut self, now: Timestamp) {
        for withdrawn in self.withdrawn.iter_mut().filter(|w| w.again_at <= now) {
            withdrawn.again_at = now + TELL_AGAIN;
            self.commands.push_back(Command::Queue(cancellation(&withdrawn.request_id)));
        }
    }

    /// A message of rq about a request that is not the current one.
    pub(super) fn outcome_of_another(&mut self, request_id: String, outcome: &Outcome, now: Timestamp) {
        match outcome {
            Outcome::Cancelled(_) | Outcome::Refused(_) => self.withdrawn.retain(|w| w.request_id != request_id),
            // It was on its way when the request was cancelled; if not, rq has a request that no session knows.
            Outcome::Accepted(_) | Outcome::Selected(_) | Outcome::TimedOut(_) => self.withdraw(request_id, now),
        }
    }
}

/// Cancels the request.
pub(in super::super) fn cancellation(request_id: &str) -> QueueCommand {
    QueueCommand::Cancel(v1::Cancel { request_id: request_id.to_owned() })
}

/// Returns the agent: it does not take the call.
pub(super) fn giving_back(request_id: &str, agent: &str, reason: &str) -> QueueCommand {
    let (request_id, agent, reason) = (request_id.to_owned(), agent.to_owned(), reason.to_owned());
    QueueCommand::Return(v1::Return { request_id, agent, reason })
}
