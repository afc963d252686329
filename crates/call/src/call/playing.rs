//! What plays on a leg.

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
}
