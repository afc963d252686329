//! A phone of somebody who is no agent and calls numbers outside, and such a call.

use std::time::{Duration, Instant};

use sip::StatusCode;
use sip::agent::DialogId;

use crate::audio::LegId;
use crate::ear::AudioCheck;
use crate::site::RobotDesk;
use crate::tones::Pair;

/// The phone.
pub(crate) struct Desk {
    pub who: RobotDesk,
    /// By the connection that it has.
    pub is_registered: bool,
    /// What its last REGISTER was refused with.
    pub refused: Option<StatusCode>,
    /// Grows with each registration that was planned, so that an earlier plan is told from the present one.
    pub register_round: u32,
    /// The call that it is in.
    pub call: Option<u32>,
}

/// One side of a call that goes out.
pub(crate) struct OutgoingEnd {
    pub dialog: Option<DialogId>,
    pub leg: LegId,
    pub pair: Pair,
    pub heard: Option<AudioCheck>,
}

/// A call from a desk to a number outside.
pub(crate) struct Outgoing {
    pub number: String,
    pub desk: usize,
    pub near: OutgoingEnd,
    /// The carrier's side, once the call has come there.
    pub far: Option<OutgoingEnd>,
    /// The offer of the INVITE that came to the carrier; none without one.
    pub offer: Option<bytes::Bytes>,
    /// Milliseconds since 1970.
    pub placed_at: u64,
    /// The length of the conversation that was drawn, and whether the desk ends it.
    pub talk: Duration,
    pub ends_by_desk: bool,
    /// When the desk was connected.
    pub answered: Option<Instant>,
    /// When the first of both left.
    pub over: Option<Instant>,
    /// The robots are stopped.
    pub stopped: bool,
    /// What refused it.
    pub refused: Option<StatusCode>,
    pub faults: Vec<String>,
}

impl Desk {
    pub const fn new(who: RobotDesk) -> Self {
        Self { who, is_registered: false, refused: None, register_round: 0, call: None }
    }
}

impl Outgoing {
    /// Both sides have left it.
    pub fn is_over(&self) -> bool {
        self.near.dialog.is_none() && self.far.as_ref().is_none_or(|far| far.dialog.is_none())
    }
}
