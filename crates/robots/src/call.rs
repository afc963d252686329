//! A call between a robot caller and the agents who have it.

use std::time::{Duration, Instant};

use media::dtmf::Digit;
use sip::agent::DialogId;

use crate::audio::LegId;
use crate::ear::AudioCheck;
use crate::moves::{CallMove, MoveStep};
use crate::results::{Came, MoveRow, Outcome};
use crate::tones::Pair;

/// A call from its INVITE until caller and agents have left it.
pub(crate) struct Call {
    pub caller: String,
    pub dialled: String,
    pub service: &'static str,
    pub key: Option<Digit>,
    pub dialog: Option<DialogId>,
    pub leg: LegId,
    pub caller_pair: Pair,
    /// The agents who have answered it, in their order.
    pub seats: Vec<Seat>,
    pub placed: Instant,
    pub placed_at: u64,
    pub answered: Option<Instant>,
    pub answers: u32,
    pub holds: u32,
    pub ends_by_agent: bool,
    /// The length of the conversation that was drawn.
    pub talk: Duration,
    /// When the first of the last two left, and what the caller had heard by then.
    pub over: Option<Instant>,
    pub caller_heard: Option<AudioCheck>,
    pub gave_up: bool,
    pub stopped: bool,
    pub outcome: Option<(Outcome, Option<u16>)>,
    pub faults: Vec<String>,
    /// The name by which requests know it.
    pub conn_id: Option<String>,
    pub mover: Option<Mover>,
    pub step: MoveStep,
    /// Grows with each step, so that timers of an earlier one are told from the present one's.
    pub steps: u32,
    pub moves: Vec<MoveRow>,
}

/// What is to be done with a call, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Mover {
    pub what: CallMove,
    /// The agent who does it.
    pub by: usize,
    /// The agent whom it concerns, once one was found.
    pub to: Option<usize>,
    /// The name of the consultation.
    pub consultation: Option<String>,
}

/// An agent in a call.
pub(crate) struct Seat {
    /// Index, id and phone of the agent.
    pub agent: usize,
    pub id: String,
    pub extension: String,
    pub came: Came,
    pub place: SeatPlace,
    pub leg: Option<LegId>,
    pub pair: Pair,
    pub heard: Option<AudioCheck>,
}

/// Where an agent is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SeatPlace {
    /// With the caller.
    Call,
    /// In a consultation.
    Aside,
    /// It has left.
    Gone,
}

impl Call {
    /// A new call with only its audio leg, and the pair of its caller.
    pub const fn blank(leg: LegId, caller_pair: Pair, placed: Instant) -> Self {
        Self {
            caller: String::new(),
            dialled: String::new(),
            service: "",
            key: None,
            dialog: None,
            leg,
            caller_pair,
            seats: Vec::new(),
            placed,
            placed_at: 0,
            answered: None,
            answers: 0,
            holds: 0,
            ends_by_agent: false,
            talk: Duration::ZERO,
            over: None,
            caller_heard: None,
            gave_up: false,
            stopped: false,
            outcome: None,
            faults: Vec::new(),
            conn_id: None,
            mover: None,
            step: MoveStep::Rest,
            steps: 0,
            moves: Vec::new(),
        }
    }

    pub const fn is_talking(&self) -> bool {
        self.answered.is_some() && self.over.is_none()
    }

    pub const fn is_waiting(&self) -> bool {
        self.answered.is_none() && self.over.is_none()
    }

    /// The agents who are in it.
    pub fn present(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.place != SeatPlace::Gone)
    }

    /// The seat of an agent who is in it.
    pub fn seat_mut(&mut self, agent: usize) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.agent == agent && seat.place != SeatPlace::Gone)
    }

    /// The pairs of all parties so far.
    pub fn pairs(&self) -> Vec<Pair> {
        std::iter::once(self.caller_pair).chain(self.seats.iter().map(|seat| seat.pair)).collect()
    }

    /// Whether the move concerns this agent.
    pub fn moves_to(&self, agent: usize) -> bool {
        self.mover.as_ref().is_some_and(|mover| mover.to == Some(agent))
    }

    /// Whether this agent does the move.
    pub fn is_moved_by(&self, agent: usize) -> bool {
        self.mover.as_ref().is_some_and(|mover| mover.by == agent)
    }
}
