//! What a desk wants done: answers of requests, requests to gws-voice, what is stored.

use bayeux::Exchange;
use serde_json::{Value, json};

use super::recents::RecentCall;

/// A request over HTTP that waits for its answer; the shell chooses the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplyId(pub u64);

/// What the shell does next. Those of one turn are done in their order: what is stored before what is answered.
#[derive(Clone, PartialEq, Debug)]
pub enum DeskOutput {
    /// The answer to a batch of Bayeux messages: a JSON array as text.
    Answer {
        /// The request with the batch.
        exchange: Exchange,
        /// The array.
        body: String,
    },
    /// The answer to an operation. Each operation has exactly one.
    Reply {
        /// The request with the operation.
        reply: ReplyId,
        /// The HTTP status.
        status: u16,
        /// The envelope: `{"status":{"code":...},...}`.
        body: Value,
    },
    /// A request to gws-voice; [`super::Desk::asked`] takes what it says.
    Ask {
        /// The frame's `ReferenceID`.
        reference: u64,
        /// The frame, as of `POST .../requests`.
        frame: Value,
    },
    /// The messages of a DN are wanted, those after that position; without one the DN's picture comes first.
    Follow {
        /// The DN's number.
        dn: String,
        /// The position of the last message that the clients are known to have.
        after: Option<String>,
    },
    /// They are wanted no more.
    Unfollow {
        /// The DN's number.
        dn: String,
    },
    /// The call comes among the person's recents. What is noted twice is the same.
    NoteRecent(RecentCall),
    /// The person and the configuration are wanted; [`super::Desk::configured`] or
    /// [`super::Desk::configuration_failed`] takes them.
    WantConfiguration,
    /// The snapshot has changed: write it before the outputs behind this one.
    Store,
    /// The snapshot has changed in what may be behind: how far events were told. It is written some time soon.
    StoreSoon,
    /// It is asked whether another session of the person works at that DN; [`super::Desk::others_told`] takes the answer.
    AskOthers {
        /// The DN's number.
        dn: String,
    },
    /// The session is over. Whatever is still parked is answered by the shell, and the record goes.
    Ended(DeskEnd),
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeskEnd {
    /// The client has asked for it.
    Logout,
    /// The person has signed out, was signed out or is gone.
    SignedOut,
    /// Nobody has made a request for too long.
    Idle,
}

/// Why gws-voice has not taken a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct AskFault {
    /// The HTTP status of its answer; 503 if it could not be reached, 504 if it has not answered in time.
    pub status: u16,
    /// The number of an `EventError`, if its answer has one.
    pub code: Option<u32>,
    /// What it says of it: the field and the rule.
    pub message: String,
}

impl AskFault {
    /// Whether the request may be carried out all the same: no answer has come, or one of somebody who has failed at it.
    pub(super) fn leaves_open(&self) -> bool {
        matches!(self.status, 500 | 502 | 504)
    }

    /// What the client is told: an unknown call is a 500 in this API.
    pub(super) fn refusal(&self) -> OperationRefusal {
        let status = match self.status {
            404 => 500,
            422 => 400,
            status @ (400 | 403 | 409 | 429 | 503) => status,
            _ if self.leaves_open() => 504,
            _ => 502,
        };
        OperationRefusal { status, code: status, message: self.message.clone() }
    }
}

/// Why an operation is not carried out, as its HTTP answer says it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct OperationRefusal {
    /// The HTTP status.
    pub status: u16,
    /// The code of the envelope: the HTTP status, but 603 without a session.
    pub code: u16,
    /// What is wrong, with the parameter's name in front.
    pub message: String,
}

impl OperationRefusal {
    /// One whose code is the HTTP status.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: status, message: message.into() }
    }

    /// A parameter that is absent or not valid.
    pub(super) fn parameter(name: &str, rule: impl std::fmt::Display) -> Self {
        Self::new(400, format!("{name}: {rule}"))
    }

    /// The call is none of this DN.
    pub(super) fn unknown_call(id: &str) -> Self {
        Self::new(500, format!("call {id}: there is no such call at this DN"))
    }

    /// Whether it names a call that is none of this DN, as far as is known.
    pub(super) fn is_of_unknown_call(&self) -> bool {
        self.status == 500
    }

    /// There is no session, or none any more.
    pub(super) fn without_session() -> Self {
        Self { status: 403, code: 603, message: "Unauthorized".to_owned() }
    }

    /// The envelope.
    pub fn body(&self) -> Value {
        json!({"status": {"code": self.code, "message": self.message}})
    }
}

/// The code of an answer that is no refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerCode {
    /// Done.
    Done,
    /// Taken; an event tells the outcome.
    Accepted,
}

impl AnswerCode {
    /// The envelope of an operation.
    pub(super) fn body(self, operation_id: &str) -> Value {
        json!({"status": {"code": self.number()}, "operationId": operation_id})
    }

    /// The number of the envelope.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Accepted => 1,
        }
    }
}
