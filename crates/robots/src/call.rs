//! A call between a robot caller and whoever answers it.

use std::time::Instant;

use media::dtmf::Digit;
use sip::agent::DialogId;

use crate::audio::LegId;
use crate::ear::AudioCheck;
use crate::results::Outcome;
use crate::tones::Pair;

/// A call from its INVITE until caller and agent have left it.
pub(crate) struct Call {
    pub caller: String,
    pub dialled: String,
    pub service: &'static str,
    pub key: Option<Digit>,
    pub dialog: Option<DialogId>,
    pub leg: LegId,
    pub agent_leg: Option<LegId>,
    pub caller_pair: Pair,
    pub agent_pair: Pair,
    pub placed: Instant,
    pub placed_at: u64,
    /// Index, id and phone of the agent who answered.
    pub agent: Option<(usize, String, String)>,
    pub answered: Option<Instant>,
    pub answers: u32,
    pub holds: u32,
    pub ends_by_agent: bool,
    /// When the first of the two left, and what both had heard by then.
    pub over: Option<Instant>,
    pub caller_heard: Option<AudioCheck>,
    pub agent_heard: Option<AudioCheck>,
    pub gave_up: bool,
    pub stopped: bool,
    pub outcome: Option<(Outcome, Option<u16>)>,
    pub faults: Vec<String>,
}

impl Call {
    /// A new call with only its audio leg, and the pairs of caller and agent.
    pub const fn blank(leg: LegId, (caller_pair, agent_pair): (Pair, Pair), placed: Instant) -> Self {
        Self {
            caller: String::new(),
            dialled: String::new(),
            service: "",
            key: None,
            dialog: None,
            leg,
            agent_leg: None,
            caller_pair,
            agent_pair,
            placed,
            placed_at: 0,
            agent: None,
            answered: None,
            answers: 0,
            holds: 0,
            ends_by_agent: false,
            over: None,
            caller_heard: None,
            agent_heard: None,
            gave_up: false,
            stopped: false,
            outcome: None,
            faults: Vec::new(),
        }
    }

    pub const fn is_talking(&self) -> bool {
        self.answered.is_some() && self.over.is_none()
    }

    pub const fn is_waiting(&self) -> bool {
        self.answered.is_none() && self.over.is_none()
    }
}
