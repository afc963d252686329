//! A desk that goes on in another process may know less than its clients: the record has what was told up to a second ago. An operation on a
//! call that is not known yet waits until the messages of the DN have come again.

use std::time::Duration;

use model::Timestamp;

use super::outputs::{OperationRefusal, ReplyId};
use super::{Desk, VoiceOperation};

/// Within that time the messages of the DN have come again, or the picture of it.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);
/// The most operations that wait for them.
const WAITING_MAX: usize = 16;

/// An operation on a call that is not known yet.
#[derive(Clone, Debug)]
struct EarlyOperation {
    operation: VoiceOperation,
    reply: ReplyId,
}

/// How a desk is behind its clients, and what waits meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct CatchingUp {
    /// Then it is not behind any more; never behind without it.
    until: Option<Timestamp>,
    waiting: Vec<EarlyOperation>,
}

impl CatchingUp {
    /// A desk that goes on since now.
    pub fn since(now: Timestamp) -> Self {
        Self { until: Some(now + CAUGHT_UP_WITHIN), waiting: Vec::new() }
    }

    /// When it is over.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether a refusal may be none once the messages have come.
    fn is_early(&self, refusal: &OperationRefusal, now: Timestamp) -> bool {
        refusal.is_of_unknown_call() && self.waiting.len() < WAITING_MAX && self.until.is_some_and(|until| now < until)
    }
}

impl Desk {
    /// Begins an operation, or has it wait for the call that it is about.
    pub(super) fn begin_once_known(&mut self, operation: VoiceOperation, reply: ReplyId, now: Timestamp) {
        let again = self.catching_up.until.is_some().then(|| operation.clone());
        let Err(refusal) = self.begin(operation, reply, now) else { return };
        match again {
            Some(operation) if self.catching_up.is_early(&refusal, now) => {
                self.catching_up.waiting.push(EarlyOperation { operation, reply });
            }
            _ => self.refuse(reply, &refusal),
        }
    }

    /// Tries those that wait: something has come of the DN, or nothing more is waited for.
    pub(super) fn begin_waiting(&mut self, now: Timestamp) {
        if self.catching_up.until.is_some_and(|until| until <= now) {
            self.catching_up.until = None;
        }
        for EarlyOperation { operation, reply } in std::mem::take(&mut self.catching_up.waiting) {
            self.begin_once_known(operation, reply, now);
        }
    }
}
