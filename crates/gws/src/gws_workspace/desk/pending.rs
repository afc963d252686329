//! Operations whose outcome is not known yet: by their references the event finds the operation's id.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;
use serde_json::{Map, Value};

use super::operations::PairList;
use super::outputs::{AnswerCode, ReplyId};

/// How long an outcome is waited for: as long as a request about an agent may take until it is carried out.
pub(super) const OUTCOME_WITHIN: Duration = Duration::from_secs(60);
/// The most operations of a session at a time: a person does not do more within a minute, and a program is told to slow down.
const PENDING_MAX: usize = 64;

/// What else an operation does.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum OperationEffect {
    /// Nothing that the desk does.
    Plain,
    /// It logs the session's agent in.
    Login {
        /// Whether the agent was logged in by the session before.
        owned_before: bool,
    },
    /// It completes a call.
    Complete {
        /// The call.
        call: String,
        /// The pairs that it gets.
        pairs: PairList,
    },
    /// It notes pairs of a call that is released.
    NoteAfter {
        /// The call.
        call: String,
        /// The pairs.
        pairs: PairList,
    },
    /// It leaves the DN.
    Leave,
}

/// An operation.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PendingOperation {
    /// The references of its requests so far; the last one is that of the request in progress.
    pub references: Vec<u64>,
    pub operation_id: String,
    pub effect: OperationEffect,
    /// Requests that follow once the one before is taken.
    pub rest: VecDeque<Map<String, Value>>,
    /// Who waits for the answer; nobody once it is given.
    pub reply: Option<ReplyId>,
    pub code: AnswerCode,
    pub since: Timestamp,
    /// Until then the answer waits for the outcome: that of an activation does.
    pub answers_at: Option<Timestamp>,
    /// Its last request is taken, and the answer still waits.
    pub is_taken: bool,
    /// Its answer says that it is taken.
    pub is_accepted: bool,
}

/// All of a session, the oldest first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct PendingOperations(VecDeque<PendingOperation>);

impl PendingOperations {
    /// Takes an operation, and says whether there was room. For want of it the oldest one that is answered goes.
    pub fn add(&mut self, operation: PendingOperation) -> bool {
        if self.0.len() >= PENDING_MAX {
            let Some(answered) = self.0.iter().position(|pending| pending.reply.is_none() && pending.rest.is_empty())
            else {
                return false;
            };
            self.0.remove(answered);
        }
        self.0.push_back(operation);
        true
    }

    /// The operation with that reference.
    pub fn of(&mut self, reference: u64) -> Option<&mut PendingOperation> {
        self.0.iter_mut().find(|pending| pending.references.contains(&reference))
    }

    /// The operation whose request in progress has that reference.
    pub fn in_progress(&mut self, reference: u64) -> Option<&mut PendingOperation> {
        self.0.iter_mut().find(|pending| pending.references.last() == Some(&reference))
    }

    /// Takes an operation out.
    pub fn remove(&mut self, reference: u64) -> Option<PendingOperation> {
        let at = self.0.iter().position(|pending| pending.references.contains(&reference))?;
        self.0.remove(at)
    }

    /// Takes out the operations that have waited for long enough.
    pub fn expired(&mut self, now: Timestamp) -> Vec<PendingOperation> {
        let (late, left) = std::mem::take(&mut self.0).into_iter().partition(|it| it.since + OUTCOME_WITHIN <= now);
        self.0 = left;
        let late: VecDeque<PendingOperation> = late;
        late.into()
    }

    /// The outcome of that one is known, or is waited for no longer. Returns whether it is to be answered: its last request is taken.
    pub fn answers(&mut self, reference: u64) -> bool {
        self.in_progress(reference).is_some_and(|pending| {
            pending.answers_at = None;
            std::mem::take(&mut pending.is_taken)
        })
    }

    /// Those whose outcome has been waited for for long enough before the answer, by the references of their last requests.
    pub fn answers_due(&self, now: Timestamp) -> Vec<u64> {
        let due = self.0.iter().filter(|pending| pending.answers_at.is_some_and(|at| at <= now));
        due.filter_map(|pending| pending.references.last().copied()).collect()
    }

    /// When the first one has waited for long enough.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let ends = self.0.iter().map(|pending| pending.since + OUTCOME_WITHIN);
        ends.chain(self.0.iter().filter_map(|pending| pending.answers_at)).min()
    }

    /// Takes out all.
    pub fn drain(&mut self) -> Vec<PendingOperation> {
        std::mem::take(&mut self.0).into()
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &PendingOperation> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(reference: u64, reply: Option<ReplyId>) -> PendingOperation {
        PendingOperation {
            references: vec![reference],
            operation_id: reference.to_string(),
            effect: OperationEffect::Plain,
            rest: VecDeque::new(),
            reply,
            code: AnswerCode::Accepted,
            since: Timestamp::from_millis(reference),
            answers_at: None,
            is_taken: false,
            is_accepted: false,
        }
    }

    #[test]
    fn operations_are_bounded_and_those_that_wait_for_an_answer_stay() {
        let mut pending = PendingOperations::default();
        assert!(pending.add(operation(0, None)));
        for reference in 1..=PENDING_MAX as u64 {
            assert!(pending.add(operation(reference, Some(ReplyId(reference)))));
        }
        assert!(pending.of(0).is_none() && pending.of(1).is_some());
        assert!(!pending.add(operation(99, None)));
    }

    #[test]
    fn an_operation_is_forgotten_a_minute_later() {
        let mut pending = PendingOperations::default();
        assert!(pending.add(operation(1_000, None)) && pending.add(operation(2_000, None)));
        assert_eq!(pending.next_timeout(), Some(Timestamp::from_millis(61_000)));
        assert_eq!(pending.expired(Timestamp::from_millis(60_999)).len(), 0);
        assert_eq!(pending.expired(Timestamp::from_millis(61_000))[0].references, [1_000]);
        assert!(pending.of(1_000).is_none() && pending.of(2_000).is_some());
    }
}
