//! What agents do with a call beside talking: consult, transfer, confer. How far a call has come with it.

use std::time::Duration;

use model::entropy::Seeded;

use crate::plan::{Plan, unit};

/// What an agent does with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallMove {
    /// Consults another agent, and connects the caller with that one.
    ConsultAndTransfer,
    /// Consults another agent, and returns to the caller.
    ConsultAndReturn,
    /// Consults another agent, and makes a conference of it.
    ConsultAndConfer,
    /// Hands the call to another agent by one request.
    Transfer,
    /// Brings another agent in by one request.
    Confer,
    /// Hands the call to another agent by its phone (REFER).
    TransferByPhone,
}

impl CallMove {
    const ALL: [Self; 6] = [
        Self::ConsultAndTransfer,
        Self::ConsultAndReturn,
        Self::ConsultAndConfer,
        Self::Transfer,
        Self::Confer,
        Self::TransferByPhone,
    ];

    /// What is done with the call of that number. Seed and number alone decide, so that a run's other choices, which depend on when
    /// things happen, do not change it.
    pub fn of(plan: &Plan, number: u32) -> Option<Self> {
        let mut dice = Seeded::new(plan.seed ^ (u64::from(number) << 32));
        let is_moved = unit(&mut dice) < plan.moves;
        let which = (unit(&mut dice) * Self::ALL.len() as f64) as usize;
        Self::ALL.get(which).copied().filter(|_| is_moved)
    }

    /// The request that begins it, with its name; none if the phone does it.
    pub const fn begins_with(self) -> Option<(MoveRequest, &'static str)> {
        Some(match self {
            Self::ConsultAndTransfer | Self::ConsultAndReturn => (MoveRequest::Consult, "TInitiateTransfer"),
            Self::ConsultAndConfer => (MoveRequest::Consult, "TInitiateConference"),
            Self::Transfer => (MoveRequest::Transfer, "TSingleStepTransfer"),
            Self::Confer => (MoveRequest::Confer, "TSingleStepConference"),
            Self::TransferByPhone => return None,
        })
    }
}

/// What was requested, by the API or the phone, and has not happened yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MoveRequest {
    /// To consult another agent, who has not answered yet.
    Consult,
    /// To connect the caller with who was consulted.
    Complete,
    /// To leave the consultation and take the call back.
    Return,
    /// To take the call back after a consultation that nobody took.
    Retrieve,
    /// To make one call of both.
    Join,
    /// To hand the call over.
    Transfer,
    /// To bring another agent in, who has not answered yet.
    Confer,
}

/// How far a call has come with its move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MoveStep {
    /// Nothing is under way.
    Rest,
    /// The time for it has not come, or nobody is free for it.
    Ahead { tries: u32 },
    /// Something was requested.
    Requested(MoveRequest),
    /// The agents talk while the caller waits.
    Aside,
    /// Its agent has left, the other one has not answered yet.
    Handed,
    /// Three are in the call.
    Three,
}

impl MoveStep {
    /// Whether an agent beside the one that has the call may answer it.
    pub const fn expects_another(self) -> bool {
        matches!(
            self,
            Self::Handed | Self::Requested(MoveRequest::Consult | MoveRequest::Transfer | MoveRequest::Confer)
        )
    }

    /// Whether who hears whom is about to change.
    pub const fn is_between(self) -> bool {
        match self {
            Self::Requested(request) => !matches!(request, MoveRequest::Confer),
            Self::Handed => true,
            Self::Rest | Self::Ahead { .. } | Self::Aside | Self::Three => false,
        }
    }
}

/// The part of a conversation's length for each of: before the move, during it, after it.
const PART: f64 = 0.35;
/// The least of it: everybody must have been heard.
const PART_MIN: Duration = Duration::from_millis(1_500);
/// What is requested must have happened within this time, ringing included.
pub(crate) const HAPPENS_WITHIN: Duration = Duration::from_secs(20);
/// An agent looks again for another one who is free after this time, so often.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);
pub(crate) const LOOKS_MAX: u32 = 10;

/// How long each part of a conversation with a move lasts.
pub(crate) fn part(talk: Duration) -> Duration {
    talk.mul_f64(PART).max(PART_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn the_share_is_kept_each_kind_occurs_and_the_seed_decides() {
        let all = |seed: u64, moves: f64| -> Vec<Option<CallMove>> {
            let plan = Plan { seed, moves, ..plan() };
            (0..6_000).map(|number| CallMove::of(&plan, number)).collect()
        };
        let some = all(7, 0.25);
        let count = |kind: Option<CallMove>| some.iter().filter(|one| **one == kind).count();
        assert!(count(None).abs_diff(4_500) < 150, "{} without", count(None));
        assert!(CallMove::ALL.iter().all(|kind| count(Some(*kind)).abs_diff(250) < 60));
        assert_eq!(some, all(7, 0.25));
        assert_ne!(some, all(8, 0.25));
        assert!(all(7, 0.0).iter().all(Option::is_none) && all(7, 1.0).iter().all(Option::is_some));
    }
}
