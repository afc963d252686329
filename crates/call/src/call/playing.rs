//! What plays on a leg.

use model::answer::AnswerClass;
use model::request::Treatment;
use model::{LegId, Timestamp};

use super::asked::Asked;

/// A treatment that plays on a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Playing {
    /// Its number.
    pub id: u32,
    /// The leg that hears it.
    pub leg: LegId,
    /// The treatment.
    pub treatment: Treatment,
    /// Its purpose.
    pub purpose: Purpose,
    /// Whether it was handed to media. On the caller's leg it waits until that leg is answered.
    pub issued: bool,
    /// Whether media has reported its start.
    pub started: bool,
    /// Since when media records the party, if it does.
    pub recorded_since: Option<Timestamp>,
    /// Its time limit: music has the requested duration, what ends by itself the time after which the report of its end was lost.
    pub due: Option<Timestamp>,
}

/// The purpose of a treatment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An application asked for it: its start and end are events.
    Applied(Asked),
    /// A client asked for it, for one party of the call: its start and end are events.
    ToParty(Asked),
    /// A client wants digits of one party of the call: they are the answer.
    Collecting(Asked),
    /// The caller hears that a phone rings.
    RingBack,
    /// The other side has put this leg on hold.
    HoldMusic,
    /// The caller types the agent's PIN.
    Pin,
    /// A prompt of the switch itself; the call is released when it ends.
    Service,
    /// Media listens to who has answered a predictive call.
    Classifying,
}

/// Why a treatment is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It played to its end.
    Completed,
    /// Digits were collected, or the time to type them has passed.
    Collected,
    /// It was stopped.
    Stopped,
    /// It could not be played.
    Failed,
    /// Media knows who has answered.
    Classified(AnswerClass),
    /// The party was recorded.
    Recorded {
        /// How that ended.
        end: RecordEnd,
        /// How long the recording is, in milliseconds.
        duration_ms: u64,
    },
}

/// How a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordEnd {
    /// By the key that ends it.
    Key,
    /// By silence after speech.
    Silence,
    /// It was as long as it may be.
    Longest,
    /// It was stopped, or something else took its place.
    Stopped,
    /// The party hung up.
    HangUp,
}

impl Playing {
    /// How it ends where the switch ends it: what has been recorded by then is kept.
    pub(super) fn cut_off(&self, end: RecordEnd, now: Timestamp) -> Ended {
        let Some(since) = self.recorded_since else { return Ended::Stopped };
        let duration_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        Ended::Recorded { end, duration_ms: duration_ms.min(Treatment::RECORD_MS_MAX) }
    }
}
