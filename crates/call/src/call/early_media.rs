//! Early media: what is heard of a destination before it answers, such as a carrier's announcement (RFC 3960).

use model::{LegId, Timestamp};

use super::party::LegProgress;
use super::playing::Purpose;
use super::state::Stage;
use super::{Call, Output};

impl Call {
    /// The phone that a leg rings sends audio. Of several phones none speaks for all: they are heard when one has answered. Nor is
    /// one heard that is being brought into a call where others talk.
    pub(super) fn leg_plays_early(&mut self, leg: LegId, now: Timestamp) {
        let Stage::Offering(offer) = &self.s.stage else { return };
        if offer.legs != [leg] {
            return;
        }
        self.push(Output::HearEarly(leg));
        if self.s.caller_progress() == LegProgress::Offered {
            self.push(Output::PlayEarly(self.s.caller_leg()));
        }
        let ring_backs = self.s.playing.iter().filter(|playing| playing.purpose == Purpose::RingBack);
        for leg in ring_backs.map(|playing| playing.leg).collect::<Vec<_>>() {
            self.stop_playing(leg, now);
        }
    }
}
