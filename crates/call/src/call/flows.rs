//! A phone that has several flows (RFC 5626) rings by one of them at a time. Where that is lost, the next one takes its place: a leg of
//! its own, since the dialog before may still have to be ended.

use model::plan::Contact;
use model::request::Treatment;
use model::{Dn, LegId, Timestamp};

use super::party::LegProgress;
use super::playing::Purpose;
use super::state::{Invitation, InvitationStep, Offer, Originating, OriginatingStep, Stage};
use super::{Call, Output};

impl Call {
    /// The flow by which a leg rings is lost: the phone is rung by the next one, in that leg's place.
    pub(super) fn flow_failed(&mut self, leg: LegId, next: Contact, now: Timestamp) {
        let Some(dn) = self.rings_on(leg) else { return };
        let by_next = self.ring_legs(&dn, vec![next], None);
        let Some(new) = by_next.first().copied() else { return };
        self.push(Output::Note(format!("leg {leg} has lost its flow: its phone is rung by the next one")));
        let replaced = |legs: &mut Vec<LegId>| {
            for ringing in legs.iter_mut().filter(|ringing| **ringing == leg) {
                *ringing = new;
            }
        };
        if let Stage::Originating(Originating { step: OriginatingStep::Ringing { legs, .. }, .. }) = &mut self.s.stage {
            replaced(legs);
            for caller in self.s.parties.iter_mut().filter(|caller| caller.leg == leg) {
                caller.leg = new;
            }
        } else if let Some(offer) = self.ringing_offer() {
            // Of several phones the first is the one that was asked.
            let is_asked = offer.answer_asked.is_some() && offer.legs.first() == Some(&leg);
            replaced(&mut offer.legs);
            if is_asked {
                self.push(Output::AskAnswer(new));
            }
            self.sound_ringing_again(now);
        }
    }

    /// The flow by which a leg rings is silent: the phone is rung by the next one, too. It may have got the first call, and answer that one.
    pub(super) fn flow_silent(&mut self, leg: LegId, next: Contact) {
        let Some(dn) = self.rings_on(leg) else { return };
        let Some(new) = self.ring_legs(&dn, vec![next], None).pop() else { return };
        self.push(Output::Note(format!("leg {leg} is silent: its phone is rung by its next flow, too")));
        let Some(legs) = self.legs_that_ring() else { return };
        // In front of it: of several phones the first is the one that was asked, and the newest of its flows stands for it.
        let at = legs.iter().position(|ringing| *ringing == leg).unwrap_or(legs.len());
        legs.insert(at, new);
        // Whichever of the two says something is asked then.
        let is_asked = |offer: &&mut Offer| offer.answer_asked.is_some() && offer.legs.first() == Some(&new);
        if self.ringing_offer().filter(is_asked).is_some() {
            self.push(Output::AskAnswer(new));
        }
    }

    /// Of the legs by which one phone or one emergency number is called one goes on alone: the others end, and are no refusals.
    pub(super) fn leg_prevails(&mut self, leg: LegId, rivals: &[LegId], trunk: Option<String>) {
        if !self.s.ringing_legs().contains(&leg) {
            return;
        }
        let Some(legs) = self.legs_that_ring() else { return };
        let ended: Vec<LegId> = legs.extract_if(.., |other| *other != leg && rivals.contains(other)).collect();
        for caller in self.s.parties.iter_mut().filter(|caller| ended.contains(&caller.leg)) {
            caller.leg = leg;
        }
        self.outputs.extend(ended.into_iter().map(Output::CancelLeg));
        if let (Some(offer), Some(trunk)) = (self.ringing_offer(), trunk) {
            offer.trunk = Some(trunk);
        }
    }

    fn legs_that_ring(&mut self) -> Option<&mut Vec<LegId>> {
        match (&mut self.s.stage, &mut self.s.invitation) {
            (Stage::Originating(Originating { step: OriginatingStep::Ringing { legs, .. }, .. }), _) => Some(legs),
            (Stage::Offering(offer), _) | (_, Some(Invitation { step: InvitationStep::Ringing(offer), .. })) => {
                Some(&mut offer.legs)
            }
            _ => None,
        }
    }

    /// What was heard of the phone by the lost flow is over: until it is heard by the next one, the ringing tone is.
    fn sound_ringing_again(&mut self, now: Timestamp) {
        let Stage::Offering(offer) = &self.s.stage else { return };
        let has_rung = offer.rang;
        if self.s.caller_progress() == LegProgress::Offered {
            // Whoever has heard the phone has heard no tone of ours, and plays one by itself.
            if has_rung {
                self.push(Output::AlertCaller(self.s.caller_leg()));
            }
        } else if !self.s.playing.iter().any(|playing| playing.purpose == Purpose::RingBack) {
            for leg in self.s.parties.iter().map(|party| party.leg).collect::<Vec<_>>() {
                self.play(leg, Treatment::RingBack, Purpose::RingBack, now);
            }
        }
    }

    /// The DN whose phone rings on that leg.
    fn rings_on(&self, leg: LegId) -> Option<Dn> {
        if !self.s.ringing_legs().contains(&leg) {
            return None;
        }
        match &self.s.stage {
            Stage::Offering(offer) if offer.trunk.is_some() => None,
            Stage::Offering(offer) => Some(offer.dn.clone()),
            Stage::Originating(Originating { asked, .. }) => Some(asked.this_dn.clone()),
            _ => self.s.invited().filter(|offer| offer.trunk.is_none()).map(|offer| offer.dn.clone()),
        }
    }
}
