//! A phone that has several flows (RFC 5626) rings by one of them at a time. Where that is lost, the next one takes its place: a leg of
//! its own, since the dialog before may still have to be ended.

use model::plan::Contact;
use model::{Dn, LegId};

use super::state::{Originating, OriginatingStep, Stage};
use super::{Call, Output};

impl Call {
    /// The flow by which a leg rings is lost: the phone is rung by the next one, in that leg's place.
    pub(super) fn flow_failed(&mut self, leg: LegId, next: Contact) {
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
            replaced(&mut offer.legs);
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
