//! A predictive call: a number is called without an agent, and waits at a route point once somebody has answered.

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::{CallState, Dn, EventName, Timestamp, UserData};

use super::alerting::not_a_target;
use super::asked::{Asked, rings_as_asked};
use super::facts::answering;
use super::point::Point;
use super::state::{Offer, Originating, OriginatingStep, Stage};
use super::timer::{LIFETIME, Timer};
use super::{Call, CallSnapshot, Incoming};

impl Call {
    /// A call to a number, made for the route point at `asked.this_dn`; its first output asks the dial plan about that one.
    pub(crate) fn predict(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut call = Self::restore(CallSnapshot::new(incoming, now));
        call.s.parties.clear();
        call.s.user_data = user_data;
        call.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        let ask = call.ask_dial_plan(asked.this_dn.to_string(), call.s.caller.clone(), now);
        call.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Point(ask) });
        call
    }

    /// Handles the dial plan's answer about the route point.
    pub(super) fn predictive_point_known(&mut self, asked: Asked, destination: Destination, now: Timestamp) {
        let Destination::RoutePoint { dn, application, default_dn } = destination else {
            return self.originating_fails(ErrorCode::INVALID_ATTRIBUTE, "ThisDN is not a route point", now);
        };
        let point = Point { dn, application, default_dn };
        let ask = self.ask_dial_plan(self.s.dialled.clone(), Caller::Phone(point.dn.clone()), now);
        self.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Number { ask, point } });
    }

    /// Handles the dial plan's answer about the number: calls it.
    pub(super) fn predictive_number_known(
        &mut self,
        asked: &Asked,
        point: Point,
        destination: Destination,
        now: Timestamp,
    ) {
        let destination = rings_as_asked(Some(asked), destination);
        if let Some((code, text)) = not_a_target(&destination, &self.s) {
            return self.originating_fails(code, text, now);
        }
        self.s.outbound = matches!(destination, Destination::Outside(_));
        let (dn, rings) = match &destination {
            Destination::Extension { dn, .. } => (dn.clone(), destination),
            Destination::Outside(outside) => (outside.number.clone(), destination),
            _ => {
                let text = "only a phone or a number outside can be called so";
                return self.originating_fails(ErrorCode::INVALID_CALLED_DN, text, now);
            }
        };
        self.announce(now);
        let mut dialing = self.point_event(EventName::Dialing, &point);
        dialing.other_dn = Some(dn.to_string());
        self.fact(answering(dialing, asked), now);
        let offer = Offer::new(dn, None, Some(point));
        match rings {
            Destination::Outside(outside) => self.offer_outside(offer, outside, now),
            Destination::Extension { contacts, no_answer_ms, .. } => self.offer(offer, contacts, no_answer_ms, now),
            _ => {}
        }
    }

    /// Whether the number is called for a route point, and nobody waits for its answer.
    pub(super) fn is_predictive(&self) -> bool {
        self.s.parties.is_empty() && matches!(&self.s.stage, Stage::Offering(offer) if offer.point.is_some())
    }

    /// Whether the number is called for this route point.
    pub(super) fn predicts_for(&self, dn: &Dn) -> bool {
        let is_it = matches!(&self.s.stage, Stage::Offering(Offer { point: Some(point), .. }) if point.dn == *dn);
        self.is_predictive() && is_it
    }

    /// The call ends before the number has answered: the route point is told.
    pub(super) fn predictive_failed(&mut self, why: CallState, now: Timestamp) {
        let Stage::Offering(Offer { dn, point: Some(point), .. }) = self.s.stage.clone() else { return };
        let busy = matches!(why, CallState::Busy).then_some(EventName::DestinationBusy);
        for name in busy.into_iter().chain([EventName::Released]) {
            let mut event = self.point_event(name, &point);
            event.call_state = Some(why);
            event.other_dn = Some(dn.to_string());
            self.fact(event, now);
        }
    }

    /// Who has answered a predictive call waits at its route point.
    pub(super) fn wait_if_predictive(&mut self, now: Timestamp) {
        if let [answered] = &self.s.parties[..]
            && self.s.stage == Stage::Talking
            && let Some(point) = answered.point.clone()
        {
            self.wait_at_point(point, UserData::new(), now);
        }
    }
}
