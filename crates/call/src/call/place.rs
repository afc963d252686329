//! The place in a call that a phone takes: another phone's, or beside who is parked.

use model::{Dn, LegId};

use super::point::Point;

/// Whose place a phone takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// The place of the phone that rings on this leg; void once it is answered.
    Ringing(LegId),
    /// That of the phone on this leg, whether it rings or has answered.
    Leg(LegId),
    /// Nobody's: it joins who is parked.
    Parked,
}

/// A phone that waits for its answer, to take the place of another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// The leg on which it calls.
    pub leg: LegId,
    /// Its number.
    pub dn: Dn,
    /// Whose place it takes.
    pub of: Replaced,
}

/// A call that somebody has parked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parked {
    /// The number at which it is fetched.
    pub slot: Dn,
    /// Who has parked it: it goes back there if nobody fetches it.
    pub by: Option<Dn>,
    /// The route point that had delivered the call.
    pub point: Option<Point>,
}
