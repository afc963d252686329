//! A party of a call: who called or has answered.

use model::plan::Caller;
use model::request::MonitorMode;
use model::{AgentId, Dn, DnRole, LegId};

use super::point::Point;

/// The state of a party's leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegProgress {
    /// A caller that waits for our answer.
    Offered,
    /// A phone that is rung first, for a call made by request; it has not answered.
    Called,
    /// Our answer is being prepared.
    Answering,
    /// It was answered.
    Answered,
    /// It was released or lost.
    Gone,
}

/// The number of a party within its call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PartyNo(pub u16);

impl PartyNo {
    /// The one that called.
    pub const CALLER: Self = Self(1);
}

/// Who called or has answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its number; the one that called has 1.
    pub number: PartyNo,
    /// A phone of the tenant, or somebody behind a trunk.
    pub device: Caller,
    /// Its role in the call.
    pub role: DnRole,
    /// Its leg.
    pub leg: LegId,
    /// The state of that leg.
    pub progress: LegProgress,
    /// Whether the party has put the others on hold.
    pub held: bool,
    /// Whether its leg serves another call of the thread, or none, while it holds this one.
    pub away: bool,
    /// Whether the others do not hear it.
    pub muted: bool,
    /// Whether it does not hear the others.
    pub deaf: bool,
    /// The party that it monitors, if it is a supervisor.
    pub observes: Option<Observes>,
    /// Whether `Established` was published for it.
    pub established: bool,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// The route point that delivered the call.
    pub point: Option<Point>,
}

/// What a supervisor does in a call of others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observes {
    /// The party that it monitors.
    pub party: PartyNo,
    /// How.
    pub mode: MonitorMode,
}

impl Party {
    /// The one that calls.
    pub(super) fn calling(device: Caller) -> Self {
        Self {
            number: PartyNo::CALLER,
            device,
            role: DnRole::Origination,
            leg: super::CALLER_LEG,
            progress: LegProgress::Offered,
            held: false,
            away: false,
            muted: false,
            deaf: false,
            observes: None,
            established: false,
            agent: None,
            point: None,
        }
    }

    /// Its DN; none if it is behind a trunk.
    pub const fn dn(&self) -> Option<&Dn> {
        match &self.device {
            Caller::Phone(dn) => Some(dn),
            Caller::Trunk { .. } => None,
        }
    }

    /// Whether it only observes: the call goes on without it, and does not go on for it.
    pub fn is_silent(&self) -> bool {
        self.observes.is_some_and(|observes| observes.mode != MonitorMode::Connect)
    }

    /// Its number as others see it.
    pub fn address(&self) -> &str {
        match &self.device {
            Caller::Phone(dn) => dn.as_str(),
            Caller::Trunk { number, .. } => number,
        }
    }
}

/// A phone that did not take the call, and may forward it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forwarding {
    /// The number of the question to the dial plan.
    pub ask: u32,
    /// Whether the phone is busy; else nobody answers.
    pub busy: bool,
    /// The SIP status if it does not forward the call.
    pub status: u16,
}
