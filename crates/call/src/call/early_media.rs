//! Early media: what is heard of a destination before it answers, such as a carrier's announcement (RFC 3960).

use model::{LegId, Timestamp};

use super::party::LegProgress;
use super::playing::Purpose;
use super::state::{CallSnapshot, Stage};
use super::{Call, Output};

impl CallSnapshot {
    /// Whether the call hears what the phone on a leg sends before it answers. Of several phones none speaks for all: they are heard
    /// when one has answered. Of several carriers that are called for an emergency the one that was tried last is heard: what those before
    /// it say late is mostly that they have no way there. Nor is one heard that is being brought into a call where others talk. What comes
    /// with `rings`, a 180, may be a session without sound: it does not replace a ringing tone of ours.
    pub fn hears_early(&self, leg: LegId, rings: bool) -> bool {
        let Stage::Offering(offer) = &self.stage else { return false };
        let is_heard = offer.legs == [leg] || (offer.trunk.is_some() && offer.legs.last() == Some(&leg));
        is_heard && (!rings || self.caller_progress() == LegProgress::Offered)
    }
}

impl Call {
    /// The call hears what the phone on a leg sends.
    pub(super) fn leg_plays_early(&mut self, leg: LegId, rings: bool, now: Timestamp) {
        if !self.s.hears_early(leg, rings) {
            return;
        }
        if self.s.caller_progress() == LegProgress::Offered {
            self.push(Output::PlayEarly { leg: self.s.caller_leg(), rings });
        }
        let ring_backs = self.s.playing.iter().filter(|playing| playing.purpose == Purpose::RingBack);
        for leg in ring_backs.map(|playing| playing.leg).collect::<Vec<_>>() {
            self.stop_playing(leg, now);
        }
    }
}
