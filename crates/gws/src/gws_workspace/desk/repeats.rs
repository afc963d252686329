//! Operations that clients name: one that comes again under its id is done once, and answered as the first one.
//!
//! What was refused without being done is done when it comes again: the client may have waited for what was in its way.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use model::Timestamp;
use serde_json::Value;

use super::outputs::{AnswerCode, OperationRefusal, ReplyId};
use super::snapshot::{OperationSnapshot, StoredEffect};
use crate::stable_hash;

/// The most operations that are known, and for how long: whoever asks again does so within minutes.
const KNOWN_MAX: usize = 64;
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// The most requests that wait for the answer to one: each waits for 10 s, and an operation takes a minute.
const WAITING_MAX: usize = 16;

/// Of an operation of which nobody knows whether it was carried out.
const UNKNOWN: &str = "no answer in time: it may have been carried out all the same";

/// An operation, by the id of the client.
#[derive(Clone, Debug)]
struct KnownOperation {
    id: String,
    /// What is asked for, in short; unknown of one that was asked for in another process.
    digest: Option<u64>,
    since: Timestamp,
    state: KnownState,
}

#[derive(Clone, Debug)]
enum KnownState {
    /// Who waits for the answer, the first of them first.
    UnderWay(Vec<ReplyId>),
    Answered {
        status: u16,
        body: Value,
    },
}

/// What becomes of a request.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Repetition {
    /// It is to be done.
    First,
    /// It is under way, and is answered with the first one.
    Waits,
    /// It was done.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The envelope.
        body: Value,
    },
    /// Too many wait for it.
    TooMany,
}

/// Those of a session, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownOperations(VecDeque<KnownOperation>);

/// What an operation asks for, in short.
pub(super) fn digest(operation: &impl Debug) -> u64 {
    stable_hash::of(&[format!("{operation:?}").as_bytes()])
}

/// The answer to one of which nobody knows.
pub(super) fn unknown_outcome() -> OperationRefusal {
    OperationRefusal::new(504, UNKNOWN)
}

impl KnownOperations {
    /// A request with that id has come. Another operation under the same id is one of its own.
    pub fn begin(&mut self, id: &str, digest: u64, reply: ReplyId, now: Timestamp) -> Repetition {
        self.0.retain(|known| matches!(known.state, KnownState::UnderWay(_)) || now.since(known.since) < KNOWN_FOR);
        let found = self.0.iter_mut().find(|known| known.id == id && known.digest.is_none_or(|other| other == digest));
        match found.map(|known| &mut known.state) {
            Some(KnownState::UnderWay(waiting)) if waiting.len() >= WAITING_MAX => Repetition::TooMany,
            Some(KnownState::UnderWay(waiting)) => {
                waiting.push(reply);
                Repetition::Waits
            }
            Some(KnownState::Answered { status, body }) => Repetition::Answered { status: *status, body: body.clone() },
            None => {
                self.add(id.to_owned(), Some(digest), KnownState::UnderWay(vec![reply]), now);
                Repetition::First
            }
        }
    }

    /// One that was stored by another process.
    pub fn go_on(&mut self, stored: &OperationSnapshot) {
        // A login that is asked for again changes nothing.
        if !matches!(stored.effect, StoredEffect::Plain | StoredEffect::Leave) {
            return;
        }
        let (status, body) = match stored.is_accepted {
            true => (200, AnswerCode::Accepted.body(&stored.operation_id)),
            false => (504, unknown_outcome().body()),
        };
        self.add(stored.operation_id.clone(), None, KnownState::Answered { status, body }, stored.since);
    }

    fn add(&mut self, id: String, digest: Option<u64>, state: KnownState, since: Timestamp) {
        self.0.retain(|known| known.id != id || matches!(known.state, KnownState::UnderWay(_)));
        if self.0.len() >= KNOWN_MAX {
            let answered = self.0.iter().position(|known| matches!(known.state, KnownState::Answered { .. }));
            // Where all are under way, the oldest one is not known any more.
            self.0.remove(answered.unwrap_or_default());
        }
        self.0.push_back(KnownOperation { id, digest, since, state });
    }

    /// The first request is answered. Returns who else has waited for that.
    pub fn answered(&mut self, reply: ReplyId, status: u16, body: &Value) -> Vec<ReplyId> {
        let is_its = |known: &KnownOperation| match &known.state {
            KnownState::UnderWay(waiting) => waiting.first() == Some(&reply),
            KnownState::Answered { .. } => false,
        };
        let Some(at) = self.0.iter().position(is_its) else { return Vec::new() };
        let Some(known) = self.0.get_mut(at) else { return Vec::new() };
        let answered = KnownState::Answered { status, body: body.clone() };
        let KnownState::UnderWay(waiting) = std::mem::replace(&mut known.state, answered) else { return Vec::new() };
        if !matches!(status, 200 | 504) {
            self.0.remove(at);
        }
        waiting.into_iter().skip(1).collect()
    }

    /// Something has come of an operation: it was carried out, or refused by an event.
    pub fn has_outcome(&mut self, id: &str, code: AnswerCode) {
        let open = self.0.iter_mut().filter(|known| known.id == id);
        for known in open.filter(|known| matches!(known.state, KnownState::Answered { status: 504, .. })) {
            known.state = KnownState::Answered { status: 200, body: code.body(id) };
        }
    }
}
