//! What a session tells its shell, and how it ended.

use contracts::v1::queue_command::Command as QueueCommand;
use model::request::RequestKind;
use scxml::LimitKind;

/// Tells the shell what to do once the session's record is written.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Command {
    /// Send a request to frontend.
    Request {
        /// Repeated in the event that answers the request.
        reference: u64,
        /// The request.
        kind: RequestKind,
    },
    /// Send a command to rq.
    Queue(QueueCommand),
    /// Send the call to its route point's default.
    DefaultRoute,
    /// The application logged something.
    Log {
        /// The level that the application gave.
        level: Option<f64>,
        /// Label and text.
        text: String,
    },
    /// The session is over.
    Ended(Ended),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Ended {
    /// The application has finished, or the call has ended.
    Through,
    /// The application has a fault.
    Failed {
        /// The fault, as a label of metrics.
        fault: Fault,
        /// A description, with the line if known.
        reason: String,
    },
}

/// Faults of a running application.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Fault {
    /// An error event that it does not handle.
    UnhandledError,
    /// It reached a limit.
    Limit(LimitKind),
    /// It ended while the call was still waiting.
    EndedEarly,
    /// It left the call waiting with no request under way.
    Stalled,
    /// Its data cannot be stored.
    Unstorable,
    /// Its record is larger than the store accepts.
    TooLarge,
    /// The store refused its record.
    Unwritten,
    /// Its record no longer fits its application.
    NotRestored,
    /// The program panicked while running it.
    Panicked,
    /// Its script never returned and blocked a thread.
    Held,
    /// Its record is in quarantine.
    Quarantined,
}

impl Fault {
    /// Its name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnhandledError => "unhandled_error",
            Self::Limit(limit) => limit.as_str(),
            Self::EndedEarly => "ended_early",
            Self::Stalled => "stalled",
            Self::Unstorable => "unstorable",
            Self::TooLarge => "too_large",
            Self::Unwritten => "unwritten",
            Self::NotRestored => "not_restored",
            Self::Panicked => "panicked",
            Self::Held => "held",
            Self::Quarantined => "put_aside",
        }
    }
}
